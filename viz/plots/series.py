"""Plots of one variable: loss and accuracy by epoch, weights by epoch, functions, gradients by layer."""

from __future__ import annotations

import math
from itertools import cycle
from typing import TYPE_CHECKING

from viz.colors import FREE
from viz.text import brief, clean

from .looks import LOOKS
from .style import describe, legend_below, new_figure, styled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nn import History

    # The value at each epoch from 0 on, or at the epochs that are the keys.
    Series = Sequence[float] | Mapping[int, float]


def _points(series: Series) -> tuple[list[int], list[float]]:
    pairs = series.items() if hasattr(series, "items") else enumerate(series)
    epochs, values = zip(*pairs)
    return list(epochs), list(values)


def _draw_series(axes: Axes, named: Mapping[str, Series]) -> None:
    from matplotlib.ticker import MaxNLocator

    for (name, series), (color, marker, dash) in zip(named.items(), cycle(LOOKS)):
        epochs, values = _points(series)
        axes.plot(epochs, values, color=color, linestyle=dash, marker=marker, markevery=max(1, len(epochs) // 8),
                  markersize=4.5, label=clean(name))  # fmt: skip
    axes.set_xlabel("epochs done")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(named) > 1:
        axes.legend()


@styled
def curves(loss: Mapping[str, Series], accuracy: Mapping[str, Series] | None = None, title: str = "Training") -> Figure:
    """Loss by epoch, on a logarithmic axis, and below it accuracy where it is given.

    loss, accuracy   name of a series -> its values: a list from epoch 0 on, or a dict epoch -> value, where an epoch is
                     how many epochs were done when the value was taken. An accuracy is a share in [0, 1]

    For what ``fit`` returns, ``history`` knows which number belongs to which epoch.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

    figure = new_figure(title, height=3.4 if accuracy is None else 5.6)
    upper, *lower = figure.subplots(1 if accuracy is None else 2, 1, sharex=True, squeeze=False)[:, 0]
    _draw_series(upper, loss)
    upper.set_ylabel("loss")
    if all(value > 0 for series in loss.values() for value in _points(series)[1]):
        upper.set_yscale("log")
        upper.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        upper.yaxis.set_major_formatter(FuncFormatter(lambda tick, _: brief(tick)))
        upper.yaxis.set_minor_formatter(NullFormatter())
    parts = [f"Loss by epoch. {_summary(loss, '.4g')}"]
    for axes in lower:
        upper.set_xlabel("")
        upper.tick_params(labelbottom=True)
        named = accuracy or {}
        _draw_series(axes, named)
        axes.set_ylabel(f"{next(iter(named))} accuracy" if len(named) == 1 else "accuracy")
        axes.set_ylim(top=1.02)
        axes.set_yticks([tick for tick in axes.get_yticks() if axes.get_ylim()[0] <= tick <= 1])
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
        parts.append(f"Accuracy by epoch. {_summary(named, '.1%')}")
    return describe(figure, " ".join(parts))


def history(
    history: History, title: str = "Training", *, names: tuple[str, str] = ("training", "validation")
) -> Figure:
    """The curves of a training: loss, and accuracy where it was recorded, on the training and the validation data.

    ``history.loss[k]`` is the loss of the parameters after k epochs; all else was measured after the updates of epoch
    k, which is after k + 1 epochs. They are drawn there, so that a film's numbers and these agree.
    """
    loss: dict[str, Series] = {names[0]: history.loss}
    accuracy: dict[str, Series] = {}
    for named, name, values in (
        (loss, names[1], history.val_loss),
        (accuracy, names[0], history.accuracy),
        (accuracy, names[1], history.val_accuracy),
    ):
        if values:
            named[name] = dict(enumerate(values, 1))
    return curves(loss, accuracy or None, title)


def _summary(named: Mapping[str, Series], form: str) -> str:
    texts = []
    for name, series in named.items():
        epochs, values = _points(series)
        first, last = f"{values[0]:{form}} at epoch {epochs[0]}", f"{values[-1]:{form}} at epoch {epochs[-1]}"
        texts.append(f"{clean(name)}: {first}, {last}.")
    return " ".join(texts)


@styled
def lines(
    x: Sequence[float], named: Mapping[str, Sequence[float]], title: str, xlabel: str = "x", ylabel: str = ""
) -> Figure:
    """Functions of one variable: ``named`` is the name of each and its value at every x."""
    figure = new_figure(title, height=4.2)
    axes = figure.subplots()
    for (name, values), (color, marker, dash) in zip(named.items(), cycle(LOOKS)):
        axes.plot(x, values, color=color, linestyle=dash, marker=marker, markevery=max(1, len(x) // 10),
                  markersize=4.5, label=clean(name))  # fmt: skip
    axes.axhline(0, color=FREE, linewidth=0.6)
    axes.set(xlabel=clean(xlabel), ylabel=clean(ylabel))
    legend_below(figure, named)
    return describe(figure, f"{', '.join(map(clean, named))} for {xlabel} from {min(x):g} to {max(x):g}.")


@styled
def weights(named: Mapping[str, Series], title: str = "Weights over time") -> Figure:
    """Each parameter by epoch. ``named`` is the name of each and its values; up to twelve get a legend."""
    figure = new_figure(title, height=4.4)
    axes = figure.subplots()
    told_apart = len(named) <= 2 * len(LOOKS)
    for k, ((name, series), (color, marker, dash)) in enumerate(zip(named.items(), cycle(LOOKS))):
        epochs, values = _points(series)
        axes.plot(epochs, values, color=color, linestyle=dash, linewidth=1.5 if told_apart else 1.0, label=clean(name),
                  marker=marker if told_apart else None, markevery=max(1, len(epochs) // 8), markersize=5,
                  markerfacecolor=color if k < len(LOOKS) else "white")  # fmt: skip
    axes.axhline(0, color=FREE, linewidth=0.6)
    axes.set(xlabel="epochs done", ylabel="value")
    if told_apart:
        legend_below(figure, named)
    return describe(figure, f"{len(named)} parameters by epoch. {_summary(dict(list(named.items())[:6]), '.3g')}")


@styled
def gradient_norms(
    named: Mapping[str, Sequence[float]], title: str = "Gradient norm by layer", ylabel: str = "norm of dJ/dW"
) -> Figure:
    """The size of the gradient at each layer, first layer left, on a logarithmic axis; a series a network."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    figure = new_figure(title, height=3.8)
    axes = figure.subplots()
    for (name, norms), (color, marker, dash) in zip(named.items(), cycle(LOOKS)):
        shown = [norm if norm > 0 else math.nan for norm in norms]  # a logarithmic axis has no zero
        axes.plot(range(1, len(norms) + 1), shown, color=color, marker=marker, linestyle=dash, label=clean(name))
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda tick, _: brief(tick)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    longest = max(len(norms) for norms in named.values())
    axes.set_xticks(range(1, longest + 1))
    axes.set(xlabel="layer (1 is next to the input)", ylabel=ylabel)
    axes.legend()
    ratios = " ".join(
        f"{clean(name)}: layer 1 {norms[0]:.2g}, last layer {norms[-1]:.2g}." for name, norms in named.items()
    )
    return describe(figure, f"Gradient norm by layer. {ratios}")
