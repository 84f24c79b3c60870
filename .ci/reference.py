"""The API reference: pdoc over the three packages, into the folder that is given. A warning ends it with an error."""

from __future__ import annotations

import collections.abc
import importlib
import sys
import typing
import warnings
from pathlib import Path

import pdoc

from engine import Value
from engine.other_names import Elsewhere
from nn import Module

warnings.simplefilter("error", UserWarning)
NAMES = "engine", "nn", "viz"
for package in map(importlib.import_module, NAMES):
    for public in package.__all__:  # what is loaded when it is first asked for is asked for now
        setattr(package, public, getattr(package, public))

# What only the type checker imports, so that importing the packages stays fast, pdoc wants to see as well.
KNOWN = {
    **{name: getattr(typing, name) for name in typing.__all__},
    **{name: getattr(collections.abc, name) for name in collections.abc.__all__},
    "Operand": Value | typing.SupportsFloat | typing.SupportsIndex,
}
for name, module in list(sys.modules.items()):
    if name.split(".")[0] in NAMES:
        for word, meaning in KNOWN.items():
            vars(module).setdefault(word, meaning)

for kind in (Value, Module):  # names that only say how something is called here are no part of it
    for word in [word for word, found in vars(kind).items() if isinstance(found, Elsewhere)]:
        delattr(kind, word)

pdoc.pdoc(*NAMES, output_directory=Path(sys.argv[1]))
