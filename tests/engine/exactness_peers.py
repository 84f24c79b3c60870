"""The operations of PyTorch and JAX, for the table of exactness.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from exact_numbers import arity

from engine import OPS

Rows = list[list[float]]


def _torch_functions() -> dict[str, Callable[..., Any]]:
    import torch
    from torch.nn import functional as F

    alike = {name: getattr(torch, name) for name in OPS if hasattr(torch, name) and OPS[name].arity}
    for name in ("where", "clip", "div", "mod", "softmax"):
        alike.pop(name, None)
    stacked = lambda f: lambda *v: f(torch.stack(v))  # noqa: E731
    return alike | {
        "div": torch.div, "pow": torch.pow, "cbrt": None, "atan2": torch.atan2, "sigmoid": torch.sigmoid,
        "logsigmoid": F.logsigmoid, "softplus": lambda a: F.softplus(a, threshold=1e300), "relu": torch.relu,
        "leaky_relu": lambda a, b: torch.where(a > 0, a, a * b),
        "elu": lambda a, b: torch.where(a > 0, a, b * torch.expm1(a)), "silu": F.silu, "gelu": F.gelu,
        "logsumexp": stacked(lambda v: torch.logsumexp(v, 0)), "sum": stacked(lambda v: v.sum(0)),
        "mean": stacked(lambda v: v.mean(0)),
        "amax": stacked(lambda v: v.amax(0)), "amin": stacked(lambda v: v.amin(0)),
        "where": lambda a, b, c: torch.where(a != 0, b, c), "clip": torch.clamp,
        "dot": lambda w, v, x, u, b: w * x + v * u + b,
        "bce_with_logits": lambda a, b: F.binary_cross_entropy_with_logits(a, b, reduction="none"),
        "mod": torch.remainder,
    }  # fmt: skip


def torch_rows(name: str, where: Sequence[Sequence[float]]) -> Rows | None:
    import torch

    function = _torch_functions().get(name)
    if function is None or not where:
        return None
    columns = [torch.tensor(c, dtype=torch.float64, requires_grad=True) for c in zip(*where)]
    try:
        y = function(*columns)
        zeros = torch.zeros_like(columns[0])
        first = torch.autograd.grad(y.sum(), columns, create_graph=True, allow_unused=True)
        first = [zeros if g is None else g for g in first]
        table = [y, *first]
        for g in first:
            second = (
                torch.autograd.grad(g.sum(), columns, retain_graph=True, allow_unused=True)
                if g.requires_grad
                else [None] * len(columns)
            )
            table += [zeros if h is None else h for h in second]
    except (RuntimeError, TypeError):
        return None
    return [list(row) for row in zip(*((t.detach() + 0).tolist() for t in table))]


def _jax_functions() -> dict[str, Callable[..., Any]]:
    import jax
    import jax.numpy as jnp
    from jax.scipy.special import erf, erfc, logsumexp

    renamed = {"neg": "negative", "add": "add", "sub": "subtract", "mul": "multiply", "div": "divide", "pow": "power"}
    alike = {name: getattr(jnp, renamed.get(name, name)) for name in OPS if hasattr(jnp, renamed.get(name, name))}
    nn = jax.nn
    stacked = lambda f: lambda *v: f(jnp.stack(v))  # noqa: E731
    return alike | {
        "erf": erf, "erfc": erfc, "sigmoid": nn.sigmoid, "logsigmoid": nn.log_sigmoid, "softplus": nn.softplus,
        "relu": nn.relu, "leaky_relu": nn.leaky_relu, "elu": nn.elu, "silu": nn.silu,
        "gelu": lambda a: nn.gelu(a, approximate=False), "logsumexp": stacked(logsumexp), "sum": stacked(jnp.sum),
        "mean": stacked(jnp.mean), "where": lambda a, b, c: jnp.where(a != 0, b, c),
        "amax": stacked(jnp.max), "amin": stacked(jnp.min), "clip": jnp.clip,
        "dot": lambda w, v, x, u, b: w * x + v * u + b,
    }  # fmt: skip


def jax_rows(name: str, where: Sequence[Sequence[float]]) -> Rows | None:
    import jax

    jax.config.update("jax_enable_x64", True)
    function = _jax_functions().get(name)
    if function is None or not where:
        return None
    n = arity(name)
    columns = [jax.numpy.array(c) for c in zip(*where)]
    every = tuple(range(n))
    try:
        y = jax.vmap(function)(*columns)
        first = jax.vmap(jax.grad(function, every))(*columns)
        second = jax.vmap(jax.hessian(function, every))(*columns)
    except TypeError:
        return None
    table = [y, *first, *(h for row in second for h in row)]
    return [list(map(float, row)) for row in zip(*(t.tolist() for t in table))]


def peers() -> dict[str, Callable[[str, Sequence[Sequence[float]]], Rows | None]]:
    from importlib.util import find_spec

    found = {"JAX": ("jax", jax_rows), "PyTorch": ("torch", torch_rows)}
    return {name: function for name, (module, function) in found.items() if find_spec(module)}
