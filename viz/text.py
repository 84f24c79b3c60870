"""How numbers and labels are written in pictures.

A label is whatever the user typed, so it is treated as untrusted: it is cleaned of characters that XML does not allow,
shortened, and escaped for the place where it goes. Every picture of this package writes labels through this module.
"""

from __future__ import annotations

import html
import math
import unicodedata

# Graphviz reads a backslash and a letter as an escape sequence, in some places twice. This invisible character between
# the two prevents it; render.py takes it out again.
JOINER = "\u2060"

LONGEST = 28  # characters of a label shown in a node; the tooltip has them all,
TOLD = 1000  # up to so many

# Direction marks would reorder the text beside the label; XML has no place for the last two.
_FORBIDDEN = set(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFFFE, 0xFFFF)))


def number(x: float) -> str:
    """x for a reader: four decimals, or four digits and an exponent where these would not show it.

    >>> [number(x) for x in (2.0, -1.73414, 1.2e-7, 123456789.0, -0.0, float("nan"), float("-inf"))]
    ['2.0000', '−1.7341', '1.2e−7', '1.235e8', '0.0000', 'nan', '−inf']
    """
    if x == 0 or not math.isfinite(x) or 1e-3 <= abs(x) < 1e5:
        return typeset(f"{x or 0.0:.4f}")
    mantissa, exponent = f"{x:.3e}".split("e")
    return typeset(f"{mantissa.rstrip('0').rstrip('.')}e{exponent}")


def brief(x: float) -> str:
    """x with at most six digits, and no more than it needs: for the constants of an expression.

    >>> brief(-2.0), brief(1e-05)
    ('−2', '1e−5')
    """
    return typeset(f"{x or 0.0:g}")


def exact(x: float) -> str:
    """x with every digit, for tooltips.

    >>> exact(-1e-07)
    '−1e−7'
    """
    return typeset(repr(x or 0.0))


def typeset(digits: str) -> str:
    """A number that Python wrote, in the one form of all pictures: a real minus, and an exponent without padding."""
    mantissa, e, exponent = digits.partition("e")
    return (f"{mantissa}e{int(exponent)}" if e else digits).replace("-", "−")


def clean(text: str, newline: str = "⏎") -> str:
    """text without characters that XML forbids or that act on their surroundings; line breaks made visible."""
    if not isinstance(text, str):
        raise TypeError(f"what is shown as a title or a name is text, got {text!r:.60} of type {type(text).__name__}")
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ").replace("\n", newline)
    # Cc are control characters, Cs lone surrogates, which cannot be encoded
    return "".join(
        [c for c in text if c in newline or (c not in _FORBIDDEN and unicodedata.category(c) not in ("Cc", "Cs"))]
    )


def shorten(text: str, longest: int = LONGEST) -> str:
    """text, cleaned, with the middle left out where it is longer than ``longest``: the end often tells names apart."""
    if len(text) > 2 * TOLD:  # nothing of the middle will be seen, so that no time goes into it
        text = f"{text[:TOLD]} {text[-TOLD:]}"
    text = clean(text)
    if len(text) <= longest:
        return text
    end = longest // 3
    return f"{text[: longest - end - 1]}…{text[len(text) - end :]}"


def markup(text: str) -> str:
    """text for an HTML-like label of Graphviz, in which a lone ] is a syntax error."""
    return html.escape(text).replace("\\", "&#92;" + JOINER).replace("]", "&#93;")


def tooltip(text: str) -> str:
    """text for a plain attribute of DOT such as a tooltip: no escape sequence, entity or tag of it takes effect.

    Of a line longer than 1,000 characters the middle is left out: Graphviz takes no attribute of any length.
    """
    text = "\n".join([shorten(line, TOLD) if len(line) > TOLD else line for line in text.split("\n")])
    escaped = clean(text, "\n").replace("\\", "\\\\" + JOINER).replace("&", "&amp;").replace("<", "&lt;")
    return escaped.replace("\n", "\\n")
