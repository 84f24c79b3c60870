"""A program as one C99 file: the graph of one sample and its gradient as a function, for any C compiler.

Values are kept in one array, v, in the order of the program. A weighted input is a call of ``dot`` on places of the
arrays that are evenly spaced, and the derivatives with respect to the weights of a neuron, which share a factor, are
a loop: the file of a network has a few lines for each neuron. What <math.h> does not have of the table of operations is
written out as a function of the file, from the forward expression of its row.
"""

from __future__ import annotations

from engine.derived import closure, forward
from engine.expressions import C, Call, Name, Node, Number
from engine.ops import OPS

from .program import Program, split_dot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Place = tuple[str, int]  # an array, and an index in it

# What <math.h> has; under another name where C has another.
_MATH = {
    **{name: name for name in ("exp", "expm1", "exp2", "log", "log1p", "log2", "log10", "sqrt", "cbrt", "sin", "cos",
                               "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh",
                               "atanh", "erf", "erfc", "hypot", "pow", "floor", "ceil")},
    "abs": "fabs", "round": "nearbyint",
}  # fmt: skip
# What neither the language nor a formula of the table gives.
_WRITTEN = {
    "mod": """static double op_mod(double a, double b)
{
    double rest = fmod(a, b);
    return rest != 0.0 ? ((rest < 0.0) != (b < 0.0) ? rest + b : rest) : copysign(rest, b);
}
""",
}
_SYNTAX = ("add", "sub", "mul", "div", "neg", "where", "gt", "ge", "lt", "le", "eq", "ne")
_KEYWORDS = (
    "auto break case char const continue default do double else enum extern float for goto if inline int long register "
    "restrict return short signed sizeof static struct switch typedef union unsigned void volatile while main"
)
_WRITTEN_OUT = 4  # terms of a dot or a sum that stand in the text; more are a call
_WIDTH = 110

_HELPERS = {
    "ties": """static double ties(int n, const double *a)
{
    double count = 0.0;
    for (int i = 1; i < n; i++)
        count += a[i] == a[0];
    return count;
}
""",
    "dot": """static double dot(int n, const double *w, int dw, const double *x, int dx)
{
    double sum = w[0] * x[0];
    for (int i = 1; i < n; i++)
        sum += w[i * dw] * x[i * dx];
    return sum;
}
""",
    "sum": """static double sum(int n, const double *a)
{
    double total = a[0];
    for (int i = 1; i < n; i++)
        total += a[i];
    return total;
}
""",
    "logsumexp": """static double logsumexp(int n, const double *a)
{
    double top = a[0], total = 0.0;
    for (int i = 1; i < n; i++)
        top = top != top || a[i] <= top ? top : a[i];
    if (top - top != 0.0)
        return top;
    for (int i = 0; i < n; i++)
        total += exp(a[i] - top);
    return top + log(total);
}
""",
    "amax": """static double amax(int n, const double *a)
{
    double top = a[0];
    for (int i = 1; i < n; i++)
        top = top != top || a[i] <= top ? top : a[i];
    return top;
}
""",
    "amin": """static double amin(int n, const double *a)
{
    double least = a[0];
    for (int i = 1; i < n; i++)
        least = least != least || a[i] >= least ? least : a[i];
    return least;
}
""",
}


class CPrinter(C):
    """The language of the table in C99; what <math.h> does not have is a function op_NAME of the file."""

    def function(self, op: str) -> str:
        return _MATH.get(op) or f"op_{op}"


def c_functions(names: Iterable[str], who: str) -> str:
    """Definitions in C of the operations that <math.h> does not have, and of those that these use."""
    printer = CPrinter()
    text = ""
    names = list(names)
    for name in closure(names, [*_MATH, *_SYNTAX, *_WRITTEN], who):
        arguments = ", ".join(f"double {a}" for a in OPS[name].arguments)
        text += f"static double op_{name}({arguments})\n{{\n    return {printer.text(forward(name, who))};\n}}\n\n"
    for name, definition in _WRITTEN.items():
        if name in names or f"op_{name}(" in text:
            text = f"{definition}\n{text}"
    return text


def check_c_name(name: str, who: str) -> None:
    """Raises ValueError where C could not have a function of that name in the file."""
    taken = {*_KEYWORDS.split(), *_MATH.values(), *_HELPERS}
    if not (name.isascii() and name.isidentifier()) or name in taken or name.startswith("op_"):
        raise ValueError(f"{who}: the function cannot be called {name!r:.60} in C: choose letters, digits and _")


def generate(program: Program, name: str = "kernel") -> str:
    """The file, with the function NAME(inputs, parameters, outputs, gradients)."""
    check_c_name(name, "c_source")
    return _Generator(program).file(name)


class _Generator:
    def __init__(self, program: Program) -> None:
        self.p = program
        self.printer = CPrinter()
        self.place: dict[int, Place] = {i: ("inputs", k) for k, i in enumerate(program.inputs)}
        self.place |= {i: ("parameters", k) for k, i in enumerate(program.parameters)}
        self.helpers: set[str] = set()
        self.count = 0
        self.products = self._products_for_gradients_alone()

    def _products_for_gradients_alone(self) -> set[int]:
        """The products that are an entry of a gradient and nothing else: they are written where they belong."""
        p = self.p
        used = {a for args in p.args for a in args} | set(p.outputs)
        seen, twice = set[int](), set[int]()
        for row in p.gradients:
            for i in row:
                (twice if i in seen else seen).add(i)
        return {i for i in seen - twice - used if p.op[i] == "mul"}

    def file(self, name: str) -> str:
        p = self.p
        body = [self.statement(i, op, args) for i, op, args in p if i not in self.products]
        body += [f"outputs[{k}] = {self.text(i)};" for k, i in enumerate(p.outputs)]
        width = len(p.wrt)
        for k, row in enumerate(p.gradients):
            body += self.gradient(row, k * width)
        unused = [array for array, there in (("inputs", p.inputs), ("parameters", p.parameters), ("gradients", width))
                  if not there or not any(f"{array}[" in line or f"{array} +" in line for line in body)]  # fmt: skip
        body += [f"(void){array};" for array in unused]
        if self.count:
            body.insert(0, f"double v[{self.count}];")
        operations = [op for _, op, _ in p if OPS[op].arity]
        text = f"/* {self.comment()}\n   Generated by engine.lower. */\n\n#include <math.h>\n\n"
        text += c_functions(dict.fromkeys(operations), "c_source")
        text += "".join(f"{_HELPERS[helper]}\n" for helper in _HELPERS if helper in self.helpers)
        text += f"void {name}(const double *inputs, const double *parameters, double *outputs, double *gradients)\n{{\n"
        return text + "".join(f"    {line}\n" for line in body) + "}\n"

    def comment(self) -> str:
        p = self.p
        inputs = ", ".join(_plain(p.names[i]) or f"input {k}" for k, i in enumerate(p.inputs[:8]))
        more = ", ..." if len(p.inputs) > 8 else ""
        gradients = f"{len(p.outputs)} x {len(p.wrt)}" if len(p.outputs) > 1 else f"{len(p.wrt)}"
        return (f"The graph of one sample: {len(p.inputs)} inputs ({inputs or 'none'}{more}), {len(p.parameters)} "
                f"parameters,\n   {len(p.outputs)} outputs, {gradients} gradients.")  # fmt: skip

    # Expressions.

    def node(self, i: int) -> Node:
        """Value i as a part of an expression."""
        if i in self.p.constant:
            return Number(self.p.constant[i])
        array, k = self.place[i]
        return Name(f"{array}[{k}]")

    def text(self, i: int) -> str:
        return self.printer.text(self.node(i))

    def statement(self, i: int, op: str, args: Sequence[int]) -> str:
        text = self.computed(op, tuple(args))
        self.place[i] = "v", self.count
        self.count += 1
        label = _plain(self.p.names[i])
        line = f"v[{self.count - 1}] = {text};"
        return f"{line}  /* {label} */" if label else line

    def computed(self, op: str, args: tuple[int, ...]) -> str:
        if op == "dot":
            return self.dot(args)
        if OPS[op].arity is not None:
            return self.printer.text(Call(op, tuple(map(self.node, args))))
        if op in ("sum", "mean") and len(args) <= _WRITTEN_OUT:
            total = " + ".join(map(self.text, args))
            return total if op == "sum" else f"({total}) / {len(args)}.0"
        helper = "sum" if op == "mean" else op
        if helper not in _HELPERS:
            raise ValueError(f"c_source: the operation {op!r} has no counterpart in C")
        self.helpers.add(helper)
        call = f"{helper}({len(args)}, {self.vector(args, (1,))[0]})"
        return f"{call} / {len(args)}.0" if op == "mean" else call

    def dot(self, args: tuple[int, ...]) -> str:
        weights, inputs, bias = split_dot(args)
        if len(weights) <= _WRITTEN_OUT:
            text = " + ".join(
                self.printer.text(Call("mul", (self.node(w), self.node(x)))) for w, x in zip(weights, inputs)
            )
        else:
            self.helpers.add("dot")
            (w, dw), (x, dx) = self.vector(weights), self.vector(inputs)
            text = f"dot({len(weights)}, {w}, {dw}, {x}, {dx})"
        return text if bias is None else f"{text} + {self.text(bias)}"

    def vector(self, ids: Sequence[int], steps: tuple[int, ...] | None = None) -> tuple[str, int]:
        """(a pointer to the first of several values, how far it is from each to the next)."""
        step = self.spacing(ids)
        if step is None or (steps and step not in steps):
            return f"(const double[]){{{', '.join(map(self.text, ids))}}}", 1
        array, first = self.place[ids[0]]
        return (f"{array} + {first}" if first else array), step

    def spacing(self, ids: Sequence[int]) -> int | None:
        """How far it is from each value to the next in their array; None where they are not evenly spaced in one."""
        places = [self.place.get(i) for i in ids]
        first = places[0]
        if first is None or len(ids) == 1:
            return None if first is None else 1
        step = (places[1] or ("", 0))[1] - first[1]
        return step if all(place == (first[0], first[1] + k * step) for k, place in enumerate(places)) else None

    # Gradients.

    def gradient(self, row: list[int], offset: int) -> list[str]:
        """The statements for the gradient of an output; a loop for entries that share a factor."""
        lines, start = [], 0
        while start < len(row):
            stop, factor, others = self.run(row, start)
            if stop - start > _WRITTEN_OUT:
                (array, first), step = self.place[others[0]], self.spacing(others)
                lines.append(f"for (int i = 0; i < {stop - start}; i++)")
                lines.append(f"    gradients[{_index(offset + start, 1)}] = {self.text(factor)} * "
                             f"{array}[{_index(first, step or 0)}];")  # fmt: skip
                start = stop
                continue
            i = row[start]
            text = self.computed("mul", tuple(self.p.args[i])) if i in self.products else self.text(i)
            lines.append(f"gradients[{offset + start}] = {text};")
            start += 1
        return lines

    def run(self, row: list[int], start: int) -> tuple[int, int, list[int]]:
        """The longest run of products from ``start`` on that share a factor: its end, the factor, the others."""
        best: tuple[int, int, list[int]] = start, -1, []
        for factor in self.p.args[row[start]] if row[start] in self.products else ():
            stop, others = start, list[int]()
            while stop < len(row) and row[stop] in self.products and factor in self.p.args[row[stop]]:
                a, b = self.p.args[row[stop]]
                others.append(b if a == factor else a)
                stop += 1
            while len(others) > _WRITTEN_OUT and self.spacing(others) is None:
                others.pop()
                stop -= 1
            if stop > best[0]:
                best = stop, factor, others
        return best


def _index(first: int, step: int) -> str:
    """The place of item i of a row that starts at ``first``."""
    text = "i" if abs(step) == 1 else f"{abs(step)} * i"
    return f"{first} - {text}" if step < 0 else f"{first} + {text}" if first else text


def _plain(label: str) -> str:
    """A label as it may stand in a comment of C."""
    text = "".join(c if c.isascii() and c.isprintable() else "?" for c in label[:40])
    return text.replace("*/", "* /").replace("/*", "/ *").replace("\\", "/").replace("??", "?")
