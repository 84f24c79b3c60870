"""The data of the demos: the same from the same seed, whole, and as the source has it."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from demos import datasets


@pytest.mark.parametrize("make", [datasets.moons, datasets.circles, datasets.spirals])
def test_clouds_repeat_with_the_seed(make):
    """The same seed gives the same points, another seed others; the two classes are equally many."""
    assert make(seed=3) == make(seed=3)
    assert make(seed=3) != make(seed=4)
    rows, labels = make(n=50)
    assert len(rows) == len(labels) == 50
    assert Counter(labels) == {0.0: 25, 1.0: 25}


def test_clouds_lie_where_they_should_without_noise():
    """Without noise the circles have radius 1 and 0.5, and every moon point is 1 from the middle of its half circle."""
    for (x, y), label in zip(*datasets.circles(noise=0)):
        assert math.hypot(x, y) == pytest.approx(0.5 if label else 1.0)
    for (x, y), label in zip(*datasets.moons(noise=0)):
        assert math.hypot(x - label, y - 0.5 * label) == pytest.approx(1)
        assert y >= -1e-12 if not label else y <= 0.5 + 1e-12


@pytest.mark.parametrize(("name", "shape", "classes"), [
    ("breast_cancer", (569, 30), {"malignant": 212, "benign": 357}),
    ("iris", (150, 4), {"setosa": 50, "versicolor": 50, "virginica": 50}),
])  # fmt: skip
def test_the_files_are_whole(name, shape, classes):
    """As many rows, columns and members of each class as the source states."""
    rows, labels, columns = datasets.load(name)
    assert (len(rows), len(columns)) == shape
    assert all(len(row) == shape[1] and all(map(math.isfinite, row)) for row in rows)
    assert Counter(labels) == classes


@pytest.mark.parametrize("name", ["breast_cancer", "iris"])
def test_the_files_agree_with_scikit_learn(name):
    """Every number and every class is that of the copy in scikit-learn, where that is installed."""
    source = pytest.importorskip("sklearn.datasets", reason="scikit-learn has the original")
    bunch = getattr(source, f"load_{name}")()
    rows, labels, _ = datasets.load(name)
    assert rows == bunch.data.tolist()
    assert labels == [str(bunch.target_names[k]) for k in bunch.target]


def test_a_broken_file_is_named_with_its_line(tmp_path):
    """A missing cell and a word where a number should be: the error says which line of which file."""
    (tmp_path / "bad.csv").write_text("a,b,class\n1,2,x\n3,y\n")
    with pytest.raises(ValueError, match=r"bad\.csv, line 3: 3 cells expected, found 2"):
        datasets.load("bad", tmp_path)
    (tmp_path / "bad.csv").write_text("a,b,class\n1,two,x\n")
    with pytest.raises(ValueError, match=r"bad\.csv, line 2: .*two"):
        datasets.load("bad", tmp_path)


def test_a_split_uses_every_row_once():
    """Training and test rows together are all rows, none of them twice, and the test share is as asked."""
    training, test = datasets.split(101, test_share=0.25, seed=7)
    assert sorted(training + test) == list(range(101))
    assert len(test) == 25
    assert datasets.split(101, seed=7) != datasets.split(101, seed=8)


def test_standardised_columns_have_mean_0_and_deviation_1():
    """On the rows that the statistics come from; a constant column becomes zeros, not nan."""
    rows = [[1.0, 5.0], [2.0, 5.0], [6.0, 5.0]]
    scaled = datasets.standardise(rows, datasets.standardiser(rows))
    first = [row[0] for row in scaled]
    assert math.fsum(first) == pytest.approx(0, abs=1e-12)
    assert math.fsum(x * x for x in first) / 3 == pytest.approx(1)
    assert [row[1] for row in scaled] == [0.0, 0.0, 0.0]
