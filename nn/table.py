"""Tables in CSV files, and how their columns become the numbers of a network.

``read`` takes a file apart into cells, and refuses what is not a table with file:line:column. ``Encoding.of`` looks at
the columns: numbers stay numbers, with the mean in place of a missing one; a text becomes one column of zeros and ones
for each different text ("one-hot"). It is kept in the model file, so that new rows are treated like those of the
training.
"""

from __future__ import annotations

import csv
import difflib
import io
import math
import sys
from collections import Counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "?", "-"})  # in any case
MOST_TEXTS = 50  # different texts in a column that is taken for a category, and no name or number of each row
LARGEST = 1e100  # what a number must stay below
MOST_CLASSES = 10  # different whole numbers in a target that is taken for classes
_BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_DELIMITERS = ",;\t|"


class TableError(ValueError):
    """The table cannot be used; the message starts with file:line:column, as far as there is such a place."""


class Table:
    """The cells of a CSV file, as text without spaces around it.

    name    of the file, for messages;   header      the names of the columns
    rows    one list of cells a row;     lines       the line of the file at which each row starts, counted from 1
    """

    def __init__(self, name: str, header: list[str], rows: list[list[str]], lines: list[int], delimiter: str) -> None:
        self.name, self.header, self.rows, self.lines, self.delimiter = name, header, rows, lines, delimiter

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> list[str]:
        """The cells of a column."""
        k = self.header.index(name)
        return [row[k] for row in self.rows]

    def place(self, row: int, name: str) -> str:
        """file:line:column of a cell."""
        return f"{self.name}:{self.lines[row]}:{self.header.index(name) + 1}"

    def complaint(self, row: int, name: str) -> str:
        """That a cell holds no number, with its place and what it holds."""
        cell = self.rows[row][self.header.index(name)]
        try:
            large = math.isfinite(float(cell)) and "_" not in cell
        except ValueError:
            large = False
        why = f"is too large a number (the limit is {LARGEST:g})" if large else "is not a finite number"
        return f"{self.place(row, name)}: {cell!r:.60} {why}"

    def number(self, cell: str) -> float | None:
        """The number that a cell holds, or None where it holds none, or one whose square would not be finite."""
        try:
            number = float(cell)
        except ValueError:
            if self.delimiter == "," or "," not in cell:
                return None
            try:  # a decimal comma, as where cells are separated by semicolons
                number = float(cell.replace(",", ".", 1))
            except ValueError:
                return None
        return number if abs(number) < LARGEST and "_" not in cell else None

    def without(self, rows: Collection[int]) -> Table:
        """The table without some rows."""
        kept = [k for k in range(len(self)) if k not in rows]
        return Table(self.name, self.header, [self.rows[k] for k in kept], [self.lines[k] for k in kept],
                     self.delimiter)  # fmt: skip

    def known(self, name: str, option: str) -> str:
        """The name, which must be that of a column."""
        if name in self.header:
            return name
        near = difflib.get_close_matches(name, self.header, n=1, cutoff=0.5)
        hint = f": did you mean {near[0]!r}?" if near else "."
        shown = ", ".join(map(repr, self.header[:12])) + (", ..." if len(self.header) > 12 else "")
        raise TableError(f"{self.name}:1: there is no column {name!r:.60} ({option}){hint} The header has {shown}")


def is_missing(cell: str) -> bool:
    """Whether a cell is empty, or says that nothing is known."""
    return cell.lower() in MISSING


def read(path: str, encoding: str | None = None, delimiter: str | None = None) -> Table:
    """The table in a CSV file with a header; "-" reads standard input.

    encoding   of the text; by default that of a byte order mark, else UTF-8
    delimiter  between cells; by default the one of , ; tab | that occurs most often in the header

    Raises TableError, naming file and line, for text that cannot be decoded, quotes that do not close, rows of another
    length than the header and names that come twice; OSError where the file cannot be read.
    """
    if path == "-":
        name, content = "<stdin>", sys.stdin.buffer.read()
    else:
        name = path
        with open(path, "rb") as file:
            content = file.read()
    text = _decoded(name, content, encoding)
    if delimiter is None:
        first = text.lstrip().split("\n", 1)[0]
        delimiter = max(_DELIMITERS, key=first.count)
    table = Table(name, [], [], [], delimiter)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                _add(table, cells, line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise TableError(f"{name}:{line}: {error}: is a quote not closed, or no CSV file meant?") from None
    if not table.header:
        raise TableError(f"{name}:1: the file is empty: the first line must hold the names of the columns")
    if not table.rows:
        raise TableError(f"{name}:{line}: there are no rows below the header")
    return table


def _decoded(name: str, content: bytes, encoding: str | None) -> str:
    chosen = encoding or next((e for mark, e in _BOMS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(chosen)
    except LookupError:
        raise TableError(
            f"{name}: there is no encoding {chosen!r}: utf-8, latin-1 and cp1252 are common ones"
        ) from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start : error.start + 1].hex()
        raise TableError(
            f"{name}:{line}: byte 0x{byte} is not {chosen}: name the file's encoding, such as --encoding latin-1"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise TableError(
            f"{name}:{line}: there is a NUL character: this is not a CSV file, or --encoding utf-16 is meant"
        )
    return text


def _add(table: Table, cells: list[str], line: int) -> None:
    if not table.header:
        names = [cell or f"column {k}" for k, cell in enumerate(cells, 1)]
        for k, name in enumerate(names):
            if name in names[:k]:
                raise TableError(f"{table.name}:{line}:{k + 1}: the header names {name!r:.60} twice: rename one")
        table.header = names
        return
    if len(cells) != len(table.header):
        raise TableError(
            f"{table.name}:{line}: the row has {len(cells)} cells, and the header {len(table.header)}: "
            "are quotes or separators missing?"
        )
    table.rows.append(cells)
    table.lines.append(line)


class Column:
    """How a column becomes numbers: ``categories`` are its different texts, or None where it holds numbers.

    mean stands in for a missing number. A text that is not among the categories, a missing one too, is all zeros.
    """

    def __init__(self, name: str, mean: float = 0.0, categories: list[str] | None = None) -> None:
        self.name, self.mean, self.categories = name, mean, categories

    def features(self) -> list[str]:
        """The names of the numbers it becomes."""
        return [self.name] if self.categories is None else [
            f"{self.name}={text or '(missing)'}" for text in self.categories
        ]  # fmt: skip


class Encoding:
    """How a table becomes the inputs and the targets of a network.

    columns     the input columns, in order
    target      the name of the target column
    classes     its classes in order, as text; None where it is a number
    """

    def __init__(self, columns: list[Column], target: str, classes: list[str] | None) -> None:
        self.columns, self.target, self.classes = columns, target, classes

    @classmethod
    def of(
        cls, table: Table, target: str, classes: list[str] | None, text: Collection[str] = (),
        drop: Collection[str] = (), say: Callable[[str], object] = lambda line: None,
    ) -> Encoding:  # fmt: skip
        """The encoding that suits a table, whose target has these classes (see ``target_classes``).

        text    columns to take for texts even though they hold numbers;   drop    columns to leave out
        say     is told in a line what was decided for each column

        Raises TableError for a column that is neither number nor category.
        """
        if target in drop:
            raise TableError(f"{table.name}: {target!r} is the target, and is to be left out (--drop): choose one")
        for names, option in ((text, "--text"), (drop, "--drop"), ([target], "--target")):
            for name in names:
                table.known(name, option)
        columns = []
        for name in table.header:
            if name == target:
                continue
            if name in drop:
                say(f"{name}: left out, as asked for")
                continue
            column = _column(table, name, name in text, say)
            if column is not None:
                columns.append(column)
        numbers = [listed(column.name) for column in columns if column.categories is None]
        if numbers:
            more = f", ... ({len(numbers)} in all)" if len(numbers) > 10 else ""
            say(f"numbers: {', '.join(numbers[:10])}{more}")
        if not columns:
            raise TableError(f"{table.name}: no column is left to predict {target!r} from: a column that is the "
                             "same in every row tells nothing")  # fmt: skip
        return cls(columns, target, classes)

    @property
    def features(self) -> list[str]:
        """The names of the network's inputs."""
        return [feature for column in self.columns for feature in column.features()]

    def inputs(self, table: Table, say: Callable[[str], object] = lambda line: None) -> list[list[float]]:
        """The inputs of the network for each row; ``say`` is told of missing numbers and of unknown texts.

        Raises TableError for a column that is not there, and for a text where the training had numbers.
        """
        for column in self.columns:
            table.known(column.name, "the model was trained with it")
        encoded = [self._encoded(table, column, say) for column in self.columns]
        return [[number for part in parts for number in part] for parts in zip(*encoded)]

    def _encoded(self, table: Table, column: Column, say: Callable[[str], object]) -> list[list[float]]:
        cells, found = table.column(column.name), []
        missing, unknown = 0, Counter[str]()
        for k, cell in enumerate(cells):
            if column.categories is not None:
                if cell not in column.categories and not (is_missing(cell) and "" in column.categories):
                    unknown[cell] += 1
                cell = "" if is_missing(cell) else cell
                found.append([float(cell == text) for text in column.categories])
            elif is_missing(cell):
                missing += 1
                found.append([column.mean])
            else:
                number = table.number(cell)
                if number is None:
                    raise TableError(f"{table.complaint(k, column.name)}, and column "
                                     f"{column.name!r} holds numbers: correct it, or leave it empty")  # fmt: skip
                found.append([number])
        if missing:
            say(f"{column.name}: {missing} missing, replaced by the mean, {column.mean:.6g}")
        if unknown:
            texts = ", ".join(f"{text!r:.40}" for text in list(unknown)[:5]) + (", ..." if len(unknown) > 5 else "")
            say(f"{column.name}: {sum(unknown.values())} cells hold what training did not ({texts}): all zeros for it")
        return found

    def targets(self, table: Table) -> list[float]:
        """The target of each row: a number, or the index of its class."""
        cells = table.column(table.known(self.target, "the target"))
        found = []
        for k, cell in enumerate(cells):
            number = table.number(cell)
            if self.classes is None:
                if number is None:
                    raise TableError(f"{table.complaint(k, self.target)}, and the target "
                                     f"{self.target!r} holds numbers: correct it, or remove the row")  # fmt: skip
                found.append(number)
            else:
                name = cell if cell in self.classes else "" if number is None else _name(number)
                if name not in self.classes:
                    raise TableError(f"{table.place(k, self.target)}: {cell!r:.60} is none of the classes: "
                                     f"{', '.join(self.classes):.200}")  # fmt: skip
                found.append(float(self.classes.index(name)))
        return found

    def to_json(self) -> dict[str, Any]:
        """What ``from_json`` reads."""
        columns = [
            {"name": c.name, "mean": c.mean} if c.categories is None else {"name": c.name, "categories": c.categories}
            for c in self.columns
        ]
        return {"columns": columns, "target": self.target, "classes": self.classes}

    @classmethod
    def from_json(cls, content: Any) -> Encoding:
        """The encoding that ``to_json`` wrote. Raises ValueError where it is not one."""
        try:
            columns = []
            for entry in content["columns"]:
                categories = entry.get("categories")
                if categories is not None:
                    categories = _texts(categories)
                columns.append(Column(_texts([entry["name"]])[0], float(entry.get("mean", 0.0)), categories))
            classes = content["classes"]
            return cls(columns, _texts([content["target"]])[0], None if classes is None else _texts(classes))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"the table's columns in the model file are damaged ({error!r:.80})") from None


def _texts(items: Sequence[object]) -> list[str]:
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise TypeError("a list of texts expected")
    return [str(item) for item in items]


def _name(number: float) -> str:
    """The name of a class that is a number: 1 and not 1.0."""
    return repr(int(number)) if number.is_integer() and abs(number) < 1e16 else repr(number)


def target_classes(table: Table, target: str, as_text: bool = False, task: str = "auto") -> list[str] | None:
    """The classes of the target in order, or None where it is a number to predict.

    as_text takes numbers for names of classes. task: "classify", "regress", or "auto", which takes texts and whole
    numbers of which few are different for classes. Raises TableError for a target that cannot be learned.
    """
    cells = table.column(target)
    numbers = [table.number(cell) for cell in cells]
    texts = [k for k, number in enumerate(numbers) if number is None]
    if task == "regress" or (task == "auto" and not as_text and 2 * len(texts) < len(cells) and not (
        len(set(cells)) <= MOST_CLASSES and all(x is None or x.is_integer() for x in numbers)
    )):  # fmt: skip
        if texts:
            k = texts[0]
            raise TableError(f"{table.complaint(k, target)}, and the target "
                             f"{target!r} holds numbers: correct it, or remove the row")  # fmt: skip
        if len(set(numbers)) > 1:
            return None
        classes = cells[:1]
    elif texts or as_text:
        classes = sorted(set(cells))
    else:
        classes = [_name(x) for x in sorted({x for x in numbers if x is not None})]
    if len(classes) < 2:
        raise TableError(f"{table.name}: the target {target!r} is {classes[0]!r:.40} in every row: nothing to learn")
    if len(classes) > MOST_TEXTS or 2 * len(classes) > len(cells) > 10:
        raise TableError(
            f"{table.name}: the target {target!r} has {len(classes)} different classes in {len(cells)} rows: "
            + ("for a number, pass --task regress" if not texts else "too many to learn")
        )
    return classes


def listed(text: str) -> str:
    """A text as it may stand between commas."""
    return repr(text) if "," in text else text


def _column(table: Table, name: str, as_text: bool, say: Callable[[str], object]) -> Column | None:
    """How to encode a column; None where there is nothing in it to learn from."""
    cells = table.column(name)
    known = [k for k, cell in enumerate(cells) if not is_missing(cell)]
    if not known:
        say(f"{name}: left out, all of it is missing")
        return None
    numbers = [table.number(cells[k]) for k in known]
    good = [x for x in numbers if x is not None]
    if as_text or 2 * len(good) < len(known):
        return _categories(table, name, cells, known, say)
    if len(good) < len(known):
        k = known[numbers.index(None)]
        raise TableError(
            f"{table.complaint(k, name)}, and {len(good)} of {len(known)} cells of "
            f"column {name!r} are: correct it, leave it empty, or pass --text or --drop with the name of the column"
        )
    mean = math.fsum(good) / len(good)
    missing = len(cells) - len(known)
    if min(good) == max(good):
        say(f"{name}: left out, it is {good[0]:g} in every row")
        return None
    if missing:
        say(f"{name}: number, {missing} missing, replaced by the mean, {mean:.6g}")
    return Column(name, mean)


def _categories(
    table: Table, name: str, cells: list[str], known: list[int], say: Callable[[str], object]
) -> Column | None:
    texts = sorted({cells[k] for k in known})
    if len(texts) > MOST_TEXTS or (len(texts) > 10 and 2 * len(texts) > len(known)):
        raise TableError(
            f"{table.place(known[0], name)}: column {name!r} holds {len(texts)} different texts in {len(known)} rows, "
            f"such as {cells[known[0]]!r:.40}, too many for categories: leave it out with --drop"
        )
    missing = len(cells) - len(known)
    if len(texts) == 1 and not missing:
        say(f"{name}: left out, it is {texts[0]!r:.40} in every row")
        return None
    categories = [*([""] if missing else []), *texts]
    shown = ", ".join(listed(text) or "(missing)" for text in categories[:6]) + ", ..." * (len(categories) > 6)
    say(f"{name}: text, one-hot in {len(categories)} columns: {shown}")
    return Column(name, categories=categories)
