"""Tables in CSV files: what is read, what is refused and where, and what columns become."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nn.table import Encoding, TableError, is_missing, read, target_classes


def table(tmp_path, content, **options):
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(str(path), **options)


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=8), st.sampled_from([",", ";", "\t", "|"]))
@settings(max_examples=60)
def test_what_csv_writes_is_read(tmp_path_factory, rows, delimiter):
    """Quotes, separators and line ends inside cells come back as Python's csv module wrote them, spaces stripped."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(["a", "b"])
    writer.writerows([["x" + a, b] for a, b in rows])
    found = table(tmp_path_factory.mktemp("t"), "\ufeff" + file.getvalue())
    assert found.header == ["a", "b"]
    assert found.rows == [[("x" + a).strip(), b.strip()] for a, b in rows]


def test_lines_are_those_of_the_file(tmp_path):
    """Blank lines and line ends inside quotes count: a place can be found in an editor."""
    found = table(tmp_path, 'a,b\n1,"two\nlines"\n\n3,4\n')
    assert found.lines == [2, 5]
    assert found.place(1, "b") == f"{tmp_path}/t.csv:5:2"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
def test_encodings(tmp_path, encoding):
    """A byte order mark says the encoding; others are named."""
    content = "naïve;größe\r\nä;1,5\r\n".encode(encoding)
    marked = encoding in ("utf-8-sig", "utf-16")
    found = table(tmp_path, content, encoding=None if marked else encoding)
    assert (found.header, found.rows) == (["naïve", "größe"], [["ä", "1,5"]])
    assert found.number("1,5") == 1.5, "a decimal comma, where cells are separated by semicolons"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ":1: the file is empty"),
        (b"\n\n", ":1: the file is empty"),
        (b"a,b\n", "no rows below the header"),
        (b"a,b\n1,2\n3\n", ":3: the row has 1 cells, and the header 2"),
        (b"a,b\n1,2\n3,4,5\n", ":3: the row has 3 cells"),
        (b'a,b\n1,"2\n3,4\n', ":2: .*is a quote not closed"),
        (b'a,b\n1,"2" x\n', ":2: .*is a quote not closed"),
        (b"a,b,a\n1,2,3\n", ":1:3: the header names 'a' twice"),
        (b"a,b\n\xff,2\n", ":2: byte 0xff is not utf-8.*--encoding latin-1"),
        (b"a,b\n1,\x002\n", ":2: there is a NUL character"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, words):
    """The error says in which line of which file."""
    with pytest.raises(TableError, match=r"t\.csv.*" + words):
        table(tmp_path, content)


def test_an_unknown_encoding(tmp_path):
    """A name that Python does not know is said to be that."""
    with pytest.raises(TableError, match="no encoding 'klingon'"):
        table(tmp_path, b"a\n1\n", encoding="klingon")


def encoded(found, target="y", task="auto", text=(), drop=()):
    notes = []
    encoding = Encoding.of(found, target, target_classes(found, target, target in text, task), text, drop, notes.append)
    return encoding, notes


def test_numbers_and_texts(tmp_path):
    """Numbers stay, a missing one becomes the mean; texts become columns of zeros and ones; each is said."""
    found = table(tmp_path, "id,n,place,const,y\nu1,1,B,k,yes\nu2,,A,k,no\nu3,5,?,k,yes\nu4,NA,A,k,no\n")
    encoding, notes = encoded(found, drop=["id"])
    assert encoding.features == ["n", "place=(missing)", "place=A", "place=B"]
    assert encoding.inputs(found) == [[1, 0, 0, 1], [3, 0, 1, 0], [5, 1, 0, 0], [3, 0, 1, 0]]
    assert (encoding.classes, encoding.targets(found)) == (["no", "yes"], [1.0, 0.0, 1.0, 0.0])
    assert notes == [
        "id: left out, as asked for",
        "n: number, 2 missing, replaced by the mean, 3",
        "place: text, one-hot in 3 columns: (missing), A, B",
        "const: left out, it is 'k' in every row",
        "numbers: n",
    ]


def test_new_rows(tmp_path):
    """Columns are found by name in any order; an unknown text is all zeros and said; a text for a number is refused."""
    encoding, _ = encoded(table(tmp_path, "n,place,y\n1,B,0\n3,A,1\n"))
    encoding = Encoding.from_json(encoding.to_json())
    notes = []
    new = table(tmp_path, "place,extra,n\nMars,z,2\nA,z,\n")
    assert encoding.inputs(new, notes.append) == [[2, 0, 0], [2, 1, 0]]
    assert notes == [
        "n: 1 missing, replaced by the mean, 2",
        "place: 1 cells hold what training did not ('Mars'): all zeros for it",
    ]
    with pytest.raises(TableError, match=r"t\.csv:2:1: 'x' is not a finite number, and column 'n'"):
        encoding.inputs(table(tmp_path, "n,place\nx,A\n"))
    with pytest.raises(TableError, match=r"t\.csv:1: there is no column 'place' \(the model.*did you mean 'places'"):
        encoding.inputs(table(tmp_path, "n,places\n1,A\n"))


@pytest.mark.parametrize(
    ("cells", "task", "classes"),
    [
        ("a b a b", "auto", ["a", "b"]),
        ("0 1 1 0", "auto", ["0", "1"]),
        ("10 9 9 10", "auto", ["9", "10"]),
        ("1 1.0 2 2.0", "auto", ["1", "2"]),
        ("0.5 1.5 0.5 1.5", "auto", None),
        ("1 2 1 2", "regress", None),
        ("0.5 1.5 0.5 1.5", "classify", ["0.5", "1.5"]),
        ("true false true false", "auto", ["false", "true"]),
        ("0.1 1e17 0.1 1e17", "classify", ["0.1", "1e+17"]),
    ],
)
def test_what_the_target_is(tmp_path, cells, task, classes):
    """Texts and few whole numbers are classes, in order; other numbers are to be predicted as such."""
    found = table(tmp_path, "x,y\n" + "".join(f"{k},{y}\n" for k, y in enumerate(cells.split())))
    assert target_classes(found, "y", task=task) == classes


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ("x,y\n1,a\n2,b\nfoo,a\n", {}, r":4:1: 'foo' is not a finite number, and 2 of 3 cells of column 'x' are"),
        ("x,y\n1,a\n2,b\ninf,a\n", {}, r":4:1: 'inf' is not a finite number"),
        ("x,y\n1,a\n2,b\n1e200,a\n", {}, r":4:1: '1e200' is too large a number"),
        ("x,y\n1,a\n2,a\n", {}, r"the target 'y' is 'a' in every row"),
        ("x,y\n1,3.5\n2,3.50\n3,3.5\n", {}, r"the target 'y' is '3.5' in every row"),
        ("x,y\n1,a\n2,b\n", {"drop": ["y"]}, r"'y' is the target, and is to be left out \(--drop\)"),
        ("x,y\n1,2\n2,3\n3,b\n", {"task": "regress"}, r":4:2: 'b' is not a finite number, and the target"),
        ("x,y\n" + "".join(f"name{k},{k % 2}\n" for k in range(60)), {}, r":2:1: column 'x' holds 60 different texts"),
        ("x,y\n" + "".join(f"{k},c{k}\n" for k in range(60)), {}, r"the target 'y' has 60 different classes"),
        ("y\n1\n0\n", {}, "no column is left"),
        ("x,y\n1,a\n2,b\n", {"drop": ["z"]}, r"no column 'z' \(--drop\)"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(tmp_path, content, options, words):
    """The place, what is there, and what to do."""
    found = table(tmp_path, content)
    with pytest.raises(TableError, match=words):
        encoded(found, **options)


def test_numbers_taken_for_texts(tmp_path):
    """--text makes categories of postcodes."""
    encoding, _ = encoded(table(tmp_path, "zip,y\n04109,1\n8000,0\n04109,0\n"), text=["zip"])
    assert encoding.features == ["zip=04109", "zip=8000"]


@pytest.mark.parametrize("damage", [{"columns": 3}, {"columns": [{"name": 1}]}, {"classes": [1]}, {"target": None}])
def test_a_damaged_encoding(tmp_path, damage):
    """What is not an encoding is refused in one line."""
    encoding, _ = encoded(table(tmp_path, "n,y\n1,0\n3,1\n"))
    with pytest.raises(ValueError, match="damaged"):
        Encoding.from_json({**encoding.to_json(), **damage})


def test_missing():
    """What counts as missing, in any case, and what does not."""
    assert all(map(is_missing, ["", "NA", "n/a", "NaN", "null", "None", "?", "-"]))
    assert not any(map(is_missing, ["0", "no", "nano", "--"]))
