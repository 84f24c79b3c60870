"""``python -m viz``: an expression on the command line becomes numbers, gradients and a picture."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .expression import ExpressionError, evaluate, number
from .formulas import latex
from .graphs.layout import RenderError
from .graphs.render import FORMATS, render, svg
from .terminal import tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine import Value

_USAGE = (
    "python -m viz EXPRESSION [NAME=NUMBER ...] [--out FILE ...] [--detail LEVEL] [--open] [--quiz] [--tree] [--latex]"
)

_ASSIGNMENT = re.compile(r"\s*[^\W\d]\w*\s*=(?!=)")  # name=number; "a == b" is an expression

_EPILOG = """examples:
  python -m viz "a*b + tanh(c)" a=2 b=-3 c=0.5 --out graph.svg
  python -m viz "sigmoid(dot([w1, w2], [x1, x2], b))" w1=0.3 w2=-1 x1=2 x2=0.5 b=1/10 --out neuron.html --open
  python -m viz "sin(2*pi*t)" t=0.1 --out - > graph.svg
  python -m viz playground page.html            a page in which a network trains; playground --help has its options

An expression has numbers, names, pi and e, + - * / **, comparisons, "x if a > b else y", parentheses and the operations
of the engine:
  {operations}

Exit status: 0; 1 where a picture cannot be made or written; 2 for an input that is wrong.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, 1 where a picture cannot be made, 2 for a wrong input."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["playground"]:
        from .pages.playground import main as write_playground

        return write_playground(given[1:])
    parser = _parser()
    options = parser.parse_intermixed_args(_protected(given, parser))
    suffixes = (*FORMATS, ".html")
    for name in options.out:
        if name != "-" and Path(name).suffix.lower() not in suffixes:
            parser.error(f"--out {name}: the suffix must be one of {', '.join(suffixes)}, or - for SVG on the output")
    words = [word for word in (options.expression, *options.values) if word is not None]
    expressions = [word.strip() for word in words if not _ASSIGNMENT.match(word)]
    if not expressions:
        parser.error('an expression is missing, such as "a*b + tanh(c)"')
    expression = expressions[0]
    if len(expressions) > 1:
        parser.error(
            f"{expressions[1]!r}: {expression!r} is the expression; a value is given as name=number, such as a=2"
        )
    try:
        output, leaves = evaluate(expression, _values([word for word in words if _ASSIGNMENT.match(word)], parser))
    except ExpressionError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    if options.quiz:
        from .pages.quiz import quiz

        quiz(output, tell=_wrapped)
    output.backward()
    # Where the output is the picture, the numbers must not stand in it.
    report = sys.stderr if "-" in options.out else sys.stdout
    print(f"{expression} = {output.data:.10g}", file=report)
    width = max(map(len, leaves), default=0)
    for name, leaf in leaves.items():
        print(f"  {name:{width}} = {leaf.data:<16.10g}  grad = {leaf.grad:.10g}", file=report)
    if options.tree:
        print(tree(output), file=report)
    if options.latex:
        print(*(latex(output, wrt=wrt) for wrt in (None, *leaves.values())), sep="\n", file=report)
    names = options.out or ([_temporary()] if options.open else [])
    for name in names:
        try:
            if name == "-":
                print(svg(output, detail=options.detail))
                continue
            _write(output, Path(name), options.detail, options.quiz)
        except (RenderError, OSError, ValueError) as error:
            if isinstance(error, BrokenPipeError) or name == "-":
                raise
            print(f"{parser.prog}: {name}: {error}", file=sys.stderr)
            return 1
        print(f"wrote {name}", file=report)
        if options.open:
            import webbrowser

            webbrowser.open(Path(name).resolve().as_uri())
    return 0


def _write(output: Value, path: Path, detail: str, quiz: bool) -> None:
    if path.suffix.lower() == ".html":
        from .pages.stepthrough import step_through

        step_through(output, path, quiz=quiz)
    else:
        render(output, path, detail=detail)


def _wrapped(text: str) -> None:
    """Print for people: in a terminal no word is broken at its edge."""
    import textwrap
    from shutil import get_terminal_size

    width = get_terminal_size().columns if sys.stdout.isatty() else 0
    for line in text.split("\n"):
        indent = " " * (len(line) - len(line.lstrip()))
        print(textwrap.fill(line, width - 1, subsequent_indent=indent) if 20 < width < len(line) else line)


def _temporary() -> str:
    from tempfile import mkdtemp

    return str(Path(mkdtemp(prefix="viz-")) / "backprop.html")


def _parser() -> argparse.ArgumentParser:
    import textwrap

    from engine import OPS

    names = ", ".join([op.name for op in OPS.values() if not op.helper])
    operations = textwrap.fill(names, width=90, subsequent_indent="  ")
    parser = argparse.ArgumentParser(
        prog="python -m viz",
        usage=_USAGE,
        description="Evaluate an expression, differentiate it, and draw its graph.",
        epilog=_EPILOG.format(operations=operations),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("expression", nargs="?", metavar="EXPRESSION", help='such as "a*b + tanh(c)"')
    parser.add_argument("values", nargs="*", metavar="NAME=NUMBER",
                        help="the value of each name in the expression, such as a=2 or a=1/2")  # fmt: skip
    parser.add_argument("--out", action="append", default=[], metavar="FILE",
                        help=".svg, .png, .pdf or .dot for the graph, .html for a page that steps through "
                             "backpropagation, - for SVG on the output; may be given several times")  # fmt: skip
    parser.add_argument("--detail", default="auto", choices=("auto", "full", "neuron", "layer"), metavar="LEVEL",
                        help="how much of a large graph to draw: full, neuron, layer, or auto for as much as can be "
                             "read (default)")  # fmt: skip
    parser.add_argument("--open", action="store_true",
                        help="show in the browser what was written; without --out, the page")  # fmt: skip
    parser.add_argument("--quiz", action="store_true",
                        help="ask for the gradient after each backward step, before the gradients are shown; in a page "
                             "that is written too")  # fmt: skip
    parser.add_argument(
        "--tree", action="store_true", help="show the graph as text, with data, grad and local derivatives"
    )
    parser.add_argument("--latex", action="store_true", help="show the expression and its derivatives as LaTeX")
    return parser


def _protected(words: Sequence[str], parser: argparse.ArgumentParser) -> list[str]:
    """The words such that argparse takes no expression and no file name for an option: both may begin with a minus."""
    takes = {option: action.nargs is None for action in parser._actions for option in action.option_strings}
    protected, rest = [], iter(words)
    for word in rest:
        if takes.get(word):
            value = next(rest, None)
            protected.append(word if value is None else f"{word}={value}")
        else:
            known = word.split("=")[0] in takes
            protected.append(word if known or word[:1] != "-" else f" {word}")
    return protected


def _values(words: Sequence[str], parser: argparse.ArgumentParser) -> dict[str, float]:
    values: dict[str, float] = {}
    for word in words:
        name, _, given = (part.strip() for part in word.partition("="))
        if name in values:
            parser.error(f"{word!r}: {name} already has the value {values[name]:g}")
        try:
            values[name] = number(given)
        except ExpressionError as error:
            reason = str(error).partition("\n")[0]
            parser.error(f"{word!r}: {given!r} is not a number: {reason}")
    return values


def run() -> int:
    """main for a terminal: what it cannot show is written as escapes, and an output that ends early is one line."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            return main()
        finally:  # --help and errors leave by SystemExit
            if sys.stdout is not None:  # None where it was closed before Python started
                sys.stdout.flush()
    except OSError as error:
        # Python flushes once more when it ends, and would report the failure a second time.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if not isinstance(error, BrokenPipeError):  # whoever read it has seen enough
            print(f"python -m viz: the output cannot be written: {error.strerror or error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(run())
