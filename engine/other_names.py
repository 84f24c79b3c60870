"""Names that other engines have for what a Value has under another: an AttributeError says what to write here."""

from __future__ import annotations

OTHER_NAMES = {
    name: f"a Value has no {name}: {ours}"
    for name, ours in {
        "_prev": "its operands are .parents, an ordered tuple",
        "_op": "its operation is .op, with .op.name and .op.symbol; None for a leaf",
        "_backward": "no closure is kept, only .local_derivatives; define an operation of your own by engine.define",
        "item": "its number is .data",
        "requires_grad": "every leaf is differentiated; .detach() gives a constant",
    }.items()
}


class Elsewhere:
    """An attribute that cannot be read or set; the message is its AttributeError's."""

    def __init__(self, message: str) -> None:
        self.message = message

    def __get__(self, node: object, owner: object) -> None:
        raise AttributeError(self.message)

    def __set__(self, node: object, value: object) -> None:
        raise AttributeError(self.message)
