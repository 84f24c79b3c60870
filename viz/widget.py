"""The step page in a notebook, with the Python Values behind it.

A slider in the page moves ``data`` of the very leaf in Python; a new output, assigned in Python, is drawn. It needs
anywidget (``pip install anywidget``, or the extra ``widget``), which is made for JupyterLab, Jupyter Notebook, VS Code,
Colab and marimo.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine import Value, toposort

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# What runs in the notebook's own page: the frame, and messages to and from it. The frame may run the page's script and
# reach nothing of the notebook.
_SCRIPT = """
function render({ model, el }) {
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-scripts");
  frame.title = model.get("title");
  frame.style.cssText = `width:100%;height:${model.get("height")}px;border:1px solid #888`;
  const show = () => { frame.srcdoc = model.get("html"); };
  const heard = (event) => {
    if (event.source !== frame.contentWindow || !event.data || event.data.kind !== "leaf") return;
    model.set("moved", [model.get("drawn"), Number(event.data.node), String(event.data.data)]);
    model.save_changes();
  };
  const told = (message) => { if (message.kind === "set") frame.contentWindow.postMessage(message, "*"); };
  window.addEventListener("message", heard);
  model.on("change:html", show);
  model.on("msg:custom", told);
  show();
  el.append(frame);
  return () => {
    window.removeEventListener("message", heard);
    model.off("change:html", show);
    model.off("msg:custom", told);
  };
}
export default { render };
"""


def step_widget(output: Value | Callable[[], Value], *, height: int = 720, **options: Any) -> Any:
    """The step page of ``output`` as a widget: a slider in it moves ``data`` of the leaf in Python.

    output   the output of a graph; or a function without arguments that builds one, which is called again after each
             move, so that ``widget.output`` is always the graph of the numbers that are shown
    height   of the frame, in pixels
    options  as for ``step_through``: quiz=True, learning_rate=, title=, ...

    The widget has ``output``, to which another Value (or function) may be assigned, which redraws; ``refresh()``, which
    tells the page the data that leaves have now; and ``on_move(function)``, which calls function(leaf) after each move.

    Raises ImportError where anywidget is not installed, and what ``step_through`` raises.
    """
    try:
        import anywidget
        import traitlets
    except ImportError:
        raise ImportError(
            "step_widget needs anywidget: pip install anywidget; without it step_through(output) shows the same page, "
            "with no way back to Python"
        ) from None

    class StepWidget(anywidget.AnyWidget):  # type: ignore[misc, unused-ignore]  # untyped where it is not installed
        _esm = _SCRIPT
        html = traitlets.Unicode("").tag(sync=True)
        title = traitlets.Unicode("").tag(sync=True)
        height = traitlets.Int(720).tag(sync=True)
        drawn = traitlets.Int(0).tag(sync=True)  # how often the page was made: a late message is of another graph
        moved = traitlets.List(traitlets.Any()).tag(sync=True)

        def __init__(self, output: Value | Callable[[], Value], height: int, options: dict[str, Any]) -> None:
            super().__init__(height=height)
            self._options = options
            self._listeners: list[Callable[[Value], object]] = []
            self._build: Callable[[], Value] | None = None
            self._nodes: list[Value] = []  # in the order in which the page counts them
            self._output: Value | None = None
            self._draw(output)
            self.observe(self._heard, "moved")

        @property
        def output(self) -> Any:
            return self._output

        @output.setter
        def output(self, output: Value | Callable[[], Value]) -> None:
            self._draw(output)

        def _draw(self, output: Value | Callable[[], Value]) -> None:
            from .pages.stepthrough import step_through

            build = None if isinstance(output, Value) or not callable(output) else output
            value: Any = build() if build else output
            page = step_through(value, **self._options)  # refuses what is not a Value
            self._build, self._output, self._nodes = build, value, self._shown(value)
            with self.hold_trait_notifications():
                self.drawn += 1
                self.title = self._options.get("title") or "Backpropagation, step by step"
                self.html = page.html

        def _shown(self, output: Value) -> list[Value]:
            second = self._options.get("compare")
            return [*toposort(output), *(toposort(second) if second is not None else ())]

        def on_move(self, function: Callable[[Value], object]) -> None:
            """Call function(leaf) whenever a leaf was moved in the page."""
            self._listeners.append(function)

        def refresh(self) -> None:
            """Tell the page the data that the leaves have now."""
            data = [[k, _sent(node.data)] for k, node in enumerate(self._nodes) if node.op is None]
            self.send({"kind": "set", "data": data})

        def _heard(self, change: Any) -> None:
            """A move in the page, as [drawing, index of the leaf, number as text]; anything else is left alone."""
            try:
                drawn, k, text = change["new"]
                leaf, x = self._nodes[k], float(text.replace("−", "-"))
            except (TypeError, ValueError, IndexError, AttributeError):
                return
            if drawn != self.drawn or leaf.op is not None:
                return
            leaf.data = x
            if self._build:
                # the page has computed the same already, and is not redrawn; its nodes keep their places
                self._output = self._build()
                order = self._shown(self._output)
                if [node.op for node in order] == [node.op for node in self._nodes]:
                    self._nodes = order
                else:  # another branch was taken
                    self.output = self._build
            for function in self._listeners:
                function(leaf)

    return StepWidget(output, height, options)


def _sent(x: float) -> float | str:
    """x for a message, which has no nan and no infinities."""
    return x if math.isfinite(x) else str(x)
