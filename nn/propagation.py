"""fprop and bprop: the lecture's forward and backward propagation, layer by layer, on numbers.

No graph is built: what ``backward()`` finds by the chain rule, node by node, is written here as the lecture writes it.
The two agree, which is a good way to learn either.
"""

from __future__ import annotations

from engine import OPS, Value, grad
from engine.ieee import scalar
from engine.rows import read_rows

from .activations import apply
from .data import TARGET_KINDS, read_targets
from .layers import MLP, as_values
from .standardize import standardized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Cache:
    """What ``fprop`` keeps for ``bprop``; l counts the layers from 1, as the lecture does.

    z       z[l], the weighted inputs of layer l, a list of numbers, one a neuron; z[0] is None
    a       a[l], the activations of layer l; a[0] is x, standardised where the model does that
    """

    def __init__(self, a: list[list[float]], z: list[Any]) -> None:
        self.a, self.z = a, z

    def __repr__(self) -> str:
        return f"<Cache of z and a for {len(self.a) - 1} layers>"


class Gradients:
    """The derivatives of the loss J with respect to what each layer computes and has; l counts from 1.

    da, dz      da[l], dz[l]: with respect to the activations and the weighted inputs of layer l; da[0]: to x
    dW, db      dW[l], db[l]: with respect to its weights (a row for each neuron) and its biases
    """

    def __init__(self, layers: int) -> None:
        self.da: list[Any] = [None] * (layers + 1)
        self.dz: list[Any] = [None] * (layers + 1)
        self.dW: list[Any] = [None] * (layers + 1)
        self.db: list[Any] = [None] * (layers + 1)

    def __repr__(self) -> str:
        return f"<Gradients da, dz, dW, db for {len(self.da) - 1} layers>"


def fprop(model: MLP, x: object) -> Cache:
    """Forward propagation of one row x: z[l] = W[l] a[l-1] + b[l], a[l] = f(z[l]).

    >>> model = MLP(2, [3, 1], seed=0)
    >>> cache = fprop(model, [0.5, -1.0])
    >>> cache.a[2] == [model([0.5, -1.0]).data]
    True

    Raises TypeError and ValueError as ``model(x)`` does.
    """
    _check(model, "fprop")
    rows = read_rows([[v.data for v in as_values(x, model.nin, "fprop")]], model.nin, "x")
    if model.mean is not None and model.scale is not None:
        rows = standardized(rows, model.mean, model.scale)
    a: list[list[float]] = [rows[0]]
    z: list[Any] = [None]
    for layer in model.layers:
        z.append([scalar["dot"](w, a[-1], b) for w, b in zip(layer.W, layer.b)])
        a.append([_activation(layer.activation, z_k) for z_k in z[-1]])
    if model.output == "softmax":
        total = scalar["logsumexp"](z[-1])
        a[-1] = [scalar["exp"](z_k - total) for z_k in z[-1]]
    return Cache(a, z)


def bprop(model: MLP, cache: Cache, y: object) -> Gradients:
    """Backward propagation of the row of ``cache``, whose target is y.

    dz[l] = da[l] f'(z[l]),  dW[l] = dz[l] a[l-1]ᵀ,  db[l] = dz[l],  da[l-1] = W[l]ᵀ dz[l]

    It starts from the loss that ``fit`` minimises: -y/a + (1-y)/(1-a) for sigmoid outputs (of several outputs, the mean
    of their losses), 2 (a - y) for linear and tanh, and for softmax dz = a - y, where da is -y/a. For sigmoid too dz is
    a - y, which is the same and loses no digit where a is 0 or 1.

    >>> model = MLP(2, [3, 1], seed=0)
    >>> grads = bprop(model, fprop(model, [0.5, -1.0]), 1)
    >>> len(grads.dW[1]), len(grads.dW[1][0]), len(grads.da[0])
    (3, 2, 2)

    Raises TypeError and ValueError for a target that ``fit`` would not take, and for what fprop did not make of such
    a model.
    """
    _check(model, "bprop")
    if not isinstance(cache, Cache):
        raise TypeError(f"bprop takes what fprop returned, got {type(cache).__name__}")
    if (sizes := [len(a) for a in cache.a]) != [model.nin, *model.sizes]:
        raise ValueError(f"bprop: the cache is of a network of sizes {sizes}, and the model is {model!r}")
    last = len(model.layers)
    target = read_targets([y], 1, model.sizes[-1], TARGET_KINDS[model.output])[0]
    grads = Gradients(last)
    grads.da[last], grads.dz[last] = _at_the_output(model.output, cache.z[last], cache.a[last], target)
    for k in range(last, 0, -1):
        W, f = model.layers[k - 1].W, model.layers[k - 1].activation
        if k < last:
            grads.dz[k] = [da_i * _slope(f, z_i) for da_i, z_i in zip(grads.da[k], cache.z[k])]
        grads.dW[k] = [[dz_i * a_j for a_j in cache.a[k - 1]] for dz_i in grads.dz[k]]
        grads.db[k] = list(grads.dz[k])
        grads.da[k - 1] = [sum(w[j] * dz_i for w, dz_i in zip(W, grads.dz[k])) for j in range(len(W[0]))]
    return grads


def _at_the_output(output: str, z: list[float], a: list[float], y: list[float]) -> tuple[list[float], list[float]]:
    """(da, dz) of the last layer."""
    divide, n = scalar["div"], len(a)
    if output == "softmax":
        return [-divide(t, a_k) if t else 0.0 for a_k, t in zip(a, y)], [a_k - t for a_k, t in zip(a, y)]
    if output == "sigmoid":
        da = [((divide(1 - t, 1 - a_k) if t < 1 else 0.0) - (divide(t, a_k) if t else 0.0)) / n for a_k, t in zip(a, y)]
        return da, [(a_k - t) / n for a_k, t in zip(a, y)]
    da = [2 * (a_k - t) / n for a_k, t in zip(a, y)]
    return da, [da_k * _slope(output, z_k) for da_k, z_k in zip(da, z)]


def _activation(f: str, z: float) -> float:
    return z if f == "linear" else scalar[f](z, *OPS[f].defaults)


def _slope(f: str, z: float) -> float:
    """f'(z)."""
    if f == "linear":
        return 1.0
    leaf = Value(z)
    return grad(apply(f, leaf), [leaf])[0]


def _check(model: object, name: str) -> None:
    if not isinstance(model, MLP):
        raise TypeError(f"{name} takes an MLP, got {type(model).__name__}")
