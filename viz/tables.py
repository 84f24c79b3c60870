"""What notebooks show of a model, a training's History, a gradcheck's report and an operation: a table, a curve.

Everything is given as text as well. Tables take the colours of the notebook around them; the curve has its own ground.
"""

from __future__ import annotations

import html
import math
from base64 import b64encode
from typing import TYPE_CHECKING

from .tex import Tex, derivative, name, operation
from .text import exact, number, typeset

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine import GradcheckReport, Op
    from nn import MLP, History

MOST = 400  # points of a curve; more cannot be told apart
MOST_LINES = 60  # of a report that are shown, those that disagree first


def _table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]], numbers: int) -> str:
    """An HTML table; the cells are HTML, those from ``numbers`` on stand to the right."""
    head = "".join(f'<th scope="col">{html.escape(heading)}</th>' for heading in headings)
    lines = []
    for row in rows:
        cells = [f'<td style="text-align:{"right" if k >= numbers else "left"}">{c}</td>' for k, c in enumerate(row)]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<table><caption style="text-align:left">{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )


def of_model(model: MLP) -> str:
    """A row for each layer: its neurons, activation and parameters, and how large its weights are."""
    rows = []
    for k, layer in enumerate(model.layers, 1):
        weights = [abs(w.data) for neuron in layer.neurons for w in neuron.weights]
        last = k == len(model.layers)
        activation = model.output if last else layer.activation
        rows.append([
            f"{k}{' (output)' if last else ''}", html.escape(activation), str(layer.nin), str(len(layer.neurons)),
            str(len(layer.parameters())), number(sum(weights) / len(weights)), number(max(weights)),
        ])  # fmt: skip
    headings = ["layer", "activation", "inputs", "neurons", "parameters", "mean |w|", "largest |w|"]
    return _table(f"{model!r}: {len(model.parameters())} parameters", headings, rows, 2)


def of_report(report: GradcheckReport) -> str:
    """A row for each derivative; where there are many, those that disagree and then the first."""
    shown = [*report.failures, *(d for d in report.derivatives if d.status == "ok")][:MOST_LINES]
    rows = []
    for d in shown:
        status = "ok" if d.status == "ok" else f"<b>{html.escape(d.status)}</b>"
        error = "0" if not d.error else typeset(f"{d.error:.0e}")
        note = f"{status}: {html.escape(d.note)}" if d.note else status
        rows.append([html.escape(d.name), note, exact(d.analytic), exact(d.numerical), error])
    failed, total = len(report.failures), len(report.derivatives)
    caption = f"{failed} of {total} disagree" if failed else f"all {total} agree"
    if len(shown) < total:
        caption += f"; {len(shown)} of them are shown"
    return _table(caption, ["derivative", "", "backpropagation", "central difference", "error"], rows, 2)


def of_operation(op: Op) -> str:
    """The operation as a formula, and its derivative with respect to each argument."""
    from .pages.mathml import mathml

    rows = []
    if op.arity:
        arguments = [name(a) for a in (op.arguments if "y" in op.names else op.names)]  # y is the result
        formula = mathml(f"y = {operation(op.name)(*arguments).text}")
        for k, a in enumerate(arguments):
            found = derivative(op.name, k, {**dict(zip(op.arguments, arguments)), "y": Tex("y")})
            rows.append([mathml(rf"\frac{{\partial y}}{{\partial {a.text}}}"), mathml(found.text)])
    else:
        formula = f"<code>{html.escape(op.forward)}</code>"
        rows = [["", f"<code>{html.escape(rule)}</code>"] for rule in op.rules]
    table = _table("", ["derivative", "rule"], rows, 2)
    return f"<p><b>{html.escape(op.name)}</b>: {html.escape(op.doc)}</p><p>{formula}</p>{table}"


def of_history(history: History) -> str:
    """The loss, epoch by epoch, as an SVG: logarithmic where it falls by more than a factor of 20."""
    curves = [
        ("loss", history.loss, "#0b5cad", ""),
        ("val_loss", history.val_loss, "#b3261e", ' stroke-dasharray="6 4"'),
    ]
    finite = [x for _, losses, _, _ in curves for x in losses if math.isfinite(x)]
    logarithmic = bool(finite) and min(finite) > 0 and max(finite) > 20 * min(finite)
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if not logarithmic:
        low = min(low, 0.0)
    scale = math.log10 if logarithmic else float
    bottom, top = scale(low), scale(high)
    span = top - bottom or 1.0
    left, right, above, below = 70, 470, 14, 160
    parts = []
    for k, (word, losses, color, dashes) in enumerate(curves):
        if not losses:
            continue
        every = max(1, math.ceil(len(losses) / MOST))
        places = [*range(0, len(losses), every), *([len(losses) - 1] if (len(losses) - 1) % every else [])]
        points = [
            f"{left + (right - left) * i / max(1, len(losses) - 1):.1f},"
            f"{below - (below - above) * (scale(losses[i]) - bottom) / span:.1f}"
            for i in places
            if math.isfinite(losses[i])
        ]
        parts.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{color}" stroke-width="2"{dashes}/>')
        y = above + 16 + 18 * k
        parts.append(f'<path d="M{right - 110} {y - 4}h24" stroke="{color}" stroke-width="2"{dashes}/>')
        parts.append(f'<text x="{right - 80}" y="{y}">{word}</text>')
    about = f"{history.epochs} epochs, stopped: {history.stopped}, backend: {history.backend}"
    title = html.escape(f"The loss over {about}")
    axis = "loss, logarithmic" if logarithmic else "loss"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 490 200" width="490" role="img" aria-label="{title}" '
        'font-family="Helvetica,Arial,sans-serif" font-size="12" fill="#1e272e" style="max-width:100%;height:auto">'
        f'<title>{title}</title><rect width="490" height="200" fill="#ffffff"/>'
        f'<rect x="{left}" y="{above}" width="{right - left}" height="{below - above}" fill="none" stroke="#77828d"/>'
        f'{"".join(parts)}<text x="{left - 6}" y="{above + 10}" text-anchor="end">{number(high)}</text>'
        f'<text x="{left - 6}" y="{below}" text-anchor="end">{number(low)}</text>'
        f'<text x="{left}" y="{below + 16}">epoch 0</text>'
        f'<text x="{right}" y="{below + 16}" text-anchor="end">{max(0, history.epochs - 1)}</text>'
        f'<text x="{(left + right) // 2}" y="{below + 16}" text-anchor="middle">{axis}</text>'
        f'<text x="{left}" y="{below + 34}">{html.escape(about)}</text></svg>'
    )


def history_bundle(
    history: History, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
) -> dict[str, str]:
    """The curve by media type; in HTML it is an image, which a notebook shows where nobody trusts it, too."""
    drawn = of_history(history)
    source = b64encode(drawn.encode("utf-8")).decode("ascii")
    image = f'<img src="data:image/svg+xml;base64,{source}" alt="{html.escape(repr(history))}" style="max-width:100%"/>'
    shown = {"text/plain": repr(history), "text/html": image, "image/svg+xml": drawn}
    wanted, unwanted = set(include or shown), set(exclude or ())
    return {kind: content for kind, content in shown.items() if kind in wanted and kind not in unwanted}


def install() -> None:
    """Give these classes the methods by which notebooks ask; engine and nn know nothing of them."""
    from engine import GradcheckReport, Op
    from nn import MLP, History

    for kind, show in ((MLP, of_model), (GradcheckReport, of_report), (Op, of_operation)):
        setattr(kind, "_repr_html_", show)  # noqa: B010  the type checker knows no such method of theirs
    History._repr_mimebundle_ = history_bundle  # type: ignore[attr-defined]
