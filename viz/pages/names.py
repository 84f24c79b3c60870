"""What the nodes of a graph are called in a page: as the user labelled them, and z and a as the lecture writes them.

The lecture writes the layer above and the neuron below: layer1.neuron2.a is a¹₂, and its weight for input 3 is w¹₂₃,
in formulas with a comma between neuron and input.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from viz.text import clean, shorten

if TYPE_CHECKING:
    from engine import Value

_DOTTED = re.compile(r"[^\W\d]\w{0,40}(?:\.\w{1,40}){1,4}")
_BELOW = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_ABOVE = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
LONGEST = 200  # characters of a label that a page carries


class Called(NamedTuple):
    """The names of a node.

    full    as the user gave it, or the short one
    short   in formulas and boxes; "" for a constant without a label, which is called by its number
    cell    in the table of its neuron: w₃
    math    the symbol, what stands below it and what above; None where the name is a plain word
    """

    full: str
    short: str
    cell: str
    math: tuple[str, str, str] | None


def names(order: list[Value], outputs: list[Value]) -> list[Called]:
    """The names of all nodes, in time linear in their number and in the length of the labels."""
    labels = [clean(node.label[: 4 * LONGEST]) for node in order]
    given = set(labels)
    found, count = [], 0
    for node, label in zip(order, labels):
        name = label
        # "a*b + c" is a fine label, but ∂a*b + c/∂a is no formula
        if not (node.is_constant or (label and node.is_leaf) or re.fullmatch(r"[\w.]+", label)):
            name = "L" if any(node is output for output in outputs) and "L" not in given else ""
            if name:
                given.add(name)
            while not name or name in given and name != "L":
                count += 1
                name = f"{'x' if node.is_leaf else 'v'}{count}"
        short, cell, math = _symbol(name)
        found.append(Called(shorten(label or name, LONGEST), short, cell, math))
    return found


def _symbol(name: str) -> tuple[str, str, tuple[str, str, str] | None]:
    """The name in formulas, in its neuron's table, and as a symbol with what stands below and above."""
    if _DOTTED.fullmatch(name):
        *units, last = name.split(".")
        letter, digits = _split(last)
        numbers = [number for unit in units[-2:] if (number := _split(unit)[1])]
        layer = numbers[0] if len(numbers) > 1 else ""
        below = ([numbers[-1]] if numbers else []) + ([digits] if digits else [])
        if letter and numbers and len(letter) <= 6:
            # small digits have no comma: only where it is needed
            apart = "," if any(len(number) > 1 for number in below) else ""
            short = letter + layer.translate(_ABOVE) + apart.join(below).translate(_BELOW)
            return shorten(short, 14), letter + digits.translate(_BELOW), (letter, ",".join(below), layer)
        return shorten(last, 14), shorten(last, 8), None
    letter, digits = _split(name)
    math = (letter, digits, "") if len(letter) == 1 and letter.isalpha() else None
    return shorten(name, 14), shorten(name, 8), math


def _split(word: str) -> tuple[str, str]:
    """A word and the number at its end: w3 is w and 3."""
    found = re.fullmatch(r"([^\W\d]*?)_?([0-9]{0,6})", word)
    return (found[1], found[2]) if found else ("", "")
