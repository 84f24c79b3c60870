"""Every operation that PyTorch has too, on the samples that PyTorch tests its own with (OpInfo)."""

from __future__ import annotations

import math

import pytest

import engine
from engine import OPS, Value, grad

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")  # which PyTorch's own tests need

pytestmark = pytest.mark.long

F = torch.nn.functional

# Names there, where they differ.
THERE = {
    "logsigmoid": "nn.functional.logsigmoid", "softplus": "nn.functional.softplus", "relu": "nn.functional.relu",
    "leaky_relu": "nn.functional.leaky_relu", "elu": "nn.functional.elu", "silu": "nn.functional.silu",
    "gelu": "nn.functional.gelu", "clip": "clamp", "bce": "nn.functional.binary_cross_entropy",
    "bce_with_logits": "nn.functional.binary_cross_entropy_with_logits", "mod": "remainder", "erfc": "erfc",
}  # fmt: skip
# cbrt is not there.
SHARED = [
    name for name, op in OPS.items() if op.arity and name not in ("cbrt", "sigmoid_slope", "tanh_slope", "hypot_slope")
]
# Arguments that are given by keyword there.
KEYWORDS = {"leaky_relu": ("negative_slope",), "elu": ("alpha",), "clip": ("min", "max")}
# Called by ourselves: without reductions and weights, and with the condition first.
CALLS = {
    "where": lambda condition, a, b: torch.where(condition != 0, a, b),
    "bce": lambda a, b: F.binary_cross_entropy(a, b, reduction="none"),
    "bce_with_logits": lambda a, b: F.binary_cross_entropy_with_logits(a, b, reduction="none"),
    "gelu": lambda a: F.gelu(a),
    "softplus": lambda a: F.softplus(a, threshold=1e300),
    "leaky_relu": lambda a, b: torch.where(a > 0, a, a * b),
    "elu": lambda a, b: torch.where(a > 0, a, b * torch.expm1(a)),
}


@pytest.fixture(scope="module")
def infos():
    """PyTorch's descriptions of its operations, by name."""
    from torch.testing._internal.common_methods_invocations import op_db

    return {info.name: info for info in op_db if info.variant_test_name in ("", "no_rounding_mode")}  # the latter: div


def samples(info, name):
    """Operands, all of one shape, one list a sample; those with options that we have not are left out."""
    for sample in info.sample_inputs("cpu", torch.float64, requires_grad=False):
        operands, options = [sample.input, *sample.args], dict(sample.kwargs)
        if name == "where":
            operands = [operands[1].double(), operands[0], operands[2]]
        if name in CALLS and name in ("bce", "bce_with_logits", "softplus", "gelu"):
            operands, options = operands[: OPS[name].arity], {}
        operands += [options.pop(key) for key in KEYWORDS.get(name, ()) if options.get(key) is not None]
        operands += (
            list(OPS[name].defaults)[len(operands) - OPS[name].arity :] if len(operands) < OPS[name].arity else []
        )
        if options or len(operands) != OPS[name].arity or any(x is None for x in operands):
            continue
        tensors = [torch.as_tensor(x) for x in operands]
        if not any(t.is_complex() or not t.numel() for t in tensors):
            yield torch.broadcast_tensors(*(t.double() for t in tensors))


def agree(actual, expected):
    if math.isnan(expected) or math.isinf(expected):
        return actual == expected or (math.isnan(actual) and math.isnan(expected))
    return abs(actual - expected) <= 1e-12 * abs(expected) + 1e-15


@pytest.mark.parametrize("name", SHARED)
def test_an_operation_agrees_on_pytorchs_own_samples(infos, name):
    """Value and derivatives agree with PyTorch's at the points at which PyTorch tests the operation."""
    info = infos[THERE.get(name, name)]
    function = CALLS.get(name) or info.op
    compared = 0
    for operands in samples(info, name):
        columns = [t.reshape(-1)[:40].clone().requires_grad_() for t in operands]
        result = function(*columns)
        there = [None] * len(columns)
        if result.requires_grad:
            there = torch.autograd.grad(result.sum(), columns, allow_unused=True)
        for k, expected in enumerate(result.double().tolist()):
            values = [Value(c[k].item()) for c in columns]
            y = getattr(engine, name)(*values)
            assert agree(y.data, expected), [v.data for v in values]
            compared += 1
            for derivative, theirs in zip(grad(y, values), there):
                if theirs is not None:
                    assert agree(derivative, theirs[k].item()), [v.data for v in values]
    assert compared


@pytest.mark.parametrize("name", ["sum", "mean", "logsumexp", "amax", "amin"])
def test_a_reduction_agrees_on_pytorchs_own_samples(infos, name):
    """Reductions of the same numbers, all of a sample's in one list."""
    function = {"logsumexp": lambda v: torch.logsumexp(v, 0)}.get(name) or getattr(torch, name)
    compared = 0
    for sample in infos[name].sample_inputs("cpu", torch.float64, requires_grad=False):
        column = sample.input.reshape(-1)[:60].clone().requires_grad_()
        if not column.numel():
            continue
        result = function(column)
        result.backward()
        values = [Value(x) for x in column.tolist()]
        y = getattr(engine, name)(values)
        assert agree(y.data, result.item())
        assert all(map(agree, grad(y, values), column.grad.tolist()))
        compared += 1
    assert compared


def test_dot_agrees_on_pytorchs_own_samples(infos):
    """The weighted input of the same vectors."""
    for sample in infos["dot"].sample_inputs("cpu", torch.float64, requires_grad=False):
        a, b = sample.input.clone().requires_grad_(), sample.args[0].clone().requires_grad_()
        result = torch.dot(a, b)
        result.backward()
        w, x = [Value(v) for v in a.tolist()], [Value(v) for v in b.tolist()]
        y = engine.dot(w, x)
        assert agree(y.data, result.item())
        assert grad(y, [*w, *x]) == [*a.grad.tolist(), *b.grad.tolist()]
