"""to_torch and from_torch: the same outputs and gradients in PyTorch, and the way back."""

from __future__ import annotations

import pytest
from conftest_export import every_model, model_of, outputs_of, rows

from nn import MLP, binary_cross_entropy_with_logits, from_torch, to_torch

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("model", every_model())
def test_outputs_are_those_of_the_model(model):
    """For every activation and output, with and without standardisation; and back again, parameter for parameter."""
    module = to_torch(model)
    expected = torch.tensor(outputs_of(model, rows()), dtype=torch.float64)
    torch.testing.assert_close(
        module(torch.tensor(rows(), dtype=torch.float64)), expected, rtol=1e-12, atol=1e-15, equal_nan=True
    )
    back = from_torch(module)
    assert repr(back) == repr(model)
    assert [p.data for p in back.parameters()] == [p.data for p in model.parameters()]
    assert (back.mean, back.scale) == (model.mean, model.scale)


@pytest.mark.parametrize("activation", ["sigmoid", "gelu", "softplus", "leaky_relu", "atan", "erf"])
def test_gradients_are_those_of_the_model(activation):
    """PyTorch's backward through the module gives the engine's gradients, for activations of ours too."""
    model = model_of(activation)
    module = to_torch(model)
    x, t = rows(1)[0], 1.0
    loss = binary_cross_entropy_with_logits(model.logits(x), t)
    loss.backward()
    logit = module[:-1](torch.tensor([x], dtype=torch.float64))
    torch.nn.functional.binary_cross_entropy_with_logits(logit, torch.ones_like(logit)).backward()
    found = []
    for linear in module:
        if isinstance(linear, torch.nn.Linear):
            for row, bias in zip(linear.weight.grad.tolist(), linear.bias.grad.tolist()):
                found += [*row, bias]
    assert found == pytest.approx([p.grad for p in model.parameters()], rel=1e-11, abs=1e-15)


def test_from_a_module_written_by_hand():
    """A Sequential in single precision, nested, with Dropout and without a bias, becomes a network of its numbers."""
    torch.manual_seed(0)
    inner = torch.nn.Sequential(
        torch.nn.Linear(3, 4, bias=False, dtype=torch.float32), torch.nn.ReLU(), torch.nn.Dropout(0.5)
    )
    module = torch.nn.Sequential(inner, torch.nn.Linear(4, 2, dtype=torch.float32), torch.nn.Softmax(dim=1)).eval()
    model = from_torch(module)
    assert repr(model) == "MLP(3, 4, 2, activation='relu', output='softmax')"
    expected = module(torch.tensor(rows(), dtype=torch.float32)).tolist()
    for found, row in zip(model.predict_proba(rows()), expected):
        assert found == pytest.approx(row, abs=1e-6)
    alone = from_torch(torch.nn.Linear(2, 1))
    assert isinstance(alone, MLP)
    assert alone.output == "linear"


L, nn = torch.nn.Linear, torch.nn


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.Sequential(L(2, 2), nn.BatchNorm1d(2)), r"module 1 is BatchNorm1d.*no counterpart"),
        (nn.Sequential(L(2, 2), nn.ReLU(), L(2, 2), nn.Tanh(), L(2, 1)), "different activations"),
        (nn.Sequential(L(2, 3), nn.ReLU(), L(4, 1)), "has 3 outputs and the next one takes 4"),
        (nn.Sequential(nn.ReLU(), L(2, 1)), "without a Linear before it"),
        (nn.Sequential(L(2, 2), nn.ReLU()), "the last layer ends in relu"),
        (nn.Sequential(L(2, 2), nn.Softmax(-1), L(2, 1)), "a hidden layer ends in softmax"),
        (nn.Sequential(L(2, 2), nn.LeakyReLU(0.2), L(2, 1)), "whose settings"),
        (nn.Sequential(L(2, 2), nn.GELU("tanh"), L(2, 1)), "whose settings"),
        (nn.Sequential(), "no Linear layer"),
        (nn.Sequential(L(2, 2), nn.Softmax(0)), "over dimension 0"),
    ],
)
def test_what_has_no_counterpart_is_refused(module, words):
    """The error names the place and what is there."""
    with pytest.raises(ValueError, match=words):
        from_torch(module)


def test_only_modules():
    """from_torch takes modules, to_torch networks."""
    with pytest.raises(TypeError, match=r"torch\.nn\.Sequential, got int"):
        from_torch(3)
    with pytest.raises(TypeError, match=r"an nn\.MLP, got int"):
        to_torch(3)
