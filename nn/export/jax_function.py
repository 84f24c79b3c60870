"""to_jax: a network as a function of parameters and rows on jax.numpy, to train on with JAX."""

from __future__ import annotations

from engine import OPS
from engine.jax_operations import import_jax, jax_operations

from .network import Network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from nn.layers import MLP


def to_jax(model: MLP) -> Callable[..., Any]:
    """The model as a function ``f(parameters, rows)`` on jax.numpy.

    ``f.parameters`` are the model's numbers: a list with {"W": ..., "b": ...} for each layer, W with a row for each
    neuron, as double-precision arrays of NumPy. Call it with these, or with what your training makes of them. ``rows``
    is one row of inputs or an array of rows; the result is the model's output: one number a row, or as many as it has
    outputs. ``f.logits(parameters, rows)`` stops before the last sigmoid, tanh or softmax. jax.grad, jit, vmap and
    sharding work on both.

    JAX computes in single precision unless it is told otherwise: ``jax.config.update("jax_enable_x64", True)`` at the
    start keeps every digit. A standardisation is part of the function, and not of its parameters.

    >>> import jax
    >>> from nn import MLP, to_jax
    >>> f = to_jax(MLP(2, [3, 1], activation="tanh"))
    >>> probability = jax.jit(f)(f.parameters, [[0.5, -1.0], [2.0, 0.0]])
    >>> slopes = jax.grad(lambda p: f(p, [0.5, -1.0]))(f.parameters)
    >>> probability.shape, slopes[0]["W"].shape
    ((2,), (3, 2))

    Raises ImportError where JAX is not installed, TypeError for what is not an MLP.
    """
    jax = import_jax("to_jax")
    import numpy

    np = jax.numpy
    network = Network(model, "to_jax")
    operations = jax_operations()
    steps = [
        None if name == "linear" else (operations[name], OPS[name].defaults) for _, _, name in network.layers
    ]  # fmt: skip
    mean, scale = (None if x is None else numpy.array(x) for x in (network.mean, network.scale))

    def weighted_inputs(parameters: Any, rows: Any) -> Any:
        a = np.asarray(rows)
        if mean is not None:
            a = (a - mean) / scale
        for k, (layer, step) in enumerate(zip(parameters, steps, strict=True), 1):
            z = a @ layer["W"].T + layer["b"]
            if k < len(steps) and step is not None:
                function, defaults = step
                a = function(z, *defaults)
            else:
                a = z
        return a

    def one_or_all(a: Any) -> Any:
        return a[..., 0] if network.outputs == 1 else a

    def logits(parameters: Any, rows: Any) -> Any:
        return one_or_all(weighted_inputs(parameters, rows))

    def f(parameters: Any, rows: Any) -> Any:
        z = weighted_inputs(parameters, rows)
        if network.softmax:
            z = np.exp(z - jax.scipy.special.logsumexp(z, axis=-1, keepdims=True))
        elif steps[-1] is not None:
            function, defaults = steps[-1]
            z = function(z, *defaults)
        return one_or_all(z)

    f.__doc__ = f"{network.name} as a function of parameters and rows."
    found: Any = f
    found.logits = logits
    found.parameters = [
        {"W": numpy.array(weights), "b": numpy.array(biases)} for weights, biases, _ in network.layers
    ]  # fmt: skip
    function: Callable[..., Any] = found
    return function
