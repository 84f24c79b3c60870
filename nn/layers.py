"""Neuron, Layer and MLP, the network of the lecture: z = w·a + b, a = f(z), layer by layer.

Weights start uniformly distributed in [-r, r], biases at 0. For sigmoid, tanh and other activations that are steepest
at 0, r = sqrt(6 / (inputs + outputs)) (Glorot and Bengio 2010, "Understanding the difficulty of training deep
feedforward neural networks", equation 16); for relu and its relatives, which pass about half of what they get,
r = sqrt(6 / inputs) (He et al. 2015, "Delving deep into rectifiers", equation 10, as the half-width of a uniform
distribution). Both keep the variance of activations and gradients about the same from layer to layer. Uniform numbers,
unlike normal ones, take no function of the C library that differs between machines: the same seed gives the same bits
everywhere.
"""

from __future__ import annotations

import math
import operator
from random import Random

from engine import OPS, Value, dot, logsumexp
from engine.ieee import scalar
from engine.rows import read_rows
from engine.value import dots

from .data import positive_int, read_targets
from .module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, TypeVar

    T = TypeVar("T")

_RECTIFIERS = ("relu", "leaky_relu", "elu", "silu", "gelu", "softplus")
ACTIVATIONS = ("sigmoid", "tanh", "linear", "atan", "erf", "sin", *_RECTIFIERS)
OUTPUTS = ("sigmoid", "softmax", "linear")


def initial_bound(activation: str, fan_in: int, fan_out: int) -> float:
    """The largest magnitude of an initial weight, by He for rectifiers and by Glorot for other activations."""
    return math.sqrt(6 / fan_in) if activation in _RECTIFIERS else math.sqrt(6 / (fan_in + fan_out))


class Neuron(Module):
    """One neuron: ``neuron(x)`` is f(w·x + b).

    nin         number of inputs
    activation  f, by name: one of ``ACTIVATIONS``
    seed        of the initial weights; or a random.Random, from which they are then drawn
    fan_out     number of neurons in its layer, for the initial weights
    name        what the labels of weights, bias, z and a begin with

    weights, bias   leaf Values; weights[j] goes with input j
    """

    def __init__(
        self, nin: int, activation: str = "sigmoid", seed: int | Random = 0, *, fan_out: int = 1, name: str = ""
    ) -> None:
        self.nin = positive_int("nin", nin)
        self.activation = _choice("activation", activation, ACTIVATIONS)
        rng, prefix = _generator(seed), name + "." if name else ""
        bound = initial_bound(activation, nin, fan_out)
        self.weights = tuple([Value(rng.uniform(-bound, bound), f"{prefix}w{j}") for j in range(1, nin + 1)])
        self.bias = Value(0.0, f"{prefix}b")
        self._z_label, self._a_label = f"{prefix}z", f"{prefix}a"

    def weighted_input(self, x: Sequence[Value]) -> Value:
        """The weighted input z = w·x + b."""
        z: Value = dot(self.weights, x, self.bias)
        z.label = self._z_label
        return z

    def __call__(self, x: Iterable[object]) -> Value:
        return self._activated(self.weighted_input(as_values(x, self.nin, repr(self))))

    def _activated(self, z: Value) -> Value:
        if self.activation == "linear":
            return z
        a: Value = getattr(z, self.activation)()
        a.label = self._a_label
        return a

    def named_parameters(self) -> list[tuple[str, Value]]:
        """The weights "w1", "w2", ... and the bias "b"."""
        return [*((f"w{j}", w) for j, w in enumerate(self.weights, 1)), ("b", self.bias)]

    def regularised(self) -> list[Value]:
        """The weights; a bias only shifts, and is left alone."""
        return list(self.weights)

    def __repr__(self) -> str:
        return f"Neuron({self.nin}, activation={self.activation!r})"


class Layer(Module):
    """Neurons side by side: ``layer(x)`` is the list of their activations.

    nin, nout   number of inputs, number of neurons; the rest as in Neuron
    """

    def __init__(
        self, nin: int, nout: int, activation: str = "sigmoid", seed: int | Random = 0, *, name: str = ""
    ) -> None:
        rng, prefix = _generator(seed), name + "." if name else ""
        self.nin, self.nout = positive_int("nin", nin), positive_int("nout", nout)
        self.activation = _choice("activation", activation, ACTIVATIONS)
        self.neurons = [
            Neuron(nin, activation, rng, fan_out=nout, name=f"{prefix}neuron{k}") for k in range(1, nout + 1)
        ]

    def weighted_inputs(self, x: Sequence[Value]) -> list[Value]:
        """The weighted inputs z of all neurons."""
        zs = dots([neuron.weights for neuron in self.neurons], x, [neuron.bias for neuron in self.neurons])
        for neuron, z in zip(self.neurons, zs):
            z.label = neuron._z_label
        return zs

    def __call__(self, x: Iterable[object]) -> list[Value]:
        return self._activations(as_values(x, self.nin, repr(self)))

    def _activations(self, x: Sequence[Value]) -> list[Value]:
        return [neuron._activated(z) for neuron, z in zip(self.neurons, self.weighted_inputs(x))]

    def named_parameters(self) -> list[tuple[str, Value]]:
        """The parameters of each neuron in turn: "neuron1.w1", ..., "neuron1.b", "neuron2.w1", ..."""
        return _prefixed("neuron", self.neurons)

    def regularised(self) -> list[Value]:
        """The weights of all neurons."""
        return [w for neuron in self.neurons for w in neuron.regularised()]

    def __repr__(self) -> str:
        return f"Layer({self.nin}, {self.nout}, activation={self.activation!r})"


class MLP(Module):
    """A multi-layer perceptron: every neuron of a layer receives all activations of the layer before.

    nin         number of inputs
    sizes       number of neurons of each layer, the output layer last
    activation  of the hidden layers, by name: one of ``ACTIVATIONS``
    output      what the last layer gives: "sigmoid", the probability of each output being 1 (binary classification, or
                several labels that do not exclude each other); "softmax", the probabilities of classes that do;
                "linear", any number (regression)
    seed        of the initial weights

    ``model(x)`` is a Value, or a list of Values where there are several outputs; ``model.logits(x)`` is the same before
    the last sigmoid or softmax. x is a sequence of nin numbers or Values; numbers become leaves labelled x1, x2, ...

    >>> model = MLP(2, [16, 16, 1], seed=0)
    >>> model
    MLP(2, 16, 16, 1)
    >>> len(model.parameters()), model.named_parameters()[0][0]
    (337, 'layer1.neuron1.w1')

    Raises ValueError or TypeError for sizes that are no positive integers and for unknown activations.
    """

    def __init__(
        self, nin: int, sizes: Sequence[int], activation: str = "sigmoid", output: str = "sigmoid", seed: int = 0
    ) -> None:
        if isinstance(sizes, int) or not hasattr(sizes, "__iter__"):
            raise TypeError(f"MLP: sizes must be a list, the output layer last, got {sizes!r}: write [{sizes!r}]")
        self.nin = positive_int("nin", nin)
        self.sizes = tuple(positive_int(f"sizes[{k}]", size) for k, size in enumerate(sizes))
        self.activation = _choice("activation", activation, ACTIVATIONS)
        self.output = _choice("output", output, OUTPUTS)
        if not self.sizes:
            raise ValueError("MLP: sizes is empty: give at least the size of the output layer")
        if output == "softmax" and self.sizes[-1] < 2:
            raise ValueError('MLP: softmax needs at least 2 outputs, one a class; for two classes use output="sigmoid"')
        rng = _generator(seed)
        self.layers = []
        for k, (fan_in, fan_out) in enumerate(zip((nin, *self.sizes), self.sizes), 1):
            last = "sigmoid" if output == "sigmoid" else "linear"
            self.layers.append(
                Layer(fan_in, fan_out, activation if k < len(self.sizes) else last, rng, name=f"layer{k}")
            )

    def logits(self, x: Iterable[object]) -> Value | list[Value]:
        """The weighted inputs of the last layer: what the last sigmoid or softmax is applied to."""
        z = self._logits(as_values(x, self.nin, repr(self)))
        return z[0] if len(z) == 1 else z

    def _logits(self, a: list[Value]) -> list[Value]:
        *hidden, last = self.layers
        for layer in hidden:
            a = layer._activations(a)
        return last.weighted_inputs(a)

    def __call__(self, x: Iterable[object]) -> Value | list[Value]:
        z = self._logits(as_values(x, self.nin, repr(self)))
        if self.output == "softmax":
            return _softmax(z)
        a = [neuron._activated(z_k) for neuron, z_k in zip(self.layers[-1].neurons, z)]
        return a[0] if len(a) == 1 else a

    def named_parameters(self) -> list[tuple[str, Value]]:
        """The parameters of each layer in turn, counted from 1: "layer1.neuron1.w1", ..., "layer2.neuron1.b", ..."""
        return _prefixed("layer", self.layers)

    def regularised(self) -> list[Value]:
        """The weights of all layers."""
        return [w for layer in self.layers for w in layer.regularised()]

    # Prediction needs no graph: the same arithmetic on floats, with the same scalar functions, gives the same bits.

    def predict_proba(self, X: object) -> list[float] | list[list[float]]:
        """The probability for each row of X; a list of probabilities a row where there are several outputs.

        Raises ValueError where the output is linear, and for rows that ``fit`` would not take.
        """
        if self.output == "linear":
            raise ValueError(f"{self!r} has a linear output, which is no probability: use predict")
        rows = []
        for z in self._logits_of_rows(X):
            if self.output == "softmax":
                total = scalar["logsumexp"](z)
                rows.append([scalar["exp"](z_k - total) for z_k in z])
            else:
                rows.append([scalar["sigmoid"](z_k) for z_k in z])
        return _unwrapped(rows)  # type: ignore[no-any-return]

    def predict(self, X: object) -> list[int] | list[float] | list[list[int]] | list[list[float]]:
        """The prediction for each row of X.

        Sigmoid: 1 where the probability is at least one half, else 0 (a list of these where there are several outputs).
        Softmax: the index of the most probable class, the first of equals. Linear: the output itself.
        """
        logits = self._logits_of_rows(X)
        if self.output == "softmax":
            return [z.index(max(z)) for z in logits]
        if self.output == "linear":
            return _unwrapped(logits)  # type: ignore[no-any-return]
        return _unwrapped([[int(z_k >= 0) for z_k in z] for z in logits])  # type: ignore[no-any-return]

    def accuracy(self, X: object, y: object) -> float:
        """The share of rows that are predicted right; with several sigmoid outputs, the share of right outputs.

        A soft label counts as the class it is nearest to. Raises ValueError where the output is linear.
        """
        if self.output == "linear":
            raise ValueError(f"{self!r} has a linear output, for which right and wrong mean nothing: look at the loss")
        logits = self._logits_of_rows(X)
        kind = "class" if self.output == "softmax" else "probability"
        targets = read_targets(y, len(logits), self.sizes[-1], kind)
        return sum(map(self._correct, logits, targets)) / len(logits)

    def _correct(self, z: list[float], target: list[float]) -> float:
        if self.output == "softmax":
            return float(target[z.index(max(z))] == max(target))
        return sum((z_k >= 0) == (t >= 0.5) for z_k, t in zip(z, target)) / len(z)

    def _logits_of_rows(self, X: object) -> list[list[float]]:
        weighted = scalar["dot"]
        layers = [
            (None if layer.activation == "linear" else _on_floats(layer.activation),
             [([w.data for w in neuron.weights], neuron.bias.data) for neuron in layer.neurons])
            for layer in self.layers
        ]  # fmt: skip
        rows = []
        for a in read_rows(X, self.nin):
            for function, neurons in layers[:-1]:
                a = [weighted(w, a, b) for w, b in neurons]
                if function:
                    a = [function(z) for z in a]
            rows.append([weighted(w, a, b) for w, b in layers[-1][1]])
        return rows

    def __repr__(self) -> str:
        text = ", ".join(map(str, (self.nin, *self.sizes)))
        for name in ("activation", "output"):
            if getattr(self, name) != "sigmoid":
                text += f", {name}={getattr(self, name)!r}"
        return f"MLP({text})"


def _softmax(z: list[Value]) -> list[Value]:
    total: Value = logsumexp(z)
    return [(z_k - total).exp() for z_k in z]


def _on_floats(activation: str) -> Callable[[float], float]:
    """The activation as a function of one float, with the defaults of its row for further arguments."""
    function, defaults = scalar[activation], OPS[activation].defaults
    return (lambda z: function(z, *defaults)) if defaults else function


def as_values(x: Iterable[object], nin: int, who: str) -> list[Value]:
    """x as a list of nin Values; numbers become leaves labelled x1, x2, ..."""
    if isinstance(x, (Value, str, bytes, dict, set)) or not hasattr(x, "__iter__"):
        raise TypeError(f"{who} takes a sequence of {nin} numbers or Values, got {x!r:.60} ({type(x).__name__})")
    values = list(x)
    if len(values) != nin:
        raise ValueError(f"{who} takes {nin} inputs, got {len(values)}")
    return [v if v.__class__ is Value else Value(v, f"x{j}") for j, v in enumerate(values, 1)]  # type: ignore[arg-type]


def _choice(name: str, value: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}")
    return value


def _generator(seed: int | Random) -> Random:
    if isinstance(seed, Random):
        return seed
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise TypeError(f"seed must be an integer or a random.Random, got {seed!r} ({type(seed).__name__})")
    return Random(operator.index(seed))


def _prefixed(prefix: str, modules: Sequence[Module]) -> list[tuple[str, Value]]:
    return [
        (f"{prefix}{k}.{name}", parameter)
        for k, module in enumerate(modules, 1)
        for name, parameter in module.named_parameters()
    ]


def _unwrapped(rows: list[list[T]]) -> Any:
    """The rows; where each holds one number, these numbers."""
    return [row[0] for row in rows] if rows and len(rows[0]) == 1 else rows
