"""DOT text becomes SVG, PNG or PDF: Graphviz lays it out, and its SVG is made fit for a page.

Graphviz is the system's ``dot`` where there is one on the PATH, else the one inside the wheel of
pygraphviz. Both run in a process of their own, so that a layout that takes too long can be ended.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from viz.colors import FREE, FREE_ON_DARK, GROUND, GROUND_ON_DARK
from viz.text import JOINER

if TYPE_CHECKING:
    from collections.abc import Callable

    from graphviz import Digraph

TIMEOUT = 60.0  # seconds; a picture that takes longer is one nobody can read
STATEMENTS = 50_000  # nodes and edges; Graphviz would take minutes

_EMBEDDED = """
import sys
import pygraphviz
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
sys.stdout.buffer.write(graph.draw(format=sys.argv[1], prog=sys.argv[2]))
"""

_NO_RENDERER = """no Graphviz found to lay out the picture. Either of these provides one:
    pip install "pygraphviz>=2.0"     a wheel that brings Graphviz along
    the package `graphviz` of your system (apt, dnf, brew, winget), which puts `dot` on the PATH
Without it, render(value, "graph.dot") and draw(value) still give the DOT text."""


class RenderError(RuntimeError):
    """A picture could not be made; the message says why and what to do."""


def renderer() -> str | None:
    """Which Graphviz would be used: "dot" (the system's), "pygraphviz" (the one in the wheel), or None."""
    if shutil.which("dot"):
        return "dot"
    return "pygraphviz" if _embedded_works() else None


@lru_cache(maxsize=1)
def _embedded_works() -> bool:
    """Whether pygraphviz can be imported; tried in a process of its own, as its libraries may be missing."""
    from importlib.util import find_spec

    if find_spec("pygraphviz") is None:
        return False
    return subprocess.run([sys.executable, "-c", "import pygraphviz"], capture_output=True).returncode == 0


def layout(graph: Digraph, format: str, timeout: float) -> bytes:
    """What Graphviz makes of the DOT text."""
    if len(graph.body) > STATEMENTS:
        raise RenderError(
            f"the picture has {len(graph.body)} nodes and edges, too many to lay out (the limit is {STATEMENTS}); "
            'draw it with detail="layer", or draw a part of it'
        )
    found = shutil.which("dot")
    if found:
        command = [found, f"-T{format}", f"-K{graph.engine}"]
    elif _embedded_works():
        command = [sys.executable, "-c", _EMBEDDED, format, graph.engine]
    else:
        raise RenderError(_NO_RENDERER)
    try:
        done = subprocess.run(command, input=_arranged(graph).encode("utf-8"), capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise RenderError(
            f"Graphviz had not laid out this picture of {len(graph.body)} nodes and edges after {timeout:g} s; "
            'draw it with detail="layer", draw a part of it, or give more time with timeout='
        ) from None
    if done.returncode or not done.stdout:
        message = done.stderr.decode("utf-8", "replace").strip() or f"exit status {done.returncode}"
        raise RenderError(f"Graphviz ({os.path.basename(command[0])}) failed: {message}")
    content: bytes = done.stdout
    return content


def _arranged(graph: Digraph) -> str:
    """The DOT text, with the order of each column where the picture has one."""
    source: str = graph.source
    orders = [  # ports that are set for all edges would be those of these edges too
        f"{{rank=same; edge [style=invis tailport=_ headport=_]; {' -> '.join(column)}}}"
        for column in getattr(graph, "columns", ())
        if len(column) > 1
    ]
    if not orders:
        return source
    return "\n".join([source.rstrip().removesuffix("}"), *orders, "}"])


_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"


def _scheme(ink: str, ground: str) -> Callable[[str, bool], str]:
    """Rules for the picture that a selector names; the background is for what a viewer shows around the picture."""
    return lambda own, transparent: (
        f"{own}{{color:{ink}}}"
        if transparent
        else f"{own}{{color:{ink};background:{ground}}}{own} .ground{{fill:{ground}}}"
    )


_light, _dark = _scheme(FREE, GROUND), _scheme(FREE_ON_DARK, GROUND_ON_DARK)


def finish(
    text: str, prefix: str = "", *, inherit_color: bool = False, transparent: bool = False, themes: bool = False
) -> str:
    """Graphviz's SVG made fit for a page: titles that browsers show, no links, and a ground and lines that suit.

    prefix         put before every id
    inherit_color  lines and free text in the colour of the page around it, on the page's own ground; else both are
                   light or dark as the reader prefers
    transparent    no ground
    themes         a notebook's theme, where it says whether it is light or dark, decides before the reader's preference

    It is as wide as its container at most. Its styles are tied to a class named after its content and these options, so
    that they touch no other picture on the page.
    """
    ET.register_namespace("", _SVG[1:-1])
    root = ET.fromstring(text.replace("\\" + JOINER, "\\"))
    graph = root.find(f"{_SVG}g")
    assert graph is not None
    about = _unwrap(graph) or "graph"
    for element in graph.iter():
        for name in ("fill", "stroke"):
            if element.get(name) == FREE:
                element.set(name, "currentColor")
        element.attrib.pop("{http://www.w3.org/XML/1998/namespace}space", None)
    for element in root.iter():
        if "id" in element.attrib:
            element.set("id", prefix + element.attrib["id"])
    own = f"picture-{sha256(f'{transparent}{themes}{text}'.encode()).hexdigest()[:8]}"
    title, _, description = about.partition("\n")
    children = [_element("title", title, id=f"{prefix}title")]
    if description:
        children.append(_element("desc", description, id=f"{prefix}desc"))
    names = " ".join([child.attrib["id"] for child in children])
    if not inherit_color:
        children.append(_element("style", _style(f".{own}", transparent, themes)))
        root.set("color", FREE)  # for programs that read no styles
        if not transparent:
            _, _, width, height = root.attrib["viewBox"].split()
            children.append(_element("path", None, **{"class": "ground"}, d=f"M0 0H{width}V{height}H0Z", fill=GROUND))
    for place, child in enumerate(children):
        root.insert(place, child)
    root.set("class", f"backprop {own}")
    root.set("style", "max-width:100%;height:auto")
    root.set("role", "img")
    root.set("aria-labelledby", names)
    return ET.tostring(root, encoding="unicode")


def _element(tag: str, content: str | None, **attributes: str) -> ET.Element:
    element = ET.Element(_SVG + tag, attributes)
    element.text = content
    return element


def _style(own: str, transparent: bool, themes: bool) -> str:
    style = f"{_light(own, transparent)}@media(prefers-color-scheme:dark){{{_dark(own, transparent)}}}"
    if themes:  # of JupyterLab, and of Visual Studio Code
        for light in ("[data-jp-theme-light=true]", ".vscode-light"):
            style += _light(f"{light} {own}", transparent)
        for dark in ("[data-jp-theme-light=false]", ".vscode-dark"):
            style += _dark(f"{dark} {own}", transparent)
    return style


def _unwrap(group: ET.Element) -> str | None:
    """Replace Graphviz's links around what has a tooltip by a <title>, which browsers show. Returns the tooltip."""
    said = None
    title = group.find(f"{_SVG}title")
    place = 0
    while place < len(group):
        child = group[place]
        if child.get("class") in ("graph", None) and child.tag == f"{_SVG}g":
            link = child.find(f"{_SVG}a")
            if link is not None:
                said = said or link.get(f"{_XLINK}title")
                inner = list(link)
                group[place : place + 1] = inner
                place += len(inner)
                continue
        if child.tag == f"{_SVG}g":
            _unwrap(child)
        place += 1
    if title is not None:
        if said is None or group.get("class") == "graph":
            group.remove(title)
        else:
            title.text = said
    return said
