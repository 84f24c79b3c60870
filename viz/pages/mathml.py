"""LaTeX as this package writes it (viz/tex.py), turned into MathML, which browsers show and print without a library.

Every formula of every page comes this way, so that a rule looks the same in a page, on a sheet and in a notebook.
"""

from __future__ import annotations

import html
import re

_TOKEN = re.compile(
    r"\\text\{(?P<text>[^{}]*)\}|\\(?:operatorname|mathit|mathrm)\{(?P<word>[^{}]*)\}|\\begin\{(?P<begin>\w+)\}|\\end\{(?P<end>\w+)\}"
    r"|\\left\\?(?P<open>lfloor|lceil|.)|\\right\\?(?P<close>rfloor|rceil|.)|(?P<line>\\\\)|\\(?P<space>[,;])"
    r"|\\(?P<command>[A-Za-z]+)|\\(?P<escaped>.)|(?P<number>\d+(?:\.\d+)?)|(?P<sign>\S)",
    re.DOTALL,
)
_SIGNS = {
    "cdot": "·", "times": "×", "ge": "≥", "le": "≤", "ne": "≠", "cdots": "⋯", "bmod": "mod", "sim": "∼", "wedge": "^",
    "backslash": "\\", "prime": "′", "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "-": "−",
}  # fmt: skip
_LETTERS = {"infty": "∞", "partial": "∂", "epsilon": "ε", "phi": "φ", "pi": "π"}
_FUNCTIONS = frozenset({
    "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "ln", "log", "max", "min",
})  # fmt: skip


def mathml(latex: str, block: bool = False) -> str:
    """A formula as a ``<math>`` element.

    >>> mathml(r"1 - a^{2}")
    '<math><mn>1</mn><mo>−</mo><msup><mi>a</mi><mn>2</mn></msup></math>'
    """
    reader = _Reader(latex)
    content = reader.row()
    display = ' display="block"' if block else ""
    return f"<math{display}>{content}</math>"


def template(latex: str) -> str:
    """The content of a ``<math>`` element in which numbers may take the places of letters: products have their signs.

    >>> template(r"2 \\, a \\, \\left(1 - a\\right)")
    '<mn>2</mn><mo>·</mo><mi>a</mi><mrow><mo>(</mo><mn>1</mn><mo>−</mo><mi>a</mi><mo>)</mo></mrow>'
    """
    return _Reader(latex, dots=True).row()


class _Reader:
    """Recursive descent over the tokens; every method returns the MathML of what it has read.

    dots    whether factors that LaTeX only sets apart get a sign between them; one in parentheses needs none
    """

    def __init__(self, latex: str, dots: bool = False) -> None:
        self.dots = dots
        self.tokens = [(str(found.lastgroup), found[found.lastgroup or 0]) for found in _TOKEN.finditer(latex)]
        self.at = 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("", "")

    def take(self) -> tuple[str, str]:
        self.at += 1
        return self.tokens[self.at - 1] if self.at <= len(self.tokens) else ("", "")

    def row(self) -> str:
        """Everything up to the end, or to what closes a group, a line or a cell."""
        parts: list[str] = []
        while self.peek()[0] not in ("", "close", "end", "line") and self.peek() not in (("sign", "}"), ("sign", "&")):
            kind, text = self.peek()
            if kind == "sign" and text in "^_" and parts:
                parts.append(self.scripts(parts.pop()))
            else:
                parts.append(self.atom())
        return "".join(parts)

    def group(self) -> str:
        """A group in braces, as one element."""
        self.take()
        inner = self.row()
        self.take()
        return _one(inner)

    def scripts(self, base: str) -> str:
        above = below = ""
        while self.peek() in (("sign", "^"), ("sign", "_")):
            if self.take()[1] == "^":
                above = self.group()
            else:
                below = self.group()
        if above and below:
            return f"<msubsup>{base}{below}{above}</msubsup>"
        return f"<msup>{base}{above}</msup>" if above else f"<msub>{base}{below}</msub>"

    def atom(self) -> str:
        kind, text = self.take()
        match kind:
            case "number":
                return f"<mn>{text}</mn>"
            case "word":
                text = html.escape(text.replace(r"\,", " ").strip())
                return f'<mi mathvariant="normal">{text}</mi>' if text else _SPACE
            case "text":
                return f"<mtext>{html.escape(text).replace(' ', '&#160;')}</mtext>"
            case "space":
                if not self.dots:
                    return _SPACE
                return "" if self.peek()[0] == "open" else _operator("cdot")
            case "open":
                inner = self.row()
                closing = self.take()[1]
                return f"<mrow>{_operator(text)}{inner}{_operator(closing)}</mrow>"
            case "begin":
                return self.table(text)
            case "command":
                return self.command(text)
            case "escaped":
                return _operator(text)
        return f"<mi>{text}</mi>" if text.isalpha() else _operator(text)

    def command(self, name: str) -> str:
        if name == "frac":
            return f"<mfrac>{self.group()}{self.group()}</mfrac>"
        if name == "sqrt":
            if self.peek() == ("sign", "["):
                self.take()
                degree = self.take()[1]
                self.take()
                return f"<mroot>{self.group()}<mn>{degree}</mn></mroot>"
            return f"<msqrt>{self.group()}</msqrt>"
        if name in _FUNCTIONS:
            return f"<mi>{name}</mi>"
        if name in _SIGNS:
            return _operator(name)
        # Greek letters have their names in HTML as in LaTeX
        return f"<mi>{_LETTERS.get(name) or html.unescape(f'&{name};')}</mi>"

    def table(self, environment: str) -> str:
        rows: list[list[str]] = [[]]
        while True:
            rows[-1].append(f"<mtd>{self.row()}</mtd>")
            kind, text = self.take()
            if kind == "line":
                rows.append([])
            elif kind != "sign" or text != "&":
                break
        body = "".join(f"<mtr>{''.join(row)}</mtr>" for row in rows)
        align = "left" if environment == "cases" else "right left"
        table = f'<mtable columnalign="{align}">{body}</mtable>'
        return f"<mrow>{_operator('{')}{table}</mrow>" if environment == "cases" else table


_SPACE = '<mspace width="0.17em"></mspace>'


def _operator(text: str) -> str:
    return f"<mo>{html.escape(_SIGNS.get(text, text))}</mo>"


def _one(inner: str) -> str:
    """The content as one element."""
    whole = re.fullmatch(r"<(\w+)(?: [^>]*)?>(?:(?!<\1[ >]).)*</\1>", inner)
    return inner if whole else f"<mrow>{inner}</mrow>"
