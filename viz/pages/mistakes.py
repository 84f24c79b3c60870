"""The mistakes that learners make in a backward step: what their answer is then, in the table's own language.

A quiz asks for the gradient of an operand after the step, ``before + g * d``: what it held already, plus the upstream
gradient times the local derivative; or for the local derivative d alone. An answer that is one of the expressions below
is told which mistake makes it. ``w`` stands for a local derivative taken of another operand, or at another point. The
page has these rows as JavaScript, the terminal evaluates them as they are.
"""

from __future__ import annotations

from typing import NamedTuple


class Mistake(NamedTuple):
    """A mistake: what is asked for ("number" or "factor"), the answer that it gives, and what to tell the learner."""

    about: str
    answer: str
    says: str


ARGUMENTS = ("before", "g", "d", "w", "product")

MISTAKES = (
    Mistake("number", "product", "The accumulation is forgotten: what the gradient held already is kept"),
    Mistake("number", "before - product", "A sign is lost: look at the signs of both factors"),
    Mistake("number", "-product", "A sign is lost, and so is the gradient that was there already"),
    Mistake("number", "-before - product", "The sign of the sum is turned"),
    Mistake("number", "before + g", "The local derivative is left out: the upstream gradient is multiplied by it"),
    Mistake("number", "before + d", "The upstream gradient is left out: the local derivative is multiplied by it"),
    Mistake("number", "g", "This is the upstream gradient: multiply it by the local derivative"),
    Mistake("number", "d", "This is the local derivative: multiply it by the upstream gradient"),
    Mistake("number", "before + g + d", "Along a path derivatives are multiplied, not added"),
    Mistake("number", "g + d", "Along a path derivatives are multiplied, not added"),
    Mistake("number", "before + g / d", "The upstream gradient is divided by the local derivative, not multiplied"),
    Mistake("number", "before", "Nothing is added yet: this is what the gradient was before the step"),
    Mistake("number", "before * product", "What arrives on different paths is added, not multiplied"),
    Mistake("number", "before + g * w", "The upstream gradient is right, the other factor is not"),
    Mistake("number", "g * w", "The other factor is not the local derivative"),
    Mistake("factor", "-d", "The sign is wrong"),
    Mistake("factor", "product", "This is the product already: only the local derivative is asked for"),
    Mistake("factor", "g", "This is the upstream gradient, not the local derivative"),
    Mistake("factor", "1 / d", "This is the derivative the other way round"),
    Mistake("factor", "w", "Not that one"),
)
