"""to_onnx: a network as an ONNX file in double precision, which onnxruntime and many others run.

Of the operators on doubles that onnxruntime has on a processor, few are functions: exp, log, sqrt, sin, cos, tanh. The
others are made of these, by formulas in the language of the table where it has none.
"""

from __future__ import annotations

import math

from engine import OPS
from engine.derived import Derived
from engine.expressions import evaluate, parse
from engine.files import write_whole

from .network import Network

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from typing import Any

    from nn.layers import MLP

_OPSET = 17
_ONE = {"exp": "Exp", "log": "Log", "sqrt": "Sqrt", "sin": "Sin", "cos": "Cos", "tanh": "Tanh", "abs": "Abs",
        "neg": "Neg", "floor": "Floor", "ceil": "Ceil", "round": "Round", "sign": "Sign",
        "relu": "Relu"}  # fmt: skip
_TWO = {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "pow": "Pow", "maximum": "Max", "minimum": "Min"}
_COMPARISONS = {"gt": "Greater", "ge": "GreaterOrEqual", "lt": "Less", "le": "LessOrEqual", "eq": "Equal"}

# Formulas that keep their digits. log1p and expm1 by W. Kahan's division by the rounded argument.
_FORMULAS = {
    "ne": "1 - (a == b)",
    "log1p": "a if 1 + a == 1 else a if a > 1e300 else log(1 + a) * (a / (1 + a - 1))",
    "expm1": "a if exp(a) == 1 else exp(a) - 1 if a > 30 else -1 if exp(a) - 1 == -1 "
             "else (exp(a) - 1) * (a / log(exp(a)))",
    "exp2": "exp(a * 0.6931471805599453)",
    "log2": "log(a) / 0.6931471805599453",
    "log10": "log(a) / 2.302585092994046",
    "cbrt": "sign(a) * exp(log(abs(a)) / 3) if a != 0 else a",
    "tan": "sin(a) / cos(a)",
    "sinh": "0.5 * (expm1(a) + expm1(a) / (expm1(a) + 1)) if abs(a) < 20 "
            "else sign(a) * exp(abs(a) - 0.6931471805599453)",
    "cosh": "exp(abs(a) - 0.6931471805599453) + exp(-abs(a) - 0.6931471805599453)",
    "asinh": "sign(a) * log1p(abs(a) + abs(a) * (abs(a) / (1 + sqrt(a * a + 1)))) if abs(a) < 1e150 "
             "else sign(a) * (log(abs(a)) + 0.6931471805599453)",
    "acosh": "log(a) + 0.6931471805599453 if a > 1e150 else log(a + sqrt((a - 1) * (a + 1)))",
    "atanh": "0.5 * log1p(2 * a / (1 - a))",
    "asin": "atan(a / sqrt((1 - a) * (1 + a)))",
    "acos": "1.5707963267948966 - asin(a)",
    "hypot": "0 if maximum(abs(a), abs(b)) == 0 else maximum(abs(a), abs(b)) * "
             "sqrt(1 + pow(minimum(abs(a), abs(b)) / maximum(abs(a), abs(b)), 2))",
    "mod": "a - b * floor(a / b)",
}  # fmt: skip


def to_onnx(model: MLP, path: str | os.PathLike[str]) -> None:
    """Write the model to an ONNX file: input "x", rows of doubles; output "y", a row of outputs for each.

    The outputs are those of ``model(x)``. Raises ImportError where the package onnx is not installed, TypeError for
    what is not an MLP, ValueError for an activation that cannot be expressed, OSError.

    >>> import os, tempfile
    >>> from nn import MLP, to_onnx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_onnx(MLP(2, [3, 1]), os.path.join(folder, "m.onnx"))
    ...     os.listdir(folder)
    ['m.onnx']
    """
    try:
        import onnx
    except ImportError:
        raise ImportError("to_onnx needs the package onnx: pip install onnx") from None
    graph = _Graph(onnx)
    network = Network(model, "to_onnx")
    a = "x"
    if network.mean is not None and network.scale is not None:
        a = graph.node("Sub", a, graph.array("mean", network.mean))
        a = graph.node("Div", a, graph.array("scale", network.scale))
    operations = graph.operations()
    for k, (weights, biases, activation) in enumerate(network.layers, 1):
        a = graph.node("Gemm", a, graph.array(f"W{k}", weights), graph.array(f"b{k}", biases), transB=1)
        if activation != "linear":
            a = operations[activation](a, *map(graph.number, OPS[activation].defaults))
    if network.softmax:
        a = graph.node("Softmax", a, axis=-1)
    content = graph.model(a, network)
    write_whole(path, content)


class _Graph:
    """The nodes of an ONNX graph; a tensor is named by a text."""

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.arrays: list[Any] = []
        self._numbers: dict[str, str] = {}

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def array(self, name: str, numbers: Any) -> str:
        rows = numbers if isinstance(numbers[0], list) else None
        shape = [len(numbers)] if rows is None else [len(rows), len(rows[0])]
        flat = numbers if rows is None else [x for row in rows for x in row]
        self.arrays.append(self.onnx.helper.make_tensor(name, self.onnx.TensorProto.DOUBLE, shape, flat))
        return name

    def number(self, x: float) -> str:
        if repr(x) not in self._numbers:
            name = f"n{len(self._numbers)}"
            self.arrays.append(self.onnx.helper.make_tensor(name, self.onnx.TensorProto.DOUBLE, [], [x]))
            self._numbers[repr(x)] = name
        return self._numbers[repr(x)]

    def operations(self) -> Derived:
        """The operations of the table as functions of tensors of this graph."""

        def kind_of(kind: str) -> Callable[..., str]:
            return lambda *operands: self.node(kind, *operands)

        def compare(kind: str) -> Callable[..., str]:
            return lambda a, b: self.node("Cast", self.node(kind, a, b), to=self.onnx.TensorProto.DOUBLE)

        def where(condition: str, a: str, b: str) -> str:
            chosen = self.node("Not", self.node("Equal", condition, self.number(0.0)))
            return self.node("Where", chosen, a, b)

        given: dict[str, Callable[..., str]] = {op: kind_of(kind) for op, kind in (_ONE | _TWO).items()}
        given |= {op: compare(kind) for op, kind in _COMPARISONS.items()}
        given |= {"where": where, "erf": self._erf, "erfc": self._erfc, "atan": self._atan}
        algebra = Derived(given, "to_onnx", self.number)
        for op, text in _FORMULAS.items():
            tree = parse(text)
            algebra[op] = lambda *ab, tree=tree: evaluate(tree, algebra, dict(zip("ab", ab)), self.number)
        return algebra

    def _erf(self, a: str) -> str:
        """2/√π exp(-x²) Σ 2ᵏ x²ᵏ⁺¹ / (2k + 1)!!, all of whose terms have one sign; 1 past 6, to the last digit."""
        x = self.node("Clip", a, self.number(-6.0), self.number(6.0))
        square = self.node("Mul", x, x)
        # in powers of (x/6)², because onnxruntime drops a sum with a number that single precision takes for zero
        sixth = self.node("Div", x, self.number(6.0))
        coefficients = [1.0]
        for k in range(1, 140):
            coefficients.append(coefficients[-1] * 72 / (2 * k + 1))
        factor = self.node("Mul", x, self.number(2 / math.sqrt(math.pi)))
        scaled = self.node("Mul", factor, self.node("Exp", self.node("Neg", square)))
        return self.node("Mul", scaled, self._polynomial(self.node("Mul", sixth, sixth), coefficients))

    def _erfc(self, a: str) -> str:
        """1 - erf(x); from 2.5 on the continued fraction exp(-x²)/√π / (x + ½/(x + 1/(x + ³⁄₂/(x + ...))))."""
        x = self.node("Clip", a, self.number(2.5), self.number(30.0))
        fraction = x
        for k in range(90, 0, -1):
            fraction = self.node("Add", x, self.node("Div", self.number(k / 2), fraction))
        scaled = self.node("Exp", self.node("Neg", self.node("Mul", x, x)))
        tail = self.node("Div", scaled, self.node("Mul", fraction, self.number(math.sqrt(math.pi))))
        rest = self.node("Sub", self.number(1.0), self._erf(a))
        return self.node("Where", self.node("Greater", a, self.number(2.5)), tail, rest)

    def _atan(self, a: str) -> str:
        """The series of the arc tangent, after halving the angle three times: tan(t/2) = x / (1 + sqrt(1 + x²))."""
        x = self.node("Clip", a, self.number(-1e150), self.number(1e150))
        one = self.number(1.0)
        for _ in range(3):
            root = self.node("Sqrt", self.node("Add", one, self.node("Mul", x, x)))
            x = self.node("Div", x, self.node("Add", one, root))
        series = self._polynomial(self.node("Mul", x, x), [(-1) ** k / (2 * k + 1) for k in range(14)])
        return self.node("Mul", self.node("Mul", x, self.number(8.0)), series)

    def _polynomial(self, x: str, coefficients: list[float]) -> str:
        """By Horner's rule, the constant coefficient first."""
        total = self.number(coefficients[-1])
        for c in reversed(coefficients[:-1]):
            total = self.node("Add", self.node("Mul", total, x), self.number(c))
        return total

    def model(self, result: str, network: Network) -> bytes:
        helper, double = self.onnx.helper, self.onnx.TensorProto.DOUBLE
        self.nodes.append(helper.make_node("Identity", [result], ["y"]))
        graph = helper.make_graph(
            self.nodes, "network", [helper.make_tensor_value_info("x", double, ["rows", network.nin])],
            [helper.make_tensor_value_info("y", double, ["rows", network.outputs])], self.arrays,
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8,
                                  producer_name="scalar-backprop", doc_string=network.name)  # fmt: skip
        self.onnx.checker.check_model(model)
        content: bytes = model.SerializeToString()
        return content
