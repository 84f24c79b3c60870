"""checkpoint and resume: a training in a file, which goes on bit for bit.

The file is JSON, as a model's is: the model, the optimiser with its state, the history, and where the generator that
orders the batches stands.
"""

from __future__ import annotations

from random import Random

from engine.files import write_whole
from engine.operands import shortened

from .module import Module
from .optim import OPTIMIZERS, Optimizer
from .saving import content_of, model_in, read_json
from .training import History

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import Any

FORMAT, VERSION = "scalar-backprop-checkpoint", 1
_LISTS = ("loss", "accuracy", "val_loss", "val_accuracy", "best_parameters")
_SCALARS = ("best_epoch", "stopped", "backend", "backend_reason")


def checkpoint(path: str | os.PathLike[str], model: Module, optimizer: Optimizer, history: History) -> None:
    """Write model, optimiser and history to a file; an existing file is replaced whole, or kept.

    After ``fit``, or in a callback of it. Raises TypeError for what is none of these, ValueError where the optimiser
    holds parameters of another model or a parameter is not finite, OSError where the file cannot be written.

    >>> import os, tempfile
    >>> from nn import MLP, SGD, fit
    >>> X, y, model = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0], MLP(2, [4, 1])
    >>> optimizer = SGD(model.parameters(), lr=1.0, momentum=0.9)
    >>> history = fit(model, X, y, optimizer=optimizer, epochs=10, batch_size=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoint(os.path.join(folder, "run.json"), model, optimizer, history)
    ...     later, its_optimizer, its_history = resume(os.path.join(folder, "run.json"))
    >>> history = fit(model, X, y, optimizer=optimizer, epochs=10, batch_size=2, history=history)
    >>> its_history = fit(later, X, y, optimizer=its_optimizer, epochs=10, batch_size=2, history=its_history)
    >>> history.loss == its_history.loss, [p.data for p in model.parameters()] == [p.data for p in later.parameters()]
    (True, True)
    """
    import json

    for name, given, kind in (("optimizer", optimizer, Optimizer), ("history", history, History)):
        if not isinstance(given, kind):
            raise TypeError(f"checkpoint: {name} must be one of {kind.__name__}, got {shortened(given)}")
    content = {
        "format": FORMAT,
        "version": VERSION,
        "model": content_of(model),
        "optimizer": {
            "kind": type(optimizer).__name__,
            "settings": optimizer.settings(),
            "parameters": _names(model, optimizer),
            "state": optimizer.state,
        },
        "history": {name: getattr(history, name) for name in (*_LISTS, *_SCALARS)},
        "generator": None if history.generator is None else history.generator.getstate(),
    }
    write_whole(path, json.dumps(content, indent=1) + "\n")


def resume(
    path: str | os.PathLike[str], model: Module | None = None, optimizer: type[Optimizer] | None = None
) -> tuple[Any, Optimizer, History]:
    """(model, optimiser, history) as ``checkpoint`` wrote them: ``fit(..., history=history)`` goes on from there.

    model       for a module of one's own: a new one, whose parameters are set
    optimizer   for an optimiser of one's own: its class

    Raises ValueError, naming the file and what is wrong with it, where it is no checkpoint; OSError where it cannot be
    read.
    """
    content = read_json(path, constants=True)
    if not isinstance(content, dict) or content.get("format") != FORMAT or type(content.get("version")) is not int:
        raise ValueError(
            f"{path}: this is not a checkpoint. Write one with nn.checkpoint(path, model, optimizer, history)"
        )
    if content["version"] != VERSION:
        raise ValueError(
            f"{path}: the file has version {shortened(content['version'])}, and this release reads {VERSION}"
        )
    loaded = model_in(content.get("model"), path, model)
    try:
        return loaded, _optimizer(content["optimizer"], loaded, optimizer), _history(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: the checkpoint is damaged ({type(error).__name__}: {error!s:.200})") from None


def _names(model: Module, optimizer: Optimizer) -> list[str]:
    names = {parameter: name for name, parameter in model.named_parameters()}
    if not set(optimizer.params) <= names.keys():
        raise ValueError("checkpoint: the optimizer holds parameters that do not belong to the model")
    return [names[parameter] for parameter in optimizer.params]


def _optimizer(content: Any, model: Module, kind: type[Optimizer] | None) -> Optimizer:
    kind = OPTIMIZERS.get(content["kind"]) if kind is None else kind
    if kind is None:
        raise ValueError(
            f"its optimizer is a {shortened(content['kind'])} of your own: resume(path, optimizer=its class)"
        )
    named = dict(model.named_parameters())
    optimizer = kind([named[name] for name in content["parameters"]], **content["settings"])
    state = {name: [float(x) for x in numbers] for name, numbers in content["state"].items()}
    if state.keys() != optimizer.state.keys() or any(len(x) != len(optimizer.params) for x in state.values()):
        raise ValueError("the optimizer's state is not that of its kind")
    optimizer.state = state
    return optimizer


def _history(content: Any) -> History:
    history = History()
    for name in _LISTS:
        setattr(history, name, [float(x) for x in content["history"][name]])
    for name in _SCALARS:
        setattr(history, name, content["history"][name])
    if content["generator"] is not None:
        version, numbers, gauss = content["generator"]
        history.generator = Random()
        history.generator.setstate((version, tuple(numbers), gauss))
    return history
