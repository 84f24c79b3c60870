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

from functools import cache
from itertools import chain
from operator import mul
from random import Random

from engine import Value, collector_paused, dot, logsumexp
from engine.collector import count_as_old
from engine.operands import shortened
from engine.other_names import Elsewhere
from engine.rows import is_row, read_rows
from engine.weighted import dots, named_leaves, traced_dots, uniform

from .activations import apply, checked_activation, initial_bound, one_of
from .data import checked_seed, positive_int
from .module import Module
from .other_names import IN_NEURONS
from .prediction import accuracy, predictions, probabilities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

# What the last layer gives, and the activation that its neurons then have.
OUTPUTS = {"sigmoid": "sigmoid", "softmax": "linear", "linear": "linear", "tanh": "tanh"}
_MANY = 10_000  # weights


class Neuron(Module):
    """One neuron: ``neuron(x)`` is f(w·x + b).

    nin         number of inputs
    activation  f, by name: see ``activation_names``
    seed        of the initial weights; or a random.Random, from which they are then drawn. None: other weights each
                time, so that several neurons made one by one are not all the same
    fan_out     number of neurons in its layer, for the initial weights
    name        what the labels of weights, bias, z and a begin with

    weights, bias   leaf Values; weights[j] goes with input j
    """

    def __init__(
        self,
        nin: int,
        activation: str = "sigmoid",
        seed: int | Random | None = None,
        *,
        fan_out: int = 1,
        name: str = "",
        _numbers: Sequence[float] | None = None,
    ) -> None:
        self.nin = positive_int("nin", nin)
        self.activation = checked_activation(activation)
        prefix = name + "." if name else ""
        if _numbers is None:
            _numbers = _initial_weights(checked_seed("seed", seed), activation, nin, fan_out, nin)
        self.weights = named_leaves(_numbers, _weight_names(nin), prefix)
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
        a = apply(self.activation, z)
        a.label = self._a_label
        return a

    def named_parameters(self) -> list[tuple[str, Value]]:
        """The weights "w1", "w2", ... and the bias "b"."""
        return [*zip(_weight_names(self.nin), self.weights), ("b", self.bias)]

    def parameters(self) -> list[Value]:
        """The weights and the bias."""
        return [*self.weights, self.bias]

    def regularised(self) -> list[Value]:
        """The weights; a bias only shifts, and is left alone."""
        return list(self.weights)

    def __repr__(self) -> str:
        return f"Neuron({self.nin}, activation={self.activation!r})"


if not TYPE_CHECKING:  # a type checker says that there is no such attribute
    for _name, _ours in IN_NEURONS.items():
        setattr(Neuron, _name, Elsewhere(f"Neuron has no {_name!r}: {_ours}"))


class Layer(Module):
    """Neurons side by side: ``layer(x)`` is the list of their activations.

    nin, nout   number of inputs, number of neurons; the rest as in Neuron
    """

    def __init__(
        self, nin: int, nout: int, activation: str = "sigmoid", seed: int | Random | None = None, *, name: str = ""
    ) -> None:
        rng, prefix = checked_seed("seed", seed), name + "." if name else ""
        self.nin, self.nout = positive_int("nin", nin), positive_int("nout", nout)
        self.activation = checked_activation(activation)
        numbers = _initial_weights(rng, activation, nin, nout, nin * nout)  # at once, for speed
        self.neurons = [
            Neuron(nin, activation, name=f"{prefix}neuron{k + 1}", _numbers=numbers[k * nin : (k + 1) * nin])
            for k in range(nout)
        ]

    @property
    def W(self) -> list[list[float]]:
        """The weights as the lecture's matrix, a row for each neuron: a copy. Set it to rows or an array of that shape.

        ``layer.W[0][1] = 5.0`` changes the copy alone; ``layer.neurons[0].weights[1].data = 5.0`` changes the weight.
        """
        return [[w.data for w in neuron.weights] for neuron in self.neurons]

    @W.setter
    def W(self, rows: object) -> None:
        W = read_rows(rows, self.nin, "W")
        if len(W) != self.nout:
            raise ValueError(f"W has {len(W)} rows, and {self!r} has {self.nout} neurons: give a row for each")
        for neuron, row in zip(self.neurons, W):
            for w, data in zip(neuron.weights, row):
                w.data = data

    @property
    def b(self) -> list[float]:
        """The biases, one for each neuron: a copy. Set it to a list or an array of that length."""
        return [neuron.bias.data for neuron in self.neurons]

    @b.setter
    def b(self, numbers: object) -> None:
        b = read_rows([numbers], self.nout, "b")[0]
        for neuron, data in zip(self.neurons, b):
            neuron.bias.data = data

    def weighted_inputs(self, x: Sequence[Value], numbers: bool = True) -> list[Value]:
        """The weighted inputs z of all neurons; without their numbers where the graph is only to be lowered."""
        weights, biases = [neuron.weights for neuron in self.neurons], [neuron.bias for neuron in self.neurons]
        labels = [neuron._z_label for neuron in self.neurons]
        return dots(weights, x, biases, labels) if numbers else traced_dots(weights, x, biases, labels)

    def __call__(self, x: Iterable[object]) -> list[Value]:
        return self._activations(as_values(x, self.nin, repr(self)))

    def _activations(self, x: Sequence[Value], numbers: bool = True) -> list[Value]:
        return [neuron._activated(z) for neuron, z in zip(self.neurons, self.weighted_inputs(x, numbers))]

    def named_parameters(self) -> list[tuple[str, Value]]:
        """The parameters of each neuron in turn: "neuron1.w1", ..., "neuron1.b", "neuron2.w1", ..."""
        return _prefixed("neuron", self.neurons)

    def parameters(self) -> list[Value]:
        """The parameters of each neuron in turn."""
        return list(chain.from_iterable(self._groups()))

    def _groups(self) -> Iterator[tuple[Value, ...]]:
        """The parameters in groups, which need not be copied."""
        for neuron in self.neurons:
            yield neuron.weights
            yield (neuron.bias,)

    def regularised(self) -> list[Value]:
        """The weights of all neurons."""
        return [w for neuron in self.neurons for w in neuron.weights]

    def __repr__(self) -> str:
        return f"Layer({self.nin}, {self.nout}, activation={self.activation!r})"


class MLP(Module):
    """A multi-layer perceptron: every neuron of a layer receives all activations of the layer before.

    nin         number of inputs
    sizes       number of neurons of each layer, the output layer last
    activation  of the hidden layers, by name: see ``activation_names``
    output      what the last layer gives: "sigmoid", the probability of each output being 1 (binary classification, or
                several labels that do not exclude each other); "softmax", the probabilities of classes that do;
                "linear", any number (regression, or a margin for the hinge loss); "tanh", a number in [-1, 1], whose
                sign is the class
    seed        of the initial weights: 0 unless you say otherwise, so that a program gives the same network each time;
                None draws others each time

    ``model(x)`` is a Value, or a list of Values where there are several outputs; ``model.logits(x)`` is the same before
    the last sigmoid, tanh or softmax. x is a sequence of nin numbers or Values; numbers become leaves labelled x1, x2,
    ...

    mean, scale     what ``fit(standardize=True)`` found, lists of nin numbers, or None: each input x becomes
                    (x - mean) / scale before the first layer
    extra           what the model file is to keep beside the model: anything that JSON can hold

    >>> model = MLP(2, [16, 16, 1], seed=0)
    >>> model
    MLP(2, 16, 16, 1)
    >>> len(model.parameters()), model.named_parameters()[0][0]
    (337, 'layer1.neuron1.w1')

    Raises ValueError or TypeError for sizes that are not positive integers and for unknown activations.
    """

    def __init__(
        self,
        nin: int,
        sizes: Sequence[int],
        activation: str = "sigmoid",
        output: str = "sigmoid",
        seed: int | Random | None = 0,
    ) -> None:
        if isinstance(sizes, int) or not hasattr(sizes, "__iter__"):
            listed = [sizes, activation] if isinstance(activation, int) else [sizes]
            raise TypeError(f"MLP: sizes must be a list, the output layer last, got {sizes!r}: write {listed!r}")
        self.nin = positive_int("nin", nin)
        self.sizes = tuple(positive_int(f"sizes[{k}]", size) for k, size in enumerate(sizes))
        self.activation = checked_activation(activation)
        self.output = one_of("output", output, tuple(OUTPUTS))
        if not self.sizes:
            raise ValueError("MLP: sizes is empty: give at least the size of the output layer")
        if output == "softmax" and self.sizes[-1] < 2:
            raise ValueError('MLP: softmax needs at least 2 outputs, one a class; for two classes use output="sigmoid"')
        self.mean: list[float] | None = None
        self.scale: list[float] | None = None
        self.extra: Any = None
        self._kernels: dict[str, Any] = {}  # what prediction.py keeps; no part of a copy or a pickle
        rng, activations = checked_seed("seed", seed), [activation] * (len(self.sizes) - 1) + [OUTPUTS[output]]
        with collector_paused():
            self.layers = [
                Layer(fan_in, fan_out, f, rng, name=f"layer{k}")
                for k, (fan_in, fan_out, f) in enumerate(zip((self.nin, *self.sizes), self.sizes, activations), 1)
            ]
            if sum(map(mul, (self.nin, *self.sizes), self.sizes)) > _MANY:
                count_as_old()

    def logits(self, x: Iterable[object]) -> Value | list[Value]:
        """The weighted inputs of the last layer: what the last sigmoid, tanh or softmax is applied to."""
        return one_or_all(self._logits(self._standardized(as_values(x, self.nin, repr(self)))))

    def __call__(self, x: Iterable[object]) -> Value | list[Value]:
        return one_or_all(self._outputs(self._logits(self._standardized(as_values(x, self.nin, repr(self))))))

    def _standardized(self, x: list[Value]) -> list[Value]:
        if self.mean is None or self.scale is None:
            return x
        standardized = [(v - m) / s for v, m, s in zip(x, self.mean, self.scale)]
        for v, before in zip(standardized, x):
            v.label = f"{before.label} standardized" if before.label else ""
        return standardized

    def _logits(self, a: list[Value], numbers: bool = True) -> list[Value]:
        *hidden, last = self.layers
        for layer in hidden:
            a = layer._activations(a, numbers)
        return last.weighted_inputs(a, numbers)

    def _outputs(self, z: list[Value]) -> list[Value]:
        if self.output == "softmax":
            total = logsumexp(z)
            return [(z_k - total).exp() for z_k in z]
        return [neuron._activated(z_k) for neuron, z_k in zip(self.layers[-1].neurons, z)]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kernels": {}}

    def named_parameters(self) -> list[tuple[str, Value]]:
        """The parameters of each layer in turn, counted from 1: "layer1.neuron1.w1", ..., "layer2.neuron1.b", ..."""
        return _prefixed("layer", self.layers)

    def parameters(self) -> list[Value]:
        """The parameters of each layer in turn."""
        found: list[Value] = []
        for group in self._groups():  # in half the time of a chain
            found += group
        return found

    def _groups(self) -> list[tuple[Value, ...]]:
        return [group for layer in self.layers for group in layer._groups()]

    def regularised(self) -> list[Value]:
        """The weights of all layers."""
        return [w for layer in self.layers for w in layer.regularised()]

    # What follows needs no graph of Values: see prediction.py.

    def predict_proba(self, X: object) -> list[float] | list[list[float]]:
        """The probability for each row of X; a list of probabilities a row where there are several outputs.

        Raises ValueError where the output is no probability, and for rows that ``fit`` would not take.
        """
        return probabilities(self, X)

    def predict(self, X: object) -> list[int] | list[float] | list[list[int]] | list[list[float]]:
        """The prediction for each row of X.

        Sigmoid: 1 where the probability is at least one half, else 0 (a list of these where there are several outputs).
        Softmax: the index of the most probable class, the first of equals. Tanh: 1 where the output is at least 0, else
        -1. Linear: the output itself.
        """
        return predictions(self, X)

    def accuracy(self, X: object, y: object) -> float:
        """The share of rows that are predicted right; with several sigmoid outputs, the share of right outputs.

        A soft label counts as the class it is nearest to. Raises ValueError where the output is linear.
        """
        return accuracy(self, X, y)

    def __repr__(self) -> str:
        text = ", ".join(map(str, (self.nin, *self.sizes)))
        for name in ("activation", "output"):
            if getattr(self, name) != "sigmoid":
                text += f", {name}={getattr(self, name)!r}"
        return f"MLP({text})"


def _initial_weights(rng: Random, activation: str, fan_in: int, fan_out: int, n: int) -> Sequence[float]:
    bound = initial_bound(activation, fan_in, fan_out)
    return uniform(rng, -bound, bound + bound, n)


@cache
def _weight_names(nin: int) -> tuple[str, ...]:
    return tuple([f"w{j}" for j in range(1, nin + 1)])


def as_values(x: Any, nin: int, who: str) -> list[Value]:
    """x as a list of nin Values; numbers become leaves labelled x1, x2, ... A column vector is a row standing up."""
    if isinstance(x, (dict, set)) or not is_row(x):
        raise TypeError(f"{who} takes a sequence of {nin} numbers or Values, got {shortened(x)} ({type(x).__name__})")
    values = list(x.tolist() if hasattr(x, "tolist") else x)  # of an array or a tensor: its numbers
    if values and is_row(values[0]) and not isinstance(values[0], (dict, set)):
        if len(values) != nin or any(not is_row(v) or len(v) != 1 for v in values):
            raise TypeError(
                f"{who} takes one row of {nin} numbers, got {len(values)} rows: call it for one row at a time, or use "
                "predict(X)"
            )
        values = [v[0] for v in values]
    if len(values) != nin:
        raise ValueError(f"{who} takes {nin} inputs, got {len(values)}")
    return [v if v.__class__ is Value else Value(v, f"x{j}") for j, v in enumerate(values, 1)]


def one_or_all(values: list[Value]) -> Value | list[Value]:
    """The value, where there is one."""
    return values[0] if len(values) == 1 else values


def _prefixed(prefix: str, modules: Sequence[Module]) -> list[tuple[str, Value]]:
    return [
        (f"{prefix}{k}.{name}", parameter)
        for k, module in enumerate(modules, 1)
        for name, parameter in module.named_parameters()
    ]
