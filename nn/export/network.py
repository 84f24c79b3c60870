"""What the exports read of a model: its layers as numbers, and what its outputs are."""

from __future__ import annotations

import math

from engine import OPS
from engine.expressions import Call, Name, Node, Number
from nn.layers import MLP

TYPE_CHECKING = False
if TYPE_CHECKING:
    Rows = list[list[float]]


class Network:
    """A model, taken apart.

    layers   (weights, biases, activation) of each layer: weights as a row for each neuron; the activation by name, of
             the last layer too ("linear" before a softmax)
    softmax  whether the outputs are the softmax of the last layer
    mean, scale     the standardisation, which comes first; None without one

    Raises TypeError for what is not an MLP, ValueError for a parameter that is not finite.
    """

    def __init__(self, model: object, who: str) -> None:
        if not isinstance(model, MLP):
            raise TypeError(f"{who} takes an nn.MLP, got {type(model).__name__}")
        for name, parameter in model.named_parameters():
            if not math.isfinite(parameter.data):
                raise ValueError(f"{who}: {name} is {parameter.data}: only a finite model can be exported")
        self.name = repr(model)
        self.nin, self.outputs = model.nin, model.sizes[-1]
        self.softmax = model.output == "softmax"
        self.mean, self.scale = model.mean, model.scale
        self.layers: list[tuple[Rows, list[float], str]] = [
            ([[w.data for w in neuron.weights] for neuron in layer.neurons],
             [neuron.bias.data for neuron in layer.neurons], layer.activation)
            for layer in model.layers
        ]  # fmt: skip

    def activations(self) -> list[str]:
        """The activations used, each once, without "linear"."""
        return list(dict.fromkeys(f for _, _, f in self.layers if f != "linear"))


def applied(activation: str, name: str) -> Node:
    """The activation of a variable, as an expression."""
    if activation == "linear":
        return Name(name)
    return Call(activation, (Name(name), *map(Number, OPS[activation].defaults)))
