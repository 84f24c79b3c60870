"""to_jax: a kernel as a function on jax.numpy, to differentiate, compile, map and shard with JAX.

A program is a list of scalar instructions, and JAX wants arrays. So instructions that can be done at the same time are
done as one: those at the same distance from the leaves with the same operation. The weighted inputs of a layer, which
share their inputs, become one product of a matrix with a vector. Only what the outputs need is taken over: derivatives
are JAX's affair, by the rules of the table (engine/jax_operations.py), and a branch that was not taken contributes
nothing to them (reached.py).
"""

from __future__ import annotations

from engine.jax_operations import import_jax, jax_operations
from engine.ops import OPS

from .kernel import Kernel
from .program import Program, split_dot
from .reached import STOP, harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Key = tuple[Any, ...]


def to_jax(kernel: Kernel) -> Callable[..., Any]:
    """The kernel as a function ``f(parameters, rows)`` on jax.numpy; its value is the kernel's, the mean over the rows.

    parameters   an array of the numbers behind ``kernel.program.parameter_values``: first the nodes of ``wrt``, in
                 its order, then other leaves. ``f.parameters`` is what they are now, a double-precision array of NumPy
    rows         an array with a row of inputs for each sample; one row alone will do

    ``f(parameters, rows, reduce="none")`` gives the value of each row, ``reduce="sum"`` the sum. Of several outputs the
    result is an array with one item for each, in its last dimension. jax.grad, jit, vmap and sharding work on f. JAX
    computes in single precision unless ``jax.config.update("jax_enable_x64", True)`` was called at the start.

    A branch that was not taken contributes nothing to derivatives, at every order. One thing is JAX's own: it goes back
    from several outputs together, and what only one of them reaches gets 0 times its derivative from the others, nan
    where that is infinite: ``jax.jacfwd`` keeps the outputs apart, ``jax.jacrev`` does not.

    Raises ImportError where JAX is not installed, TypeError for what is not a Kernel.

    >>> from engine import Value, lower, to_jax
    >>> w, x = Value(3.0, label="w"), Value(0.0, label="x")
    >>> f = to_jax(lower(w * x * x, inputs=[x], wrt=[w]))
    >>> import jax
    >>> float(f(f.parameters, [[1.0], [2.0]])), float(jax.grad(f)(f.parameters, [[1.0], [2.0]])[0])
    (7.5, 2.5)
    """
    if not isinstance(kernel, Kernel):
        raise TypeError(f"to_jax takes a Kernel, which engine.lower makes, got {type(kernel).__name__}")
    jax = import_jax("to_jax")
    import numpy

    np, program = jax.numpy, kernel.program
    plan = _Plan(harmless(program), numpy)
    several = not kernel._single

    def one(parameters: Any, row: Any) -> Any:
        """All outputs of one row."""
        found = plan.run(np, jax, parameters, row)
        return found if several else found[0]

    def f(parameters: Any, rows: Any = None, reduce: str = "mean") -> Any:
        if reduce not in ("mean", "sum", "none"):
            raise ValueError(f"to_jax: reduce is 'mean', 'sum' or 'none', got {reduce!r:.40}")
        parameters = np.asarray(parameters)
        rows = np.zeros((1, 0)) if rows is None and not program.inputs else np.asarray(rows)
        if rows.ndim == 1 and len(program.inputs) == rows.shape[0]:
            rows = rows[None, :]
        if rows.ndim != 2 or rows.shape[1] != len(program.inputs):
            raise ValueError(f"to_jax: rows has the shape {rows.shape}, and the kernel takes {len(program.inputs)} "
                             "inputs: pass an array with a row of them for each sample")  # fmt: skip
        if parameters.shape != (len(program.parameters),):
            raise ValueError(f"to_jax: parameters has the shape {parameters.shape}, and the kernel has "
                             f"{len(program.parameters)}: pass an array of that length")  # fmt: skip
        values = jax.vmap(one, (None, 0))(parameters, rows)
        if reduce == "none":
            return values
        return values.mean(axis=0) if reduce == "mean" else values.sum(axis=0)

    found: Any = f
    found.parameters = numpy.array([node.data for node in program.parameter_values], dtype=float)
    function: Callable[..., Any] = found
    return function


class _Plan:
    """The instructions that the outputs need, in groups that are done together.

    Each group makes an array; ``where`` says of each value in which array it is, and at which place.
    """

    def __init__(self, program: Program, numpy: Any) -> None:
        self.p, self.numpy = program, numpy
        self.where: dict[int, tuple[int, int]] = {i: (0, k) for k, i in enumerate(program.inputs)}
        self.where |= {i: (1, k) for k, i in enumerate(program.parameters)}
        constants = list(program.constant)
        self.constants = numpy.array([program.constant[i] for i in constants], dtype=float)
        self.where |= {i: (2, k) for k, i in enumerate(constants)}
        self.groups: list[tuple[str, list[int]]] = []
        for key, ids in self._grouped().items():
            for k, i in enumerate(ids):
                self.where[i] = len(self.groups) + 3, k
            self.groups.append((key[1], ids))

    def _grouped(self) -> dict[Key, list[int]]:
        """The values to compute, by what can be done together; what must be there first comes first."""
        p = self.p
        needed = set(p.outputs)
        for i in range(len(p.op) - 1, -1, -1):
            if i in needed:
                needed.update(p.args[i])
        level = [0] * len(p.op)
        groups: dict[Key, list[int]] = {}
        for i, op, args in p:
            if i in needed:
                level[i] = 1 + max((level[a] for a in args), default=0)
                key: Key = (level[i], op, len(args))
                if op == "dot":
                    key += (split_dot(args)[1],)  # a layer: the same inputs
                groups.setdefault(key, []).append(i)
        return dict(sorted(groups.items(), key=lambda item: item[0][0]))

    def run(self, np: Any, jax: Any, parameters: Any, row: Any) -> Any:
        """The outputs for one row, as an array."""
        arrays = [row, parameters, np.asarray(self.constants, dtype=np.result_type(parameters, row))]
        operations = jax_operations()

        def gather(ids: Sequence[int]) -> Any:
            """The values as one array, in this order."""
            places = [self.where[i] for i in ids]
            sources = sorted({array for array, _ in places})
            columns = [column for _, column in places]
            if len(sources) == 1:
                source = arrays[sources[0]]
                first, stop = columns[0], columns[0] + len(columns)
                if columns == list(range(first, stop)):
                    return source if len(columns) == source.shape[0] else source[first:stop]
                return source[self.numpy.array(columns)]
            start, offset = {}, 0
            for array in sources:
                start[array] = offset
                offset += arrays[array].shape[0]
            whole = np.concatenate([arrays[array] for array in sources])
            return whole[self.numpy.array([start[array] + column for array, column in places])]

        def matrix(rows: list[Sequence[int]]) -> Any:
            return gather([i for ids in rows for i in ids]).reshape(len(rows), -1)

        for op, ids in self.groups:
            operands = [self.p.args[i] for i in ids]
            if op == "dot":
                parts = [split_dot(args) for args in operands]
                made = matrix([weights for weights, _, _ in parts]) @ gather(parts[0][1])
                if parts[0][2] is not None:
                    made = made + gather([bias for _, _, bias in parts if bias is not None])
            elif op == STOP:
                made = jax.lax.stop_gradient(gather([a for (a,) in operands]))
            elif OPS[op].arity is not None:
                made = operations[op](*(gather(column) for column in zip(*operands)))
            else:
                made = _many(np, jax, op, matrix(list(operands)))
            arrays.append(made)
        return gather(self.p.outputs)


def _many(np: Any, jax: Any, op: str, rows: Any) -> Any:
    """An operation of any number of operands, applied to each row."""
    if op in ("amax", "amin"):
        return _extreme(np, jax, np.max if op == "amax" else np.min, rows)
    functions: dict[str, Callable[..., Any]] = {
        "sum": np.sum, "mean": np.mean, "logsumexp": jax.scipy.special.logsumexp,
    }  # fmt: skip
    if op not in functions:
        raise ValueError(f"to_jax: the operation {op!r} has no counterpart in JAX")
    return functions[op](rows, axis=-1)


def _extreme(np: Any, jax: Any, function: Callable[..., Any], rows: Any) -> Any:
    """The largest or smallest of each row, with the rule of the table: JAX's own shares out nan where one is nan."""

    extreme = jax.custom_jvp(lambda rows: function(rows, axis=-1))

    @extreme.defjvp  # type: ignore[untyped-decorator]
    def jvp(operands: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
        y = extreme(*operands)
        tied = operands[0] == y[..., None]
        number = np.maximum(tied.sum(axis=-1), 1)
        return y, np.where(tied, tangents[0], 0.0).sum(axis=-1) / number

    found: Any = extreme(rows)
    return found
