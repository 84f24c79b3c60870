"""Module, what neurons, layers and networks have in common: they hold parameters under names."""

from __future__ import annotations

from engine import Value


class Module:
    """Something with parameters. A module of your own defines ``named_parameters`` and ``__call__``.

    ``fit`` trains any module whose call turns a row of inputs into a Value, or a list of Values for several outputs.
    """

    def named_parameters(self) -> list[tuple[str, Value]]:
        """(name, parameter) for every parameter, always in the same order."""
        raise NotImplementedError(f"{type(self).__name__} must define named_parameters() -> [(name, Value), ...]")

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
