"""Neural networks on the scalar engine: neurons, layers, networks, losses, optimisers, training, model files.

>>> from nn import MLP, SGD, fit
>>> model = MLP(2, [4, 1], seed=1)
>>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
>>> history = fit(model, X, y, optimizer=SGD(model.parameters(), lr=5.0), epochs=1000, backend="eager")
>>> model.predict(X)
[0, 1, 1, 0]
"""

from __future__ import annotations

from . import metrics, schedules
from .checkpoint import checkpoint, resume
from .layers import MLP, Layer, Neuron
from .losses import binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy, hinge, mean_squared_error
from .module import Module
from .optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from .other_names import IN_NN
from .propagation import bprop, fprop
from .saving import load, save
from .training import History, NonFiniteError, fit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .export import from_torch, to_c, to_jax, to_numpy, to_onnx, to_torch

__all__ = [
    "Adagrad", "Adam", "AdamW", "History", "Layer", "MLP", "Module", "Neuron", "NonFiniteError", "Optimizer",
    "RMSprop", "SGD", "binary_cross_entropy", "binary_cross_entropy_with_logits", "bprop", "checkpoint",
    "cross_entropy", "fit", "fprop", "from_torch", "hinge", "load", "mean_squared_error", "metrics", "resume", "save",
    "schedules", "to_c", "to_jax", "to_numpy", "to_onnx", "to_torch",
]  # fmt: skip

_EXPORTS = ("from_torch", "to_c", "to_jax", "to_numpy", "to_onnx", "to_torch")

if not TYPE_CHECKING:

    def __getattr__(name):
        if name in _EXPORTS:  # the way out is loaded when it is first taken
            from . import export

            return getattr(export, name)
        if name in IN_NN:
            raise AttributeError(f"nn has no {name}: {IN_NN[name]}")
        raise AttributeError(f"module 'nn' has no attribute {name!r}")
