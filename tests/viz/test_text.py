"""How numbers and labels are written."""

from __future__ import annotations

import html
import math
import re
from decimal import Decimal
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Value
from viz import step_through
from viz.text import JOINER, LONGEST, brief, clean, exact, markup, number, shorten, tooltip


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (2.0, "2.0000"), (-1.73414, "−1.7341"), (0.0, "0.0000"), (-0.0, "0.0000"), (1.2e-7, "1.2e−7"),
        (-3.456789e-12, "−3.457e−12"), (99999.5, "99999.5000"), (123456789.0, "1.235e8"), (1e300, "1e300"),
        (0.00099, "9.9e−4"), (0.001, "0.0010"), (math.inf, "inf"), (-math.inf, "−inf"), (math.nan, "nan"),
    ],
)  # fmt: skip
def test_numbers_read_well_in_a_picture(x, text):
    """Four decimals in the range where they say something, an exponent elsewhere, and special values by name."""
    assert number(x) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_shown_number_is_close_to_the_number(x):
    """Reading the text back gives the number, to half of its last digit."""
    shown = Decimal(number(x).replace("−", "-"))
    last = Decimal(1).scaleb(shown.as_tuple().exponent if "e" not in number(x) else shown.adjusted() - 3)
    assert abs(shown - Decimal(x)) <= last / 2
    assert math.copysign(1, float(shown)) == math.copysign(1, x) or x == 0


@given(st.floats())
def test_numbers_have_one_form_everywhere(x):
    """A real minus, an exponent without plus or padding, and no minus before zero, however many digits are shown."""
    for shown in (number(x), brief(x), exact(x)):
        assert not re.search(r"-|\+|e−?0", shown)
        assert float(shown.replace("−", "-")) != 0 or not shown.startswith("−") or x != 0
    assert math.isnan(x) or float(exact(x).replace("−", "-")) == x


@given(st.text())
def test_a_clean_label_is_valid_xml(text):
    """Whatever the label, an XML parser accepts it once it is cleaned and escaped, and gives it back."""
    cleaned = clean(text)
    assert ET.fromstring(f"<t>{html.escape(cleaned)}</t>").text == (cleaned or None)


@pytest.mark.parametrize("title", [None, 3, ["a"]])
def test_what_is_no_text_is_named(title, tmp_path):
    """A title that is no text is refused with what it is, and no page is written."""
    with pytest.raises(TypeError, match=r"a title or a name is text, got .* of type (NoneType|int|list)"):
        step_through(Value(1.0), tmp_path / "page.html", title=title)
    assert not list(tmp_path.iterdir())


def test_cleaning_keeps_what_is_harmless():
    """Letters of every script, emoji with their joiners and symbols stay; control characters go."""
    for kept in ("σ′(z)", "重み", "👩‍👩‍👧", "ŷ", '"}{|<script>\\N</svg>', "a\u0301"):
        assert clean(kept) == kept
    assert clean("a\x00\x1b[0m\ud800\ufffe\u202eb") == "a[0mb"
    assert clean("a\nb\r\nc") == "a⏎b⏎c"


@given(st.text(min_size=LONGEST + 1, alphabet=st.characters(categories=["L"])))
def test_a_long_label_keeps_its_beginning_and_end(text):
    """Shortened labels have the full length allowed, and say by an ellipsis that something is missing."""
    short = shorten(text)
    begin, _, end = short.partition("…")
    assert len(short) == LONGEST
    assert text.startswith(begin)
    assert text.endswith(end)
    assert begin
    assert end


def test_graphviz_sees_no_escape_sequence():
    """No backslash is followed by a letter, which Graphviz would replace, and no entity is left to resolve."""
    for escaped in (markup("\\N\\G &lt;"), tooltip("\\N\\G &lt; <b>")):
        plain = escaped.replace("&#92;", "\\").replace("\\\\", "\\")
        assert "\\N" not in plain
        assert "\\G" not in plain
        assert plain.count("\\" + JOINER) == 2
        assert "&lt; " not in escaped.replace("&amp;lt;", "")[:12]
        assert "<" not in escaped


def test_labels_of_any_length_are_told_in_part():
    """A label of a million characters is shown by its start and its end, in tooltips too, which Graphviz limits."""
    label = "a" * 500_000 + "<&\\" * 100_000 + "z" * 100_000
    assert shorten(label).startswith("aaa")
    assert shorten(label).endswith("zzz")
    assert len(shorten(label)) == LONGEST
    assert len(tooltip(f"{label}\ndata = 1.0")) < 3000
    assert tooltip(f"{label}\ndata = 1.0").endswith("data = 1.0")
