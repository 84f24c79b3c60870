"""``python -m nn``: train a network on a CSV file, predict with it, look at it.

Exit codes: 0 all is well; 1 it could not be done (a file not written, a training that did not stay finite); 2 the
command line, the data or the model file is wrong, and the message says where; 130 interrupted by Ctrl-C; 141 the reader
of the output went away.
"""

from __future__ import annotations

import argparse
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_EPILOG = """examples:
  python -m nn train flowers.csv --target species --out model.json
  python -m nn predict model.json new.csv --out predictions.csv
  cut -d, -f1-4 new.csv | python -m nn predict model.json - | head
  python -m nn show model.json

exit codes: 0 all is well; 1 it could not be done; 2 wrong command line, data or model file;
130 interrupted; 141 the reader of the output went away
"""
_OUTPUT_GONE = 141  # as a shell reports a process that SIGPIPE ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the terminal cannot show is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    from . import commands
    from .table import TableError

    parser = _parser()
    options = parser.parse_args(arguments)
    prog = f"python -m nn {options.command}"
    try:
        code: int = getattr(commands, options.command)(options)
        if sys.stdout is not None:  # None where it was closed before Python started
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Python flushes standard output once more when it ends: into nothing, so that it does not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _OUTPUT_GONE
    except (TableError, commands.UsageError) as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 2
    except (OSError, commands.Failure) as error:
        print(f"{prog}: {_in_words(error)}", file=sys.stderr)
        _drop_output()
        return 2 if isinstance(error, (FileNotFoundError, IsADirectoryError)) else 1
    except KeyboardInterrupt as interrupt:
        said = getattr(interrupt, "said", "interrupted")
        print(f"\n{prog}: {said}", file=sys.stderr)
        return 130


def _in_words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename if error.filename is not None else '<stdout>'}: {error.strerror}"
    return str(error)


def _drop_output() -> None:
    """Forget what could not be written, so that Python does not try again when it ends."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m nn",
        description="Train a network on a table in a CSV file, predict with it, look at it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="train | predict | show", required=True)

    train = commands.add_parser("train", help="train a network to predict a column from the others")
    _reads_table(train)
    train.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    train.add_argument("--task", choices=["auto", "classify", "regress"], default="auto",
                       help="what the target is (auto: texts and few different whole numbers are classes)")  # fmt: skip
    train.add_argument("--drop", action="append", default=[], metavar="COLUMN", help="leave this column out")
    train.add_argument("--text", action="append", default=[], metavar="COLUMN",
                       help="take this column for texts though it holds numbers, such as postcodes")  # fmt: skip
    train.add_argument("--layers", type=_sizes, default=[16, 16], metavar="N,N,...",
                       help="neurons of the hidden layers; 0 for none (default: 16,16)")  # fmt: skip
    train.add_argument("--activation", default="tanh", metavar="NAME", help="of the hidden layers (default: tanh)")
    train.add_argument("--epochs", type=_count, default=200, metavar="N", help="how often each row is used (default: "
                       "200)")  # fmt: skip
    train.add_argument("--batch", type=_count, default=32, metavar="N", help="rows a step (default: 32)")
    train.add_argument("--lr", type=_positive, default=0.01, metavar="X", help="learning rate of Adam (default: 0.01)")
    train.add_argument("--l2", type=_not_negative, default=1e-4, metavar="X", help="penalty on weights "
                       "(default: 0.0001)")  # fmt: skip
    train.add_argument("--test", type=_share, default=0.25, metavar="SHARE",
                       help="share of the rows held out to test on; 0 for none (default: 0.25)")  # fmt: skip
    train.add_argument("--seed", type=int, default=0, metavar="N", help="of the split, the weights and the order "
                       "(default: 0)")  # fmt: skip
    train.add_argument("--out", metavar="FILE", help="write the model to this file; - for standard output")
    train.add_argument("--picture", metavar="FILE", help="write a picture of the loss to this file (.svg, .png, .pdf; "
                       "needs matplotlib); by default beside the model, where matplotlib is installed; "
                       "none for no picture")  # fmt: skip
    train.add_argument("--json", action="store_true", help="report as JSON on standard output")

    predict = commands.add_parser("predict", help="predict the target for the rows of a table")
    predict.add_argument("model", metavar="model.json", help="written by train --out")
    _reads_table(predict)
    predict.add_argument("--out", default="-", metavar="FILE", help="write the predictions to this CSV file; - for "
                         "standard output (the default)")  # fmt: skip
    predict.add_argument("--json", action="store_true", help="write JSON in place of CSV")

    show = commands.add_parser("show", help="say what is in a model file")
    show.add_argument("model", metavar="model.json")
    show.add_argument("--json", action="store_true", help="as JSON")
    return parser


def _reads_table(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="data.csv", help="a table whose first line names the columns; - for standard "
                        "input")  # fmt: skip
    parser.add_argument("--delimiter", type=_delimiter, metavar="C", help="what stands between cells (default: the one "
                        "of , ; tab | that occurs most often in the header)")  # fmt: skip
    parser.add_argument("--encoding", metavar="NAME", help="of the text (default: utf-8, or as a byte order mark says)")


def _sizes(text: str) -> list[int]:
    if text.strip() in ("0", ""):
        return []
    return [_count(size) for size in text.split(",")]


def _count(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} must be at least 1")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _positive(text: str) -> float:
    number = _number(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} must be above 0 and finite")
    return number


def _not_negative(text: str) -> float:
    number = _number(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} must be at least 0 and finite")
    return number


def _share(text: str) -> float:
    number = _number(text)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"{text} must be at least 0 and below 1")
    return number


def _delimiter(text: str) -> str:
    text = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(text) != 1 or text in '"\r\n':
        raise argparse.ArgumentTypeError(f"{text!r} must be one character, or the word tab")
    return text


if __name__ == "__main__":
    sys.exit(main())
