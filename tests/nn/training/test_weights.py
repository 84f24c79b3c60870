"""Weights of rows and of classes: the same as repeating rows, and as PyTorch and scikit-learn weigh."""

from __future__ import annotations

import random

import pytest

from nn import MLP, SGD, fit

rng = random.Random(1)
X = [[rng.gauss(0, 1), rng.gauss(0, 1)] for _ in range(12)]
Y = [int(a > 0.3) for a, _ in X]


def trained(X, y, backend, output="sigmoid", size=1, **options):
    model = MLP(2, [3, size], "tanh", output, seed=2)
    history = fit(model, X, y, optimizer=SGD(model.parameters(), lr=0.5), epochs=6, backend=backend, **options)
    return history.loss, [p.data for p in model.parameters()]


@pytest.mark.parametrize("backend", ["eager", "source", "auto"])
def test_integer_weights_are_repeated_rows(backend):
    """In full batches a weight of k is the row k times, and 0 is no row: losses and parameters."""
    weights = [rng.randrange(4) for _ in X]
    repeated = [x for x, w in zip(X, weights) for _ in range(w)], [t for t, w in zip(Y, weights) for _ in range(w)]
    found, expected = trained(X, Y, backend, sample_weight=weights), trained(*repeated, backend)
    for a, b in zip(found, expected):
        assert a == pytest.approx(b, rel=1e-11, abs=1e-13)
    tripled = trained(X, Y, backend, sample_weight=[3 * w for w in weights])
    assert tripled[1] == pytest.approx(found[1], rel=1e-12, abs=1e-14)  # only their ratios count


@pytest.mark.parametrize("backend", ["eager", "auto"])
def test_weights_in_mini_batches_are_those_of_torch(backend):
    """Each batch's loss is Σ w loss / n, with weights of mean 1."""
    torch = pytest.importorskip("torch")
    weights = [rng.uniform(0, 2) for _ in X]
    mean = sum(weights) / len(weights)
    model = MLP(2, [1], seed=2)
    w = torch.tensor([model.layers[0].W[0]], dtype=torch.float64, requires_grad=True)
    b = torch.tensor(model.layers[0].b, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([w, b], lr=0.5)
    fit(model, X, Y, optimizer=SGD(model.parameters(), lr=0.5), epochs=5, batch_size=5, shuffle=False, backend=backend,
        sample_weight=weights)  # fmt: skip
    x, y, s = (torch.tensor(a, dtype=torch.float64) for a in (X, Y, weights))
    for _ in range(5):
        for k in range(0, 12, 5):
            z = torch.nn.functional.linear(x[k : k + 5], w, b)[:, 0]
            losses = torch.nn.functional.binary_cross_entropy_with_logits(z, y[k : k + 5], reduction="none")
            optimizer.zero_grad()
            (losses * s[k : k + 5] / mean).mean().backward()
            optimizer.step()
    assert [p.data for p in model.parameters()] == pytest.approx([*w[0].tolist(), *b.tolist()], rel=1e-11)


def test_class_weights():
    """A dictionary, and "balanced" as scikit-learn computes it, are weights of the rows of each class."""
    utils = pytest.importorskip("sklearn.utils.class_weight")
    for y, output, size in ((Y, "sigmoid", 1), ([k % 3 for k in range(12)], "softmax", 3)):
        given = {0: 0.5, 1: 3.0}
        by_hand = trained(X, y, "auto", output, size, sample_weight=[given.get(t, 1.0) for t in y])
        assert trained(X, y, "auto", output, size, class_weight=given) == by_hand
        balanced = utils.compute_sample_weight("balanced", y)
        both = [0.5 + k % 2 for k in range(12)]
        assert trained(X, y, "auto", output, size, class_weight="balanced", sample_weight=both)[0] == pytest.approx(
            trained(X, y, "auto", output, size, sample_weight=balanced * both)[0], rel=1e-12
        )
    signs = [2 * t - 1 for t in Y]
    assert trained(X, signs, "auto", "tanh", class_weight={-1: 0.5, 1: 3}) == trained(
        X, signs, "auto", "tanh", sample_weight=[0.5 if t < 0 else 3.0 for t in signs]
    )


def test_validation_and_accuracy_count_every_row_alike():
    """val_loss and accuracy do not know the weights."""
    model = MLP(2, [1], seed=0)
    history = fit(model, X, Y, optimizer=SGD(model.parameters(), lr=0.0), epochs=1, validation_data=(X, Y),
                  accuracy=True, sample_weight=[float(k == 0) for k in range(12)])  # fmt: skip
    assert history.val_loss == pytest.approx(fit(model, X, Y, epochs=1).loss, rel=1e-12)
    assert history.loss != pytest.approx(history.val_loss, rel=1e-3)
    assert history.accuracy == [pytest.approx(history.val_accuracy[0])]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"sample_weight": [1.0]}, ValueError, "sample_weight has 1 numbers and X has 12 rows"),
        ({"sample_weight": [-1.0] * 12}, ValueError, r"sample_weight\[0\] is -1.0: a weight must be at least 0"),
        ({"sample_weight": [0] * 12}, ValueError, "all weights are 0"),
        ({"sample_weight": "abc"}, TypeError, "sample_weight must be a list of numbers"),
        ({"sample_weight": ["a"] * 12}, TypeError, "'a'"),
        ({"sample_weight": [float("nan")] * 12}, ValueError, "nan"),
        ({"class_weight": {2: 1.0}}, ValueError, "class_weight has the label 2, and y has 0, 1"),
        (
            {"class_weight": [1, 2]},
            TypeError,
            'class_weight must be a dictionary from labels to numbers, or "balanced"',
        ),
        ({"class_weight": "even"}, TypeError, "\"balanced\", got 'even'"),
        ({"class_weight": {0: -1}}, ValueError, r"class_weight\[0\] is -1"),
    ],
)
def test_errors(options, error, message):
    """What is no weight is refused by name, before anything is trained."""
    with pytest.raises(error, match=message):
        trained(X, Y, "auto", **options)
