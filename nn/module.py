"""Module, what neurons, layers and networks have in common: they hold parameters under names."""

from __future__ import annotations

from engine import Value, collector_paused
from engine.other_names import Elsewhere
from engine.rows import read_rows

from .other_names import IN_MODULES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Module:
    """Something with parameters. A module of your own assigns them in its ``__init__`` and defines ``__call__``.

    Its parameters are the leaf Values among its attributes, and those of the modules among them, also inside lists,
    tuples and dictionaries. ``fit`` trains any module whose call turns a row of inputs into a Value, or a list of
    Values for several outputs; ``save`` and ``load`` keep its parameters.

    >>> class Line(Module):
    ...     def __init__(self):
    ...         self.slope, self.offset = Value(0.0), Value(0.0)
    ...
    ...     def __call__(self, x):
    ...         return self.slope * x[0] + self.offset
    >>> [name for name, _ in Line().named_parameters()]
    ['slope', 'offset']
    """

    def named_parameters(self) -> list[tuple[str, Value]]:
        """(name, parameter) for every parameter, always in the same order, each once.

        Raises ValueError where there is none.
        """
        found: dict[Value, str] = {}
        for name, attribute in vars(self).items():
            for path, parameter in _parameters_in(name, attribute):
                found.setdefault(parameter, path)
        if not found:
            raise ValueError(
                f"{type(self).__name__} has no parameters: assign leaf Values, or modules, to its attributes"
            )
        return [(name, parameter) for parameter, name in found.items()]

    def parameters(self) -> list[Value]:
        """Every parameter, in the order of ``named_parameters``."""
        return [parameter for _, parameter in self.named_parameters()]

    def regularised(self) -> list[Value]:
        """The parameters that an l2 penalty draws towards 0: all of them, unless a module says otherwise."""
        return self.parameters()

    def zero_grad(self) -> None:
        """Set ``grad`` of every parameter to 0.0."""
        for parameter in self.parameters():
            parameter.grad = 0.0

    def predict(self, X: object) -> Any:
        """What the module gives for each row of X, as numbers: one a row, or a list where there are several outputs."""
        call: Any = self
        predictions = []
        with collector_paused():
            for row in read_rows(X, getattr(self, "nin", None)):
                output = call([Value(x, f"x{j}") for j, x in enumerate(row, 1)])
                predictions.append(output.data if isinstance(output, Value) else [float(v) for v in output])
        return predictions


if not TYPE_CHECKING:  # a type checker says that there is no such attribute
    for _name, _ours in IN_MODULES.items():
        setattr(Module, _name, Elsewhere(f"a Module has no {_name}: {_ours}"))


def _parameters_in(name: str, attribute: object) -> Iterator[tuple[str, Value]]:
    if isinstance(attribute, Value):
        if attribute.is_leaf:
            yield name, attribute
    elif isinstance(attribute, Module):
        for path, parameter in attribute.named_parameters():
            yield f"{name}.{path}", parameter
    elif isinstance(attribute, dict):
        for key, item in attribute.items():
            yield from _parameters_in(f"{name}.{key}", item)
    elif isinstance(attribute, (list, tuple)):
        for k, item in enumerate(attribute, 1):
            yield from _parameters_in(f"{name}{k}", item)
