"""Eight exercises in backpropagation: you write a backward pass, and gradcheck grades it.

In Python, JupyterLab or marimo:

    from demos.exercises import check, hint, statement
    print(statement(1))                 # what to write
    def product(a, b, g): ...           # your answer
    check(1, product)                   # right, or what is wrong

From a shell, with the answers in a file of your own, under the names in the statements:

    python -m demos.exercises                     # all eight statements
    python -m demos.exercises my_answers.py       # graded

An answer is a function on plain numbers and lists. Its gradient is compared with finite differences, at points drawn at
random; these know nothing of the chain rule. The solutions are not in here.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .exercises_checks import EXERCISES, Exercise, Grade, grade


def statement(number: int) -> str:
    """What exercise ``number`` asks for, with the first line of the function to write."""
    exercise = _exercise(number)
    return f"{number}. {exercise.title}\n\n{exercise.task}\n\n    {exercise.signature}\n"


def hint(number: int) -> str:
    """One step of the way, for when you are stuck."""
    return _exercise(number).hint


def check(number: int, answer: Callable[..., Any]) -> Grade:
    """Grade an answer. The result shows itself: right, or what is wrong; ``.passed`` says it in a word."""
    return grade(_exercise(number), answer)


def _exercise(number: int) -> Exercise:
    if number not in EXERCISES:
        raise ValueError(f"there are exercises 1 to {len(EXERCISES)}, not {number!r}")
    return EXERCISES[number]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m demos.exercises",
        description="Eight exercises in backpropagation. Without a file, what they ask; with one, your answers graded.",
    )
    parser.add_argument("file", nargs="?", type=Path, help="a Python file with your functions")
    parser.add_argument("--hint", type=int, metavar="NUMBER", help="a hint for that exercise, and no more")
    options = parser.parse_args(arguments)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # σ and ∂ on a terminal that has neither
    if options.hint is not None:
        if options.hint not in EXERCISES:
            parser.error(f"there are exercises 1 to {len(EXERCISES)}")
        print(hint(options.hint))
        return 0
    if options.file is None:
        print("\n".join(statement(number) for number in EXERCISES))
        return 0
    names: dict[str, Any] = {"__name__": "answers"}
    try:
        text = options.file.read_text(encoding="utf-8")
    except OSError as error:
        parser.error(f"{options.file}: {error.strerror}")
    except UnicodeDecodeError:
        parser.error(f"{options.file}: not a text file in UTF-8")
    try:
        exec(compile(text, str(options.file), "exec"), names)  # the learner's own file
    except Exception as error:
        own = error.__traceback__ and error.__traceback__.tb_next  # without the line above, which is not theirs
        print("".join(traceback.format_exception(error.with_traceback(own))), end="", file=sys.stderr)
        return 2
    passed = 0
    for number, exercise in EXERCISES.items():
        answer = names.get(exercise.name)
        found = (
            check(number, answer) if callable(answer) else Grade(exercise, False, f"no function {exercise.name} yet")
        )
        passed += found.passed
        print(found)
    print(f"\n{passed} of {len(EXERCISES)} right")
    return 0 if passed == len(EXERCISES) else 1


if __name__ == "__main__":
    sys.exit(main())
