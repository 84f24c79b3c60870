"""Names in generated source: identifiers made of labels, each given once; or items of a list, where no one reads."""

from __future__ import annotations

import builtins
import keyword
import re
from unicodedata import normalize

from engine.ops import OPS

_LOCALS = {"rows", "parameters", "reduce", "n", "times", "kernel", "scalar", "inf", "nan", "add_products", "s", "v",
           "values", "results"}  # fmt: skip


class Names:
    """Identifiers, each given once."""

    def __init__(self) -> None:
        self._taken = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), *OPS, *_LOCALS}
        self._last: dict[str, int] = {}

    def from_label(self, label: str) -> str:
        """The label where it is a free identifier, else something like it."""
        name = normalize("NFKC", label[:40])  # as Python does with identifiers: two spellings must not become one name
        name = re.sub("_+", "_", "".join([c if ("_" + c).isidentifier() else "_" for c in name])).strip("_")
        if not name.isidentifier():
            name = normalize("NFKC", "v_" + name).rstrip("_")
        return self.free(name)

    def free(self, name: str) -> str:
        """The name, or the name and the first number with which it is free."""
        if name not in self._taken:
            self._taken.add(name)
            return name
        return self.numbered(name + "_")

    def numbered(self, stem: str) -> str:
        """The stem and the next number."""
        k = self._last.get(stem, 0) + 1
        while f"{stem}{k}" in self._taken:
            k += 1
        self._last[stem] = k
        self._taken.add(f"{stem}{k}")
        return f"{stem}{k}"


class Slots(Names):
    """Items of one list in place of identifiers, for programs that no one reads."""

    def __init__(self) -> None:
        self.count = 0

    def from_label(self, label: str) -> str:
        return self.numbered(label)

    def free(self, name: str) -> str:
        return self.numbered(name)

    def numbered(self, stem: str) -> str:
        self.count += 1
        return f"v[{self.count - 1}]"
