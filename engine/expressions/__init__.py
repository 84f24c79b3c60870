"""The language of the table of operations: the one place where its expressions are read, evaluated and printed.

The language is a small part of Python: numbers, names, ``+ - * / % **``, one comparison, ``x if condition else y``,
calls, and lists of expressions as arguments. Python's own parser reads it, and nothing of the text is ever executed.

An expression becomes a tree of four kinds of nodes. All that computes is a ``Call`` of an operation of the table:
``a + b`` is a Call of "add", ``a > b`` of "gt", ``-a`` of "neg", and a condition a Call of "where". The tree is then

- evaluated in an algebra, which is a mapping from the names of operations to functions: of floats, of Values, of
  instructions of a program (``evaluate``; ``function`` for an expression that is evaluated again and again), or
- printed in a language (``Python``, ``JavaScript``, ``C``). LaTeX is an algebra of texts, viz/tex.py, from
  which pages have their MathML.
"""

from __future__ import annotations

from .evaluation import evaluate, function
from .printers import ATOM, PRODUCT, C, JavaScript, Printer, Python
from .reader import DEPTH, ExpressionError, parse, rule
from .tree import Call, List, Name, Node, Number, Spread, children, names, operations, walk

__all__ = [
    "ATOM", "DEPTH", "PRODUCT", "C", "Call",
    "ExpressionError", "JavaScript", "List", "Name", "Node", "Number", "Printer", "Python", "Spread",
    "children", "evaluate", "function", "names", "operations", "parse", "rule", "walk",
]  # fmt: skip
