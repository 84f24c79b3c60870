"""The commands of ``python -m nn``: what they do, and what they say."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from random import Random
from time import perf_counter

from . import metrics
from .layers import MLP
from .optim import Adam
from .saving import load, save
from .table import Encoding, TableError, is_missing, listed, read, target_classes
from .training import NonFiniteError, fit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence
    from typing import Any

    from .table import Table
    from .training import History


class UsageError(Exception):
    """What was asked for makes no sense; the message says what to write."""


class Failure(Exception):
    """What was asked for could not be done."""


# train


def train(options: Namespace) -> int:
    """Train a network on a table; report, and write the model."""
    report = _Report(options.json, sys.stderr if options.out == "-" else sys.stdout)
    if options.json and options.out == "-":
        raise UsageError("--json and --out - would both write to standard output: give --out a file")
    picture = _picture_path(options)
    for path in (options.out, picture):
        _check_folder(path)
    notes: list[str] = []
    table, held, classes, labels = _rows(options, notes)
    encoding = Encoding.of(table, options.target, classes, options.text, options.drop, notes.append)
    X, y = encoding.inputs(table), encoding.targets(table)
    report.table(options.data, len(table), len(held), encoding, labels, notes)

    model = _network(options, encoding)
    report.line(
        f"{model!r}, {_counted(len(model.parameters()), 'parameter')}, {_counted(options.epochs, 'epoch')} of Adam"
    )
    started = perf_counter()
    history, interrupted = _trained(model, X, y, encoding, options)
    seconds = perf_counter() - started

    results: dict[str, Any] = {"training": scores(model, encoding, X, y)}
    if len(held):
        unseen: list[str] = []
        results["test"] = scores(model, encoding, encoding.inputs(held, unseen.append), encoding.targets(held))
    report.training(history, seconds)
    for rows, found in results.items():
        report.scores(rows, found, encoding)
    facts = {
        "rows": len(table), "seed": options.seed, "epochs": history.epochs, "test_share": options.test,
        "loss": history.loss[-1] if history.loss else None, **results,
    }  # fmt: skip
    written = []
    if options.out:
        model.extra = {"table": encoding.to_json(), "training": facts}
        _write_model(model, options.out)
        written.append(options.out)
    if picture and history.loss:
        with _writing(picture):
            _draw_loss(history, picture, f"{os.path.basename(options.data)}: {options.target}")
        written.append(picture)
    report.written([name for name in written if name != "-"])
    report.finish(
        data=options.data, target=options.target, classes=encoding.classes, inputs=encoding.features, notes=notes,
        model=repr(model), parameters=len(model.parameters()), backend=history.backend, seconds=seconds,
        losses=history.loss, written=written, **facts,
    )  # fmt: skip
    if interrupted is not None:
        where = f"; the model so far is in {options.out}" if options.out else ""
        interrupted.said = f"interrupted after {history.epochs} of {options.epochs} epochs{where}"  # type: ignore[attr-defined]
        raise interrupted
    return 0


def _rows(options: Namespace, notes: list[str]) -> tuple[Table, Table, list[str] | None, list[float]]:
    """The rows to train on, those to test on, the classes of the target if it has any, and the targets of all rows."""
    table = read(options.data, options.encoding, options.delimiter)
    table.known(options.target, "--target")
    unknown = {k for k, cell in enumerate(table.column(options.target)) if is_missing(cell)}
    if unknown:
        notes.append(f"{options.target}: {len(unknown)} rows left out, whose target is missing")
        table = table.without(unknown)
        if not len(table):
            raise TableError(f"{table.name}: the target {options.target!r} is missing in every row")
    classes = target_classes(table, options.target, options.target in options.text, options.task)
    labels = Encoding([], options.target, classes).targets(table)
    training, test = split(labels if classes else [0.0] * len(table), options.test, options.seed)
    return table.without(set(test)), table.without(set(training)), classes, labels


def split(kinds: Sequence[object], share: float, seed: int) -> tuple[list[int], list[int]]:
    """The rows to train on and those to test on, in order: of each kind the same share, drawn with the seed."""
    rng = Random(seed)
    groups: dict[object, list[int]] = {}
    for k, kind in enumerate(kinds):
        groups.setdefault(kind, []).append(k)
    test: list[int] = []
    for group in groups.values():
        rng.shuffle(group)
        count = min(round(share * len(group)), len(group) - 1)  # at least one of each kind is learned from
        test += group[:count]
    held = set(test)
    return [k for k in range(len(kinds)) if k not in held], sorted(test)


def _network(options: Namespace, encoding: Encoding) -> MLP:
    outputs, output = (1, "linear") if encoding.classes is None else (1, "sigmoid")
    if encoding.classes and len(encoding.classes) > 2:
        outputs, output = len(encoding.classes), "softmax"
    try:
        return MLP(len(encoding.features), [*options.layers, outputs], options.activation, output, seed=options.seed)
    except ValueError as error:
        raise UsageError(f"--activation: {error}") from None


def _trained(
    model: MLP, X: list[list[float]], y: list[float], encoding: Encoding, options: Namespace
) -> tuple[History, KeyboardInterrupt | None]:
    """Train the model; where Ctrl-C ends it, the interrupt as well."""
    shift, scale = 0.0, 1.0
    if encoding.classes is None:  # numbers are learned in units of their standard deviation
        shift = sum(y) / len(y)
        scale = (sum((t - shift) ** 2 for t in y) / len(y)) ** 0.5 or 1.0
        y = [(t - shift) / scale for t in y]
    interrupted = None
    try:
        history = fit(model, X, y, optimizer=Adam(model.parameters(), lr=options.lr), epochs=options.epochs,
                      batch_size=options.batch, seed=options.seed, l2=options.l2, standardize=True)  # fmt: skip
    except KeyboardInterrupt as interrupt:
        if not hasattr(interrupt, "history"):  # it came before fit had begun
            raise
        history, interrupted = interrupt.history, interrupt
    except NonFiniteError as error:
        raise Failure(str(error)) from None
    for neuron in model.layers[-1].neurons if encoding.classes is None else ():  # back to the target's own units
        for weight in neuron.weights:
            weight.data *= scale
        neuron.bias.data = neuron.bias.data * scale + shift
    if encoding.classes is None:
        history.loss = [loss * scale * scale for loss in history.loss]
    return history, interrupted


def scores(model: MLP, encoding: Encoding, X: list[list[float]], y: list[float]) -> dict[str, Any]:
    """What the metrics say of a model on some rows."""
    if encoding.classes is None:
        predicted: Any = model.predict(X)
        rms = (sum((t - p) ** 2 for t, p in zip(y, predicted)) / len(y)) ** 0.5
        return {"rows": len(y), "r2": metrics.r2_score(y, predicted) if len(y) > 1 else None, "rms_error": rms}
    classes = range(len(encoding.classes))
    labels = [int(t) for t in y]
    said: Any = model.predict(X)
    probabilities: Any = model.predict_proba(X)
    found: dict[str, Any] = {
        "rows": len(y),
        "accuracy": metrics.accuracy(labels, said),
        "most_frequent_class": max(map(labels.count, classes)) / len(labels),
    }
    averages: Any = metrics.precision_recall_f1(labels, said, "binary" if len(classes) == 2 else "macro")
    found.update(zip(("precision", "recall", "f1"), averages))
    if len(set(labels)) == len(classes):
        found["roc_auc"] = metrics.roc_auc(labels, probabilities)
    found["confusion"] = metrics.confusion_matrix(labels, said, list(classes))
    return found


def _picture_path(options: Namespace) -> str | None:
    """Where the picture of the loss goes; None for none."""
    if options.picture == "none":
        return None
    if options.picture is None:
        if options.out in (None, "-") or not _has_matplotlib():
            return None
        return os.path.splitext(str(options.out))[0] + ".loss.svg"
    if os.path.splitext(options.picture)[1].lower() not in (".svg", ".png", ".pdf"):
        raise UsageError(f"--picture {options.picture}: the suffix must be .svg, .png or .pdf")
    if not _has_matplotlib():
        raise UsageError("--picture needs matplotlib: pip install matplotlib, or leave the picture out")
    return str(options.picture)


def _has_matplotlib() -> bool:
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def _draw_loss(history: History, path: str, title: str) -> None:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "nn", "text.parse_math": False}):
        figure = Figure((6, 3.5), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(range(len(history.loss)), history.loss, color="#0072b2")
        axes.set(xlabel="epoch", ylabel="mean loss on the training rows", title=title)
        if min(history.loss) > 0 and max(history.loss) > 100 * min(history.loss):
            axes.set_yscale("log")
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, metadata={"Date": None} if path.lower().endswith(".svg") else None)


def _write_model(model: MLP, path: str) -> None:
    if path != "-":
        with _writing(path):
            save(model, path)
        return
    from .saving import to_text

    _print_whole(to_text(model))


def _check_folder(path: str | None) -> None:
    """Find out before the training that a file could not be written after it."""
    folder = os.path.dirname(path) or "." if path and path != "-" else "."
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        what = "is not writable" if os.path.isdir(folder) else "is not there"
        raise Failure(f"{path} could not be written: the folder {folder} {what}")


@contextmanager
def _writing(path: str) -> Iterator[None]:
    """What goes wrong inside is said of this file."""
    try:
        yield
    except OSError as error:
        raise Failure(f"{path}: {error.strerror or error}") from None


def _print_whole(text: str) -> None:
    """Write a long text in pieces: where Python does not buffer, one whose reader went away halfway raises nothing."""
    for start in range(0, len(text) if sys.stdout else 0, 8192):  # None where the output was closed from the start
        sys.stdout.write(text[start : start + 8192])


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what}" + "s" * (n != 1)


class _Report:
    """What train says: lines for a reader, or one JSON object at the end."""

    def __init__(self, as_json: bool, stream: Any) -> None:
        self.as_json, self.stream = as_json, stream

    def line(self, text: str = "") -> None:
        if not self.as_json:
            print(text, file=self.stream, flush=True)

    def table(self, path: str, rows: int, held: int, encoding: Encoding, labels: list[float], notes: list[str]) -> None:
        self.line(
            f"{path}: {_counted(rows, 'row')} to train on, {held:,} to test on, "
            f"{_counted(len(encoding.features), 'input')}"
        )
        for note in notes:
            self.line(f"  {note}")
        kind = "number"
        if encoding.classes is not None:
            counts = [f"{listed(name)} {labels.count(k)}" for k, name in enumerate(encoding.classes)]
            kind = f"{len(counts)} classes: {', '.join(counts)}"
        self.line(f"  {encoding.target}: the target, {kind}")

    def training(self, history: History, seconds: float) -> None:
        if history.loss:
            self.line(f"{_counted(history.epochs, 'epoch')} in {seconds:.3f} s ({history.backend}): loss "
                      f"{history.loss[0]:.4g} at the start, {history.loss[-1]:.4g} at the end")  # fmt: skip

    def scores(self, rows: str, found: dict[str, Any], encoding: Encoding) -> None:
        if encoding.classes is None:
            r2 = "" if found["r2"] is None else f"R² {found['r2']:.4f}, "
            self.line(f"{rows} rows ({found['rows']:,}): {r2}root mean square error {found['rms_error']:.4g}")
            return
        area = f", ROC area {found['roc_auc']:.3f}" if "roc_auc" in found else ""
        self.line(f"{rows} rows ({found['rows']:,}): accuracy {found['accuracy']:.1%} (always the most frequent class: "
                  f"{found['most_frequent_class']:.1%}), precision {found['precision']:.3f}, recall "
                  f"{found['recall']:.3f}, F1 {found['f1']:.3f}{area}")  # fmt: skip
        if rows == "test":
            self.line("true classes (rows) and predicted ones (columns) of the test rows:")
            for line in confusion_lines(found["confusion"], encoding.classes):
                self.line(f"  {line}")

    def written(self, names: list[str]) -> None:
        if names:
            self.line(f"wrote {' and '.join(names)}")

    def finish(self, **facts: Any) -> None:
        if self.as_json:
            print(json.dumps(facts, allow_nan=False, indent=1), file=self.stream)


def confusion_lines(matrix: list[list[int]], classes: list[str]) -> list[str]:
    """A confusion matrix as text, its rows and columns named."""
    names = [name if len(name) <= 14 else name[:13] + "…" for name in classes]
    widths = [max(len(name), *(len(str(row[k])) for row in matrix)) for k, name in enumerate(names)]
    left = max(map(len, names))
    lines = [" " * left + "".join(f"  {name:>{width}}" for name, width in zip(names, widths))]
    for name, row in zip(names, matrix):
        lines.append(f"{name:>{left}}" + "".join(f"  {count:{width}}" for count, width in zip(row, widths)))
    return lines


# predict


def predict(options: Namespace) -> int:
    """Predict the target for the rows of a table; write a CSV file, or JSON."""
    model, encoding, _ = _read_model(options.model)
    if encoding is None:
        raise UsageError(f"{options.model} has no table's columns in it: it was not written by python -m nn train")
    table = read(options.data, options.encoding, options.delimiter)
    X = encoding.inputs(table, lambda note: print(f"{options.data}: {note}", file=sys.stderr))
    header, rows = _predictions(model, encoding, X)
    text = _as_json(header, rows) if options.json else _as_csv(header, rows)
    if options.out == "-":
        _print_whole(text)
    else:
        from engine.files import write_whole

        with _writing(options.out):
            write_whole(options.out, text)
    if encoding.target in table.header:
        known = table.without({k for k, cell in enumerate(table.column(encoding.target)) if is_missing(cell)})
        if len(known):
            found = scores(model, encoding, encoding.inputs(known), encoding.targets(known))
            _Report(False, sys.stderr).scores(options.data, found, encoding)
    return 0


def _predictions(model: MLP, encoding: Encoding, X: list[list[float]]) -> tuple[list[str], list[list[Any]]]:
    """The header and the rows of what is predicted: the target, and the probability of each class."""
    predicted: Any = model.predict(X)
    if encoding.classes is None:
        return [encoding.target], [[p] for p in predicted]
    probabilities: Any = model.predict_proba(X)
    if len(encoding.classes) == 2:
        probabilities = [[1 - p, p] for p in probabilities]
    header = [encoding.target, *(f"p({name})" for name in encoding.classes)]
    return header, [[encoding.classes[k], *p] for k, p in zip(predicted, probabilities)]


def _as_csv(header: list[str], rows: list[list[Any]]) -> str:
    import csv
    import io

    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return file.getvalue()


def _as_json(header: list[str], rows: list[list[Any]]) -> str:
    lines = ",\n".join(json.dumps(dict(zip(header, row)), allow_nan=False) for row in rows)
    return f"[\n{lines}\n]\n"


# show


def show(options: Namespace) -> int:
    """Say what is in a model file."""
    model, encoding, training = _read_model(options.model)
    if options.json:
        content: dict[str, Any] = {
            "model": repr(model), "parameters": len(model.parameters()), "inputs": model.nin,
            "sizes": list(model.sizes), "activation": model.activation, "output": model.output,
            "standardized": model.mean is not None,
            "table": encoding.to_json() if encoding else None, "training": training,
        }  # fmt: skip
        print(json.dumps(content, indent=1))
        return 0
    print(f"{model!r}, {len(model.parameters()):,} parameters")
    features = encoding.features if encoding else [f"x{k}" for k in range(1, model.nin + 1)]
    if model.mean is not None and model.scale is not None:
        width = min(40, max(map(len, features)))
        print(f"inputs, standardised:\n  {'':{width}}  {'mean':>12}  {'scale':>12}")
        for feature, mean, scale in zip(features, model.mean, model.scale):
            print(f"  {feature[:width]:{width}}  {mean:12.6g}  {scale:12.6g}")
    elif encoding:
        print(f"inputs: {', '.join(features)}")
    if encoding:
        kind = "a number" if encoding.classes is None else f"one of {', '.join(map(listed, encoding.classes))}"
        print(f"target: {encoding.target}, {kind}")
    for layer_number, layer in enumerate(model.layers, 1):
        weights = [w.data for neuron in layer.neurons for w in neuron.weights]
        print(f"layer {layer_number}: {layer.nin} to {layer.nout}, {layer.activation}, weights from "
              f"{min(weights):.4g} to {max(weights):.4g}")  # fmt: skip
    if training:
        print(
            f"trained on {training.get('rows')} rows for {training.get('epochs')} epochs, seed {training.get('seed')}"
        )
        for rows in ("training", "test"):
            if encoding and isinstance(training.get(rows), dict):
                _Report(False, sys.stdout).scores(rows, training[rows], encoding)
    return 0


def _read_model(path: str) -> tuple[MLP, Encoding | None, dict[str, Any] | None]:
    """The model in a file, how its table was encoded, and how it was trained, as far as the file says."""
    try:
        model = load("/dev/stdin" if path == "-" else path)
        if not isinstance(model, MLP):
            raise UsageError(f"{path} holds a {type(model).__name__}, and the commands are for an MLP")
        extra: Any = model.extra if isinstance(model.extra, dict) else {}
        encoding = Encoding.from_json(extra["table"]) if "table" in extra else None
    except ValueError as error:
        raise UsageError(str(error)) from None
    if encoding is not None and len(encoding.features) != model.nin:
        raise UsageError(f"{path}: the table's columns make {len(encoding.features)} inputs, and {model!r} takes "
                         f"{model.nin}: the file is damaged")  # fmt: skip
    training = extra.get("training")
    return model, encoding, training if isinstance(training, dict) else None
