"""``python -m viz``: an expression on the command line becomes numbers, gradients and a picture."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .expression import ExpressionError, evaluate
from .graphs.layout import RenderError
from .graphs.render import FORMATS, render

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPILOG = """examples:
  python -m viz "a*b + tanh(c)" a=2 b=-3 c=0.5 --out graph.svg
  python -m viz "sigmoid(dot([w1, w2], [x1, x2], b))" w1=0.3 w2=-1 x1=2 x2=0.5 b=0.1 --out neuron.html
  python -m viz playground page.html        a network that trains in the browser

An expression has numbers, names, + - * / **, parentheses and the operations of the engine:
  {operations}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, 1 where a picture cannot be made, 2 for a wrong input."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["playground"]:
        from .pages.playground import main as write_playground

        return write_playground(given[1:])
    parser = _parser()
    # an expression may begin with a minus, which argparse would take for an option
    known = tuple(option for action in parser._actions for option in action.option_strings)
    given = [f" {word}" if word[:1] == "-" and word.split("=")[0] not in known else word for word in given]
    options = parser.parse_args(given)
    suffixes = (*FORMATS, ".html")
    for path in options.out:
        if path.suffix.lower() not in suffixes:
            parser.error(f"--out {path}: the suffix must be one of {', '.join(suffixes)}")
    try:
        output, leaves = evaluate(options.expression.strip(), _values(options.values, parser))
    except ExpressionError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    output.backward()
    print(f"{options.expression.strip()} = {output.data:.10g}")
    width = max(map(len, leaves), default=0)
    for name, leaf in leaves.items():
        print(f"  {name:{width}} = {leaf.data:<16.10g}  grad = {leaf.grad:.10g}")
    for path in options.out:
        try:
            if path.suffix.lower() == ".html":
                from .pages.stepthrough import step_through

                step_through(output, path)
            else:
                render(output, path, detail=options.detail)
        except (RenderError, OSError, ValueError) as error:
            print(f"{parser.prog}: {path}: {error}", file=sys.stderr)
            return 1
        print(f"wrote {path}")
    return 0


def _parser() -> argparse.ArgumentParser:
    import textwrap

    from engine import OPS

    operations = textwrap.fill(", ".join(OPS), width=90, subsequent_indent="  ")
    parser = argparse.ArgumentParser(
        prog="python -m viz",
        description="Evaluate an expression, differentiate it, and draw its graph.",
        epilog=_EPILOG.format(operations=operations),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("expression", help='such as "a*b + tanh(c)"')
    parser.add_argument("values", nargs="*", metavar="name=number", help="the value of each name in the expression")
    parser.add_argument("--out", action="append", default=[], type=Path, metavar="FILE",
                        help=".svg, .png, .pdf or .dot for the graph, .html for a page that steps through "
                             "backpropagation; may be given several times")  # fmt: skip
    parser.add_argument("--detail", default="auto", choices=("auto", "full", "neuron", "layer"),
                        help="how much of a large graph to draw (default: auto, by size)")  # fmt: skip
    return parser


def _values(words: Sequence[str], parser: argparse.ArgumentParser) -> dict[str, float]:
    values: dict[str, float] = {}
    for word in words:
        name, equals, number = (part.strip() for part in word.partition("="))
        if not equals or not name.isidentifier():
            parser.error(f"{word.strip()!r}: a value is given as name=number, such as a=2")
        if name in values:
            parser.error(f"{word!r}: {name} already has the value {values[name]:g}")
        try:
            values[name] = float(number)
        except ValueError:
            parser.error(f"{word!r}: {number!r} is not a number")
    return values


if __name__ == "__main__":
    sys.exit(main())
