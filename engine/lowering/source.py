"""A program as Python source that a learner can read, and the function made of it.

What is generated is the lecture's fprop and bprop for one's own graph, with the names of its labels::

    for x1, x2, y in rows:
        # forward
        z1 = w1*x1 + w2*x2 + b1
        a1 = sigmoid(z1)
        loss = bce(a1, y)
        # backward
        da1 = ...

A label is text from anywhere: it is turned into an identifier, and nothing else of it enters the source. The text runs
on its own; all it imports are the functions of the table of operations.
"""

from __future__ import annotations

import re
from itertools import chain
from math import inf

from engine.ops import OPS

from .names import Names, Slots
from .program import Program, split_dot
from .simplify import COMPARISONS
from .statements import chained, indented, wrapped, wrapped_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Args = tuple[int, ...]
    Run = tuple[int, int, int, Args]  # start, stop, the common factor, the other factors
    Step = Callable[[Sequence[Sequence[float]], Sequence[float], str], tuple[list[float], list[list[float]]]]
    EachRow = Callable[[Sequence[Sequence[float]], Sequence[float]], list[list[float]]]

_INLINE = 50  # characters of an expression that may stand inside another one
_SMALL = 40000  # operands of a program whose dots are written out term by term
_TERMS, _TERMS_OF_LARGE = 64, 8  # dots with more terms are calls; the compiler's time goes with the terms in the text
# The compiler takes 4 times as long for a statement in a function of 4,000 as for one in a function of 250.
_MOST, _PAGE = 5000, 200  # statements that are one function; statements in a function where there are more

_ACTIVATIONS = {"sigmoid", "tanh", "relu", "leaky_relu", "elu", "silu", "gelu", "softplus"}
_SYMBOLS = {"add": "+", "sub": "-", "gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "==", "ne": "!="}
_KEPT = {"dot", "sum", "mean", "logsumexp", *_ACTIVATIONS}  # a learner looks for these: each has a statement


# How tightly the parts of an expression hold together.
_CONDITIONAL, _SUM, _PRODUCT, _SIGN, _ATOM = range(5)


def generate(program: Program, each: bool = False) -> str:
    """The source of a module with one function, ``kernel(rows, parameters, reduce="mean")``.

    each   it is ``kernel(rows, parameters)`` instead, which gives for each row a list of outputs and then derivatives
    """
    return _Generator(program, each).module()


def load(source: str) -> Any:
    """The function ``kernel`` of generated source: a Step, or an EachRow."""
    names: dict[str, Any] = {}
    for function in source.split("\n\n\n"):  # one at a time: the syntax tree of a very long program is very large
        exec(compile(function, "<engine.lower>", "exec"), names)
    return names["kernel"]


class _Generator:
    def __init__(self, program: Program, each: bool) -> None:
        self.p, self.each = program, each
        self.op, self.args, self.varying, self.constant = program.op, program.args, program.varying, program.constant
        self.position = {i: k for k, i in enumerate(program.parameters)}
        self.terms = _TERMS_OF_LARGE if sum(map(len, program.args)) > _SMALL else _TERMS
        self.uses = self._count_uses()
        self.runs, self.grouped = self._find_runs()
        self.paged = len(program) - len(self.grouped) > _MOST
        self.names = Slots() if self.paged else Names()
        self.name: dict[int, str] = {}
        self.adjoints = dict(program.adjoints)
        for k, row in enumerate(program.gradients):
            for i, of in zip(row, program.wrt, strict=True):
                if of is not None and i >= program.backward and program.args[i]:
                    self.adjoints.setdefault(i, (k, of))
        self.inlined: dict[int, tuple[str, int]] = {}
        self.vectors: dict[Args, str] = {}
        self.imports: set[str] = set()
        self.used_parameters: set[int] = set()
        self.sums: dict[int, str] = {}
        self.zeros: dict[str, list[str]] = {}
        self.functions_before: list[str] = []
        self.prologue: list[str] = []  # statements for what is the same for all rows
        self.loop: list[str] = []
        self.additions: list[str] = []
        self._name_all()

    # What the program looks like.

    def _count_uses(self) -> list[int]:
        uses = [0] * len(self.op)
        for args in self.args:
            for a in args:
                uses[a] += 1
        for row in (self.p.outputs, *self.p.gradients):
            for i in row:
                uses[i] += 1
        return uses

    def _find_runs(self) -> tuple[list[list[Run]], set[int]]:
        """For each output the long runs of gradients that are products with one factor, and all their ids.

        These are the derivatives of the weights of a neuron. Each run is one statement.
        """
        p = self.p
        runs: list[list[Run]] = []
        grouped: set[int] = set()
        if self.each:
            return [[] for _ in p.gradients], grouped
        for row in p.gradients:
            runs.append([])
            stop = 0
            for start in range(len(row)):
                if start < stop:
                    continue
                stop, factors = start, set(self.args[row[start]])
                while stop < len(row) and self._is_lone_product(row[stop]) and factors & set(self.args[row[stop]]):
                    factors &= set(self.args[row[stop]])
                    stop += 1
                if stop - start > self.terms:
                    factor = min(factors)
                    pairs = [self.args[i] for i in row[start:stop]]
                    runs[-1].append((start, stop, factor, tuple([b if a == factor else a for a, b in pairs])))
                    grouped.update(row[start:stop])
        return runs, grouped

    def _is_lone_product(self, i: int) -> bool:
        return self.op[i] == "mul" and self.varying[i] and self.uses[i] == 1

    def _name_all(self) -> None:
        """Names for labelled values, inputs and outputs; others get one when they are first mentioned."""
        p = self.p
        for i, label in enumerate(p.names):
            if label and self.op[i] != "constant":
                self.name[i] = self.names.from_label(label)
        for args, op in zip(self.args, self.op, strict=True):
            if op == "dot":
                weights, _, bias = split_dot(args)
                for w in weights:
                    if self.op[w] == "parameter" and w not in self.name:
                        self.name[w] = self.names.numbered("w")
                if bias is not None and self.op[bias] == "parameter" and bias not in self.name:
                    self.name[bias] = self.names.numbered("b")
        for i in p.inputs:
            if i not in self.name:
                self.name[i] = self.names.numbered("x")
        for i in p.outputs:
            if i not in self.name and self.op[i] not in ("constant", "parameter"):
                self.name[i] = self.names.free("output") if len(p.outputs) == 1 else self.names.numbered("output")

    def named(self, i: int) -> str:
        """The name of value i."""
        name = self.name.get(i)
        if name is None:
            self.name[i] = name = self._new_name(i)
        return name

    def _new_name(self, i: int) -> str:
        p, op = self.p, self.op[i]
        if self.paged:
            return self.names.numbered("v")
        if i in self.adjoints:
            k, of = self.adjoints[i]
            name = self.named(of)
            if len(p.outputs) > 1:
                return self.names.free(f"d{self.named(p.outputs[k])}_d{name}")
            return self.names.free(f"d{name}" if len(name) <= 4 else f"d_{name}")
        # z = w*a + b is named after its bias, and the activation of z after z.
        if op == "dot":
            bias = split_dot(self.args[i])[2]
            role = re.fullmatch(r"((?:.*_)?)(?:b|bias)(\d*)", self.name.get(bias, "") if bias is not None else "")
            return self.names.free(f"{role[1]}z{role[2]}") if role else self.names.numbered("z")
        if op in _ACTIVATIONS:
            role = re.fullmatch(r"((?:.*_)?)z(\d*)", self.name.get(self.args[i][0], ""))
            return self.names.free(f"{role[1]}a{role[2]}") if role else self.names.numbered("a")
        return self.names.numbered("p" if op == "parameter" else "v")

    # Expressions.

    def expression(self, i: int, tightness: int = _CONDITIONAL) -> str:
        """Value i inside an expression that holds its parts together with ``tightness``."""
        if i in self.inlined:
            text, own = self.inlined[i]
        elif i in self.constant:
            text = repr(self.constant[i])
            self.imports.update(word for word in ("inf", "nan") if word in text)
            own = _SIGN if text.startswith("-") else _ATOM
        else:
            text, own = self.named(i), _ATOM
            if self.op[i] == "parameter":
                self.used_parameters.add(i)
        return f"({text})" if own < tightness else text

    def computed(self, i: int) -> tuple[str, int]:
        """The expression that computes value i, and how tightly it holds together."""
        op, args, e = self.op[i], self.args[i], self.expression
        if op in ("add", "sub"):
            return f"{e(args[0], _SUM)} {_SYMBOLS[op]} {e(args[1], _PRODUCT)}", _SUM
        if op == "mul":
            return self.product(*args), _PRODUCT
        if op == "neg":
            return f"-{e(args[0], _SIGN)}", _SIGN
        if op == "div" and self.constant.get(args[1], 0.0) != 0:
            return f"{e(args[0], _PRODUCT)} / {e(args[1], _SIGN)}", _PRODUCT
        if op == "where":
            condition, a, b = args
            return f"{e(a, _SUM)} if {self.condition(condition)} else {e(b, _SUM)}", _CONDITIONAL
        if op in COMPARISONS:
            return f"1.0 if {self.comparison(i)} else 0.0", _CONDITIONAL
        if op == "dot" and len(args) // 2 <= self.terms:
            return self.written_dot(args), _SUM
        if op in ("sum", "mean") and len(args) <= self.terms:
            text = " + ".join([e(args[0], _SUM), *(e(a, _PRODUCT) for a in args[1:])])
            return (text, _SUM) if op == "sum" else (f"({text}) / {len(args)}", _PRODUCT)
        self.imports.add(op)
        if op == "dot":
            weights, inputs, bias = split_dot(args)
            rest = [] if bias is None else [e(bias)]
            return f"dot({', '.join([self.vector(weights), self.vector(inputs), *rest])})", _ATOM
        if OPS[op].arity is None and len(args) <= _TERMS_OF_LARGE:
            return f"{op}([{', '.join([e(a) for a in args])}])", _ATOM
        if OPS[op].arity is None:
            return f"{op}({self.vector(args)})", _ATOM
        return f"{op}({', '.join([e(a) for a in args])})", _ATOM

    def product(self, a: int, b: int) -> str:
        if self.constant.get(b) == 1:
            return self.expression(a, _PRODUCT)
        return f"{self.expression(a, _PRODUCT)}*{self.expression(b, _SIGN)}"

    def written_dot(self, args: Args) -> str:
        """w1*x1 + w2*x2 + b, the terms in the order in which ``dot`` adds them."""
        weights, inputs, bias = split_dot(args)
        text = ""
        for w, x in zip(weights, inputs, strict=True):
            number = self.constant.get(w)
            if number in (1.0, -1.0):
                term = self.expression(x, _PRODUCT if text or number == 1.0 else _SIGN)
            elif text and number is not None and -inf < number < 0:
                term = f"{-number!r}*{self.expression(x, _SIGN)}"
            else:
                term = self.product(w, x)
                number = None
            if number is not None and number < 0:
                text += f" - {term}" if text else f"-{term}"
            else:
                text += f" + {term}" if text else term
        return text if bias is None else f"{text} + {self.expression(bias, _PRODUCT)}"

    def comparison(self, i: int) -> str:
        a, b = self.args[i]
        return f"{self.expression(a, _SUM)} {_SYMBOLS[self.op[i]]} {self.expression(b, _SUM)}"

    def condition(self, i: int) -> str:
        if self.op[i] in COMPARISONS and i in self.inlined:
            return self.comparison(i)
        return f"{self.expression(i, _SUM)} != 0.0"

    def vector(self, ids: Args) -> str:
        """The name of a sequence of values, which is made where it is first used."""
        name = self.vectors.get(ids)
        if name is None:
            first, last = self.named(ids[0]), self.named(ids[-1])
            self.vectors[ids] = name = self.names.free(f"{first}_to_{last}")
            text = self.slice(ids)
            if text is None:
                text = "[" + ", ".join([self.expression(i) for i in ids]) + "]"
            statements = self.loop if any(self.varying[i] for i in ids) else self.prologue
            statements.append(wrapped(f"{name} = ", text))
        return name

    def slice(self, ids: Args) -> str | None:
        """The values as a slice of the parameters, where they are evenly spaced among them."""
        at = [self.position.get(i, -1) for i in ids]
        step = at[1] - at[0] if len(at) > 1 else 1
        stop = at[-1] + step
        if min(at) < 0 or step == 0 or at != list(range(at[0], stop, step)):
            return None
        bounds = f"{at[0]}:{stop if stop >= 0 else ''}"
        return f"parameters[{bounds}]" if step == 1 else f"parameters[{bounds}:{step}]"

    # Statements.

    def write_statements(self) -> None:
        """Write a statement for each value that is neither inlined nor one of a run of products."""
        p = self.p
        consumer: list[int | None] = [None] * len(self.op)  # the only one, where there is one use
        for i, args in enumerate(self.args):
            for a in args:
                consumer[a] = i
        section = ""
        for i, op, _ in p:
            if i in self.grouped:
                continue
            text, own = self.computed(i)
            user = consumer[i]
            if op in COMPARISONS and self.inlined.keys().isdisjoint(self.args[i]):
                self.inlined[i] = text, own  # cheaper made again than kept as a number and compared with 0
                continue
            if (
                self.uses[i] == 1 and not p.names[i] and len(text) <= _INLINE and op not in _KEPT
                and (self._in_same_place(i, user) and i not in self.adjoints if user is not None else self.varying[i])
            ):  # fmt: skip
                self.inlined[i] = text, own
                continue
            if not self.varying[i]:
                self.prologue.append(wrapped(f"{self.named(i)} = ", text))
                continue
            title = "# forward" if i < p.backward else "# backward"
            if title != section:
                self.loop.append(title)
                section = title
            self.loop.append(wrapped(f"{self.named(i)} = ", text))

    def _in_same_place(self, i: int, user: int) -> bool:
        """Whether two values are computed once for all rows, or both in the same pass over a row."""
        backward = self.p.backward
        return self.varying[i] == self.varying[user] and (i < backward) == (user < backward)

    def total(self, i: int, zero: str) -> str:
        """What value i adds up to, as an item of the result."""
        if not self.varying[i]:
            text = self.expression(i, _SIGN)
            return text if self.constant.get(i) == 0 else f"{text}*times"
        if i not in self.sums:
            self.sums[i] = name = self.names.free(f"sum_{self.named(i)}")
            self.zeros.setdefault(zero, []).append(name)
            self.additions.append(wrapped(f"{name} += ", self.expression(i)))
        return f"{self.sums[i]}/n"

    def totals(self, row: list[int], runs: list[Run]) -> list[str]:
        """The items of the result for the gradient of one output."""
        items: list[str] = []
        done = 0
        for start, stop, factor, others in runs:
            items += [self.total(i, "0.0") for i in row[done:start]]
            done = stop
            name = self.names.free(f"sum_{self.named(row[start])}_to_{self.named(row[stop - 1])}")
            self.zeros.setdefault(f"[0.0] * {stop - start}", []).append(name)
            self.additions.append(f"add_products({name}, {self.expression(factor)}, {self.vector(others)})")
            items.append(f"*[s/n for s in {name}]")
        return items + [self.total(i, "0.0") for i in row[done:]]

    def module(self) -> str:
        """The whole text."""
        self.write_statements()
        body = self.body_for_each_row() if self.each else self.body_of_sums()
        return "\n".join([*self.header(), *(indented(statement) for statement in body)]) + "\n"

    def body_for_each_row(self) -> list[str]:
        """The statements of the function that gives the results of each row."""
        p = self.p
        items = [self.expression(i) for i in chain(p.outputs, *p.gradients)]
        body = [*self.unpacking(), *self.parts("before", self.prologue), "results = []"]
        row = [*self.parts("row", self.loop), wrapped("results.append(", f"[{', '.join(items)}]") + ")"]
        inputs = wrapped_names("for ", [self.named(i) for i in p.inputs], " in rows:")
        return [*body, inputs, *(indented(statement) for statement in row), "return results"]

    def body_of_sums(self) -> list[str]:
        """The statements of the function that adds up the results over the rows."""
        p = self.p
        # -0.0 is what adds nothing to any number; 0.0 would turn an output of -0.0 into 0.0.
        outputs = [self.total(i, "-0.0") for i in p.outputs]
        gradients = [self.totals(row, runs) for row, runs in zip(p.gradients, self.runs, strict=True)]
        several = len(gradients) > 1
        result = [self.names.numbered("gradient") if several else self.names.free("gradient") for _ in gradients]
        body = self.unpacking() + self.parts("before", self.prologue)
        body += [line for zero, names in self.zeros.items() for line in chained(names, zero)]
        if self.additions:
            inputs = wrapped_names("for ", [self.named(i) for i in p.inputs], " in rows:")
            row = self.parts("row", [*self.loop, "# add up", *self.additions])
            body += [inputs, *(indented(statement) for statement in row)]
        body += [
            'n, times = (1, len(rows)) if reduce == "sum" else (len(rows), 1)',
            wrapped("values = ", f"[{', '.join(outputs)}]"),
            *(wrapped(f"{name} = ", f"[{', '.join(items)}]") for name, items in zip(result, gradients, strict=True)),
            f"return values, [{', '.join(result)}]",
        ]
        return body

    def unpacking(self) -> list[str]:
        """Statements that give names to the parameters that are used by name."""
        p, used = self.p, self.used_parameters
        if len(used) == len(p.parameters):
            return [wrapped_names("", [self.named(i) for i in p.parameters], " = parameters")] if used else []
        return [f"{self.named(i)} = parameters[{self.position[i]}]" for i in sorted(used)]

    def parts(self, name: str, statements: list[str]) -> list[str]:
        """The statements, or calls of functions made of them where they are too many for one function."""
        if not self.paged or not statements:
            return statements
        calls = []
        for k in range(0, len(statements), _PAGE):
            call = f"{name}{k // _PAGE + 1}(v, parameters)"
            body = [indented(statement) for statement in statements[k : k + _PAGE]]
            self.functions_before.append("\n".join([f"def {call}:", *body, "    return", "", ""]))
            calls.append(call)
        return calls

    def header(self) -> list[str]:
        lines = ['"""The graph of one sample and its gradient, for many samples. Generated by engine.lower."""', ""]
        numbers = sorted(self.imports & {"inf", "nan"})
        functions = sorted(self.imports - {"inf", "nan"})
        if numbers:
            lines += [f"from math import {', '.join(numbers)}", ""]
        if functions:
            lines += ["from engine.ieee import scalar", ""]
            lines += [*(f'{name} = scalar["{name}"]' for name in functions), ""]
        lines.append("")
        if self.grouped:
            lines += ["def add_products(sums, factor, values):", "    for j, value in enumerate(values):",
                      "        sums[j] += factor*value", "", ""]  # fmt: skip
        lines += self.functions_before
        if self.each:
            lines += [
                "def kernel(rows, parameters):",
                '    """The outputs and then their derivatives, for each row."""',
            ]
        else:
            lines += ['def kernel(rows, parameters, reduce="mean"):',
                      '    """(values, gradients): their means over the rows, or their sums."""']  # fmt: skip
        if isinstance(self.names, Slots):
            lines.append(f"    v = [0.0] * {self.names.count}")
        return lines
