"""What the tests of pictures draw, and how they read it."""

from __future__ import annotations

import re

from engine import Value
from nn import MLP, binary_cross_entropy


def network_loss(*sizes: int, backward: bool = True, **options: str) -> Value:
    """The loss of an MLP with these layer sizes on one sample."""
    inputs, *rest = sizes
    loss = binary_cross_entropy(MLP(inputs, rest, seed=1, **options)([0.5, -1.0, 0.25][:inputs]), 1.0)
    loss.label = "J"
    if backward:
        loss.backward()
    return loss


def boxes(source: str, kind: str) -> list[str]:
    """The lines of the DOT text that draw boxes of this kind."""
    return [line for line in source.splitlines() if re.search(rf'class="{kind} \w+"', line)]
