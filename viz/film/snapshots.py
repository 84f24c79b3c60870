"""The parameters of a model as training goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Protocol

    from engine import Value

    class Network(Protocol):
        """What the film needs of a model."""

        def parameters(self) -> list[Value]: ...
        def predict_proba(self, X: Any, /) -> Sequence[Any]: ...


class Snapshots:
    """The parameters of a model as training goes, gathered by ``fit(..., callback=snapshots)``.

    every       how many epochs lie between two snapshots
    epochs      after how many epochs the parameters were kept, 0 first
    parameters  the parameters at each of them, in the order of ``model.parameters()``
    """

    def __init__(self, model: Network, every: int = 1) -> None:
        if every < 1:
            raise ValueError(f"Snapshots: every is a number of epochs, 1 or more; got {every!r}")
        self.model, self.every = model, every
        self.epochs: list[int] = []
        self.parameters: list[list[float]] = []
        self.keep(0)

    def keep(self, epochs: int) -> None:
        """Keep the parameters as they are now, after so many epochs."""
        self.epochs.append(epochs)
        self.parameters.append([parameter.data for parameter in self.model.parameters()])

    def __call__(self, epoch: int, *_: object) -> None:
        if (epoch + 1) % self.every == 0:  # fit calls after epoch 0 first
            self.keep(epoch + 1)

    def named(self, names: Sequence[str]) -> dict[str, dict[int, float]]:
        """For ``plots.weights``: each name with the value of that parameter by epoch."""
        return {
            name: {epoch: kept[k] for epoch, kept in zip(self.epochs, self.parameters)} for k, name in enumerate(names)
        }
