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
    """An attribute that cannot be read; the message is its AttributeError's. A class of one's own may have it."""

    def __init__(self, message: str) -> None:
        self.message = message

    def __get__(self, instance: object, owner: object) -> None:
        raise AttributeError(self.message)


class Nowhere(Elsewhere):
    """An attribute that cannot be set either."""

    def __set__(self, instance: object, value: object) -> None:
        raise AttributeError(self.message)
