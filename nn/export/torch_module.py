"""to_torch and from_torch: a network as a torch.nn.Sequential in double precision, and such a module as a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine import OPS
from engine.derived import Derived
from nn.activations import activation_names
from nn.layers import MLP

from .network import Network

if TYPE_CHECKING:
    from collections.abc import Callable

# Modules of torch.nn for activations that PyTorch has as such: the name and its arguments. Softplus without a
# threshold that would show: past 40, log(1 + exp(z)) is z in double precision.
_MODULES: dict[str, tuple[str, tuple[float, ...]]] = {
    "sigmoid": ("Sigmoid", ()), "tanh": ("Tanh", ()), "relu": ("ReLU", ()), "leaky_relu": ("LeakyReLU", (0.01,)),
    "elu": ("ELU", (1.0,)), "silu": ("SiLU", ()), "gelu": ("GELU", ()), "softplus": ("Softplus", (1.0, 40.0)),
    "logsigmoid": ("LogSigmoid", ()),
}  # fmt: skip


def to_torch(model: MLP) -> Any:
    """The model as a torch.nn.Sequential of Linear layers and activations, with parameters in double precision.

    It maps a tensor of rows to a tensor with a row of outputs for each, those of ``model(x)``; ``module[:-1]`` gives
    the logits where the output is a sigmoid, a tanh or a softmax. The parameters are copies, ready to be trained on.

    >>> from nn import MLP, from_torch, to_torch
    >>> module = to_torch(MLP(2, [3, 1], activation="tanh"))
    >>> module
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (1): Tanh()
      (2): Linear(in_features=3, out_features=1, bias=True)
      (3): Sigmoid()
    )
    >>> from_torch(module)
    MLP(2, 3, 1, activation='tanh')

    Raises ImportError where PyTorch is not installed, TypeError for what is not an MLP.
    """
    torch = _torch("to_torch")
    network = Network(model, "to_torch")
    modules = []
    if network.mean is not None and network.scale is not None:
        modules.append(_standardize(torch, network.mean, network.scale))
    for weights, biases, activation in network.layers:
        linear = torch.nn.Linear(len(weights[0]), len(biases), dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(weights, dtype=torch.float64))
            linear.bias.copy_(torch.tensor(biases, dtype=torch.float64))
        modules.append(linear)
        if activation in _MODULES:
            name, arguments = _MODULES[activation]
            modules.append(getattr(torch.nn, name)(*arguments))
        elif activation != "linear":
            modules.append(_elementwise(torch, activation))
    if network.softmax:
        modules.append(torch.nn.Softmax(dim=-1))
    return torch.nn.Sequential(*modules)


def from_torch(module: Any) -> MLP:
    """The network of a torch.nn.Sequential: Linear layers with activations between them, all hidden ones the same.

    A Sigmoid, Tanh or Softmax at the end becomes the output; without one the output is linear. What ``to_torch`` made
    is read back, parameter for parameter. Dropout and Identity do nothing to a trained network and are left out.

    Raises TypeError for what is not such a module, ValueError for a layer that has no counterpart here, by its place.
    """
    torch = _torch("from_torch")
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"from_torch takes a torch.nn.Sequential, got {type(module).__name__}")
    mean: list[float] | None = None
    scale: list[float] | None = None
    linears: list[Any] = []
    activations: list[str] = []  # one after each linear
    for place, part in _flat(torch, module, ""):
        if isinstance(part, torch.nn.Linear):
            linears.append(part)
            activations.append("linear")
        elif hasattr(part, "mean") and hasattr(part, "scale") and not linears:
            mean, scale = part.mean.tolist(), part.scale.tolist()
        else:
            name = _activation_of(torch, part, place)
            if not linears or activations[-1] != "linear":
                raise ValueError(f"from_torch: module {place} ({part}) is an activation without a Linear before it")
            activations[-1] = name
    if not linears:
        raise ValueError(f"from_torch: there is no Linear layer in {type(module).__name__}")
    for k, (before, after) in enumerate(zip(linears, linears[1:]), 1):
        if before.out_features != after.in_features:
            raise ValueError(f"from_torch: Linear {k} has {before.out_features} outputs and the next one takes "
                             f"{after.in_features} inputs")  # fmt: skip
    *hidden, last = activations
    if len(set(hidden)) > 1:
        raise ValueError(
            f"from_torch: the hidden layers have different activations ({', '.join(hidden)}), and an MLP has one"
        )
    if last not in ("linear", "sigmoid", "tanh", "softmax") or "softmax" in hidden:
        wrong = "a hidden layer" if "softmax" in hidden else "the last layer"
        raise ValueError(f"from_torch: {wrong} ends in {'softmax' if 'softmax' in hidden else last}: an MLP ends in a "
                         "sigmoid, a tanh, a softmax or a linear layer, and softmax comes nowhere else")  # fmt: skip
    sizes = [linear.out_features for linear in linears]
    model = MLP(linears[0].in_features, sizes, hidden[0] if hidden else "sigmoid", last)
    for layer, linear in zip(model.layers, linears):
        layer.W = linear.weight.detach().double().tolist()
        layer.b = [0.0] * layer.nout if linear.bias is None else linear.bias.detach().double().tolist()
    model.mean, model.scale = mean, scale
    return model


def _torch(who: str) -> Any:
    try:
        import torch
    except ImportError:
        raise ImportError(f"{who} needs PyTorch: pip install torch") from None
    return torch


def _flat(torch: Any, module: Any, place: str) -> list[tuple[str, Any]]:
    """The modules that do something, with their places, those inside a Sequential in its stead."""
    if isinstance(module, torch.nn.Sequential):
        return [found for name, part in module.named_children() for found in _flat(torch, part, f"{place}.{name}")]
    if isinstance(module, (torch.nn.Identity, torch.nn.Dropout)):
        return []
    return [(place.lstrip(".") or "0", module)]


def _activation_of(torch: Any, part: Any, place: str) -> str:
    if hasattr(part, "operation"):  # one of ours
        return str(part.operation)
    if isinstance(part, torch.nn.Softmax):
        if part.dim not in (-1, 1):
            raise ValueError(f"from_torch: module {place} is a softmax over dimension {part.dim}: it must be -1")
        return "softmax"
    for name, (kind, arguments) in _MODULES.items():
        if type(part) is getattr(torch.nn, kind):
            settings = {"LeakyReLU": ("negative_slope",), "ELU": ("alpha",)}.get(kind, ())
            found = tuple(getattr(part, setting) for setting in settings)
            exact = getattr(part, "approximate", "none") == "none" and getattr(part, "beta", 1) == 1
            if not exact or (settings and found != arguments):
                raise ValueError(f"from_torch: module {place} is {part}, whose settings no activation here has")
            return name
    raise ValueError(
        f"from_torch: module {place} is {part!s:.60}, which has no counterpart: Linear, {', '.join(_kinds())}, "
        "Softmax, Dropout and Identity have one"
    )


def _kinds() -> list[str]:
    return [kind for kind, _ in _MODULES.values()]


def _elementwise(torch: Any, name: str) -> Any:
    """An activation that torch.nn has no module for, as a module."""
    if name not in activation_names():
        raise ValueError(f"to_torch: there is no activation {name!r}")
    function, defaults = torch_operations(torch)[name], OPS[name].defaults

    class Elementwise(torch.nn.Module):  # type: ignore[misc]
        operation = name

        def forward(self, z: Any) -> Any:
            return function(z, *defaults)

        def extra_repr(self) -> str:
            return name

    return Elementwise()


def _standardize(torch: Any, mean: list[float], scale: list[float]) -> Any:
    class Standardize(torch.nn.Module):  # type: ignore[misc]
        """(x - mean) / scale."""

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.tensor(mean, dtype=torch.float64))
            self.register_buffer("scale", torch.tensor(scale, dtype=torch.float64))

        def forward(self, x: Any) -> Any:
            return (x - self.mean) / self.scale

    return Standardize()


def torch_operations(torch: Any) -> Derived:
    """The operations of the table as functions of tensors."""
    import operator

    def where(condition: Any, a: Any, b: Any) -> Any:
        like = next(x for x in (condition, a, b) if isinstance(x, torch.Tensor))
        a, b = (x if isinstance(x, torch.Tensor) else torch.full_like(like, x, dtype=torch.float64) for x in (a, b))
        return torch.where(torch.as_tensor(condition != 0), a, b)

    def on_tensors(function: Callable[..., Any]) -> Callable[..., Any]:
        def applied(*operands: Any) -> Any:
            return function(*(torch.as_tensor(x, dtype=torch.float64) for x in operands))

        return applied

    same = ("exp expm1 exp2 log log1p log2 log10 sqrt sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh "
            "atanh erf erfc hypot pow floor ceil round abs maximum minimum sigmoid")  # fmt: skip
    given: dict[str, Callable[..., Any]] = {name: on_tensors(getattr(torch, name)) for name in same.split()}
    given |= {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "neg": operator.neg,
              "div": on_tensors(torch.div), "mod": on_tensors(torch.remainder), "where": where,
              "cbrt": on_tensors(lambda a: torch.sign(a) * torch.abs(a) ** (1 / 3))}  # fmt: skip
    for name in ("gt", "ge", "lt", "le", "eq", "ne"):
        compare = getattr(torch, name)
        given[name] = on_tensors(lambda a, b, compare=compare: compare(a, b).double())
    return Derived(given, "to_torch")
