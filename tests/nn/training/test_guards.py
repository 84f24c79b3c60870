"""What would silently learn nothing, or something else than was meant, is refused or warned about."""

from __future__ import annotations

import random
import warnings

import pytest

from engine import Value
from nn import (
    MLP,
    SGD,
    Module,
    NonFiniteError,
    binary_cross_entropy_with_logits,
    cross_entropy,
    fit,
    hinge,
    mean_squared_error,
)  # fmt: skip

rng = random.Random(2)
X = [[rng.gauss(0, 1), rng.gauss(0, 1)] for _ in range(20)]
SIGNS = [1.0 if a > 0 else -1.0 for a, _ in X]


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("backend", ["eager", "source", "auto"])
def test_a_loss_that_depends_on_no_parameter(backend):
    """A loss made of numbers taken out of the graph is refused: its gradient would be 0 for ever."""

    def lost(p, t):
        return Value(float(t) * 2.0) ** 2

    with pytest.raises(ValueError, match="the loss does not depend on any parameter: lost returned a number"):
        fit(MLP(2, [1]), X, SIGNS, loss=lost, epochs=1, backend=backend)


def test_logits_that_are_probabilities():
    """The loss of logits refuses what a sigmoid gives, and says what to pass; the logits themselves it takes."""
    model = MLP(2, [3, 1])
    with pytest.raises(ValueError, match=r"pass model\.logits\(x\)"):
        binary_cross_entropy_with_logits(model([0.5, 1.0]), 1.0)
    with pytest.raises(ValueError, match='output="linear"'):
        fit(model, [[0.5, 1.0]], [1.0], loss=lambda p, y: binary_cross_entropy_with_logits(p, y))
    assert binary_cross_entropy_with_logits(model.logits([0.5, 1.0]), 1.0).data > 0


def test_cross_entropy_of_probabilities():
    """softmax twice learns, but badly; so it is refused wherever the logits are seen to be probabilities."""
    model = MLP(2, [3], output="softmax")
    with pytest.raises(ValueError, match=r"cross_entropy takes logits, and got probabilities: pass model\.logits"):
        cross_entropy(model([1.0, 2.0]), 1)
    with pytest.raises(ValueError, match="got probabilities"):
        fit(model, X, [0] * 20, loss=lambda p, t: cross_entropy(p, t), epochs=1)
    assert cross_entropy(model.logits([1.0, 2.0]), 1).data > 0
    assert cross_entropy([Value(0.25), Value(0.75)], 1).data > 0  # leaves may be logits by chance


@pytest.mark.parametrize("loss", ["mse", "hinge", "own"])
def test_labels_of_minus_one_with_a_sigmoid(loss):
    """A sigmoid output never reaches -1: one warning names output="linear"; with that or tanh there is none."""
    losses = {"mse": mean_squared_error, "hinge": hinge, "own": lambda p, t: (p - t) ** 2}
    with pytest.warns(
        UserWarning, match=r'goes down to -1, and a sigmoid output never goes below 0: .*output="linear"'
    ):
        fit(MLP(2, [1]), X, SIGNS, loss=losses[loss], epochs=1)
    for output in ("linear", "tanh"):
        fit(MLP(2, [1], output=output), X, SIGNS, loss=losses[loss], epochs=1)


def test_unscaled_inputs():
    """One warning names the columns and standardize=True; none with it, and none for columns of like size."""
    wide = [[a, 1000 * b] for a, b in X]
    y = [int(a > 0) for a, _ in X]
    told = r"column 1 of X spreads over .* and column 0 over .*: pass standardize=True"
    with pytest.warns(UserWarning, match=told) as caught:
        fit(MLP(2, [1]), wide, y, epochs=1)
    assert [warning.filename for warning in caught] == [__file__]
    fit(MLP(2, [1]), wide, y, epochs=1, standardize=True)
    fit(MLP(2, [1]), X, y, epochs=1)
    fit(MLP(2, [1]), [[a, 5.0] for a, _ in X], y, epochs=1)  # a column that does not vary
    with pytest.warns(UserWarning, match=r"neurons of the first layer are saturated.*standardize=True"):
        fit(MLP(2, [3, 1], "tanh"), [[100 + a, 100 + b] for a, b in X], y, epochs=1)


@pytest.mark.parametrize("backend", ["eager", "source", "auto"])
@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        (lambda m, o: setattr(m.parameters()[0], "data", "abc"), TypeError, "after the callback of epoch 0.*'abc'"),
        (lambda m, o: setattr(m.parameters()[0], "data", None), TypeError, "after the callback of epoch 0.*None"),
        (lambda m, o: setattr(m.parameters()[0], "data", float("nan")), NonFiniteError, "epoch 1, batch 0, row 0 of X"),
        (lambda m, o: setattr(m, "layers", MLP(2, [1]).layers), ValueError, "has other parameters"),
        (lambda m, o: setattr(o, "params", list(o.params)), ValueError, "has other parameters"),
        (lambda m, o: setattr(o, "state", None), ValueError, "optimizer.state is not what it was made of"),
        (lambda m, o: o.state["step"].pop(), ValueError, r"state\['step'\] is not a list of a number for each"),
        (lambda m, o: o.state.update(momentum_buffer="x"), ValueError, r"state\['momentum_buffer'\] is not a list"),
        (lambda m, o: setattr(o, "lr", -1), ValueError, "lr must be finite and at least 0"),
    ],
)
def test_a_callback_that_breaks_model_or_optimiser(what, error, message, backend):
    """The error is the same on every backend, and names what is broken."""
    model = MLP(2, [1])
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.5)

    def callback(epoch, history):
        what(model, optimizer)

    y = [int(a > 0) for a, _ in X]
    with pytest.raises(error, match=message):
        fit(model, X, y, optimizer=optimizer, epochs=3, callback=callback, backend=backend)


def test_numbers_of_numpy():
    """np.True_ from a callback stops; NumPy's integers and floats are seeds and penalties; True is no penalty."""
    numpy = pytest.importorskip("numpy")
    y = [int(a > 0) for a, _ in X]
    history = fit(MLP(2, [1]), X, y, epochs=9, callback=lambda e, h: numpy.bool_(e == 2))
    assert (history.epochs, history.stopped) == (3, "callback")
    assert fit(MLP(2, [1]), X, y, epochs=3, callback=lambda e, h: numpy.array([1, 2])).stopped == "epochs"
    options = {"batch_size": 5, "epochs": 3}
    ours = fit(MLP(2, [1]), X, y, seed=4, l2=0.5, **options).loss
    for kind in (numpy.float32, numpy.float64):
        assert fit(MLP(2, [1]), X, y, seed=numpy.int64(4), l2=kind(0.5), **options).loss == ours
    assert fit(MLP(2, [1]), X, y, seed=4, l2=numpy.int32(1), epochs=1).epochs == 1
    for wrong in (True, numpy.True_, "1", None, 1j, float("inf")):
        with pytest.raises(ValueError, match="fit: l2 must be a finite number of at least 0"):
            fit(MLP(2, [1]), X, y, l2=wrong)


def test_rows_that_are_refused():
    """Complex numbers are not cast, lists nested without end are shown short."""
    numpy = pytest.importorskip("numpy")
    y = [0] * 20
    for wrong in (numpy.array(X) + 0j, [[1j, 2]] * 20, numpy.array([[1j, 2]] * 20, dtype=object)):
        with pytest.raises(TypeError, match=r"X\[0\]\[0\] \(row 0, column 0\) is .* \(complex\): it must be a number"):
            fit(MLP(2, [1]), wrong, y)
    nested = []
    for _ in range(100_000):
        nested = [nested]
    for rows in (nested, [[nested, 1.0]], [nested]):
        with pytest.raises((TypeError, ValueError), match=r"X\[0\]"):
            fit(MLP(2, [1]), rows, [0])
    with pytest.raises(TypeError, match=r"y\[0\]"):
        fit(MLP(2, [1]), [[1, 2]], [nested])


def test_only_a_history_is_continued():
    """What is no history, such as the losses of one, is named before anything is trained."""
    model = MLP(2, [1])
    before = [p.data for p in model.parameters()]
    with pytest.raises(TypeError, match="fit: history must be that of an earlier training, got list"):
        fit(model, [[1, 2]], [1], history=[0.5])
    assert [p.data for p in model.parameters()] == before


def test_tensors_and_leaves_are_rows():
    """Tensors of PyTorch, and leaf Values as micrograd's users write them; a computed Value is no data."""
    torch = pytest.importorskip("torch")
    y = [int(a > 0) for a, _ in X]
    expected = fit(MLP(2, [1]), X, y, epochs=2).loss
    tensor = torch.tensor(X, dtype=torch.float64)
    for rows in (tensor, tensor.clone().requires_grad_(), list(tensor), [[Value(a), Value(b)] for a, b in X]):
        assert fit(MLP(2, [1]), rows, torch.tensor(y), epochs=2).loss == expected
    with pytest.raises(TypeError, match=r"X\[0\]\[0\] \(row 0, column 0\) is a Value computed by mul"):
        fit(MLP(2, [1]), [[Value(1.0) * 2, 1.0]], [0])


class Same(Module):
    """A number for every row."""

    def __init__(self):
        self.a = Value(1.0)

    def __call__(self, x):
        return self.a


def test_a_module_that_ignores_its_input_still_trains():
    """Depending on a parameter is enough; the mean is learnt."""
    model = Same()
    fit(model, [[1], [2]], [3, 5], loss=mean_squared_error, optimizer=SGD(model.parameters(), lr=0.4), epochs=60)
    assert model.a.data == pytest.approx(4)
