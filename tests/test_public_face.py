"""The public face: the names that users import from each package, and how they behave together."""

from __future__ import annotations

import array
import builtins
import random

import pytest

import engine
import nn
import viz
from engine import (
    OPS,
    Value,
    first_nonfinite,
    grad,
    gradcheck,
    hessian,
    jacobian,
    log,
    lower,
    sigmoid,
    tanh,
    toposort,
)  # fmt: skip
from nn import (
    MLP,
    SGD,
    Adam,
    Layer,
    Neuron,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    fit,
    load,
    save,
)  # fmt: skip

OPERATIONS = """add sub mul div neg pow abs exp expm1 exp2 log log1p log2 log10 sqrt cbrt reciprocal sin cos tan asin
acos atan atan2 sinh cosh tanh asinh acosh atanh sigmoid logsigmoid softplus relu leaky_relu elu silu gelu erf maximum
minimum clip hypot logaddexp where sum mean dot logsumexp"""
X, Y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0.0, 1.0, 1.0, 0.0]


def test_every_operation_has_its_name():
    """The table has all operations, under their names, and engine exports each as a function."""
    assert set(OPERATIONS.split()) <= set(OPS)
    assert all(callable(getattr(engine, name)) for name in OPERATIONS.split())


def test_a_graph():
    """Build, look at, differentiate and check an expression."""
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    c = a * b + a.tanh()
    assert type(c.data) is float
    assert len(c.parents) == len(c.local_derivatives) == 2
    assert (c.op.name, c.op.symbol, a.op) == ("add", "+", None)
    assert tanh(a).data == a.tanh().data
    c.backward()
    assert (a.grad, b.grad) == (pytest.approx(-2.92934917514683), 2.0)
    c.zero_grad()
    assert [node.grad for node in toposort(c)] == [0.0] * 5
    assert grad(c, [a, b]) == [pytest.approx(-2.92934917514683), 2.0]
    assert all(isinstance(derivative, Value) for derivative in grad(c, [a, b], create_graph=True))
    assert jacobian([c, c * a], [a, b])[0] == grad(c, [a, b])
    assert hessian(c, [a, b])[1] == [1.0, 0.0]
    assert gradcheck(lambda a, b: a * b + a.tanh(), [2.0, -3.0], order=2).passed
    assert first_nonfinite(c) is None
    assert (a**b).data == 2.0**-3.0
    assert log(sigmoid(a)).data == pytest.approx(a.logsigmoid().data)
    assert len(toposort(c, a * 2)) == 7


def test_a_network(tmp_path):
    """Build, inspect, train, use, save and load a network."""
    model = MLP(2, [16, 16, 1], seed=0)
    assert repr(model) == "MLP(2, 16, 16, 1)"
    assert 0 < model([0.5, -1.0]).data < 1
    assert model.logits([0.5, -1.0]).sigmoid().data == model([0.5, -1.0]).data
    assert model.layers[0].neurons[3].weights[1] is dict(model.named_parameters())["layer1.neuron4.w2"]
    assert model.layers[0].neurons[3].bias.data == 0.0
    assert len(model.parameters()) == 337
    assert len(Layer(2, 3)([1.0, 2.0])) == 3
    assert isinstance(Neuron(2)([1.0, 2.0]), Value)
    loss, logits = binary_cross_entropy(model([0.5, -1.0]), 1.0), model.logits([0.5, -1.0])
    assert loss.data == pytest.approx(binary_cross_entropy_with_logits(logits, 1.0).data)
    start = sum(binary_cross_entropy(model(x), y).data for x, y in zip(X, Y)) / 4
    history = fit(model, X, Y, optimizer=SGD(model.parameters(), lr=2.0), epochs=1500)
    assert history.loss[0] == pytest.approx(start)
    assert history.loss[-1] < 0.01
    assert model.predict(X) == [0, 1, 1, 0]
    assert model.accuracy(X, Y) == 1.0
    save(model, tmp_path / "model.json")
    assert load(tmp_path / "model.json").predict_proba(X) == model.predict_proba(X)


@pytest.mark.parametrize("rows", [X, [array.array("d", row) for row in X], tuple(map(tuple, X))])
def test_rows_of_any_kind(rows):
    """Lists, tuples and arrays of numbers train alike."""
    models = [MLP(2, [3, 1], seed=1) for _ in range(2)]
    for model, data in zip(models, (X, rows)):
        fit(model, data, array.array("d", Y), optimizer=Adam(model.parameters()), epochs=3)
    assert models[0].predict_proba(X) == models[1].predict_proba(X)


@pytest.mark.parametrize("backend", ["auto", "source"])
def test_a_lowered_graph(backend):
    """lower gives the mean loss and gradient over rows, as the eager engine adds them up."""
    model, draw = MLP(2, [3, 1], seed=2), random.Random(0)
    x1, x2, y = Value(0.0, label="x1"), Value(0.0, label="x2"), Value(0.0, label="y")
    loss = binary_cross_entropy_with_logits(model.logits([x1, x2]), y)
    kernel = lower(loss, inputs=[x1, x2, y], wrt=model.parameters(), backend=backend)
    rows = [[draw.gauss(0, 1), draw.gauss(0, 1), float(draw.random() < 0.5)] for _ in range(50)]
    value, gradients = kernel(rows)
    eager = engine.mean([binary_cross_entropy_with_logits(model.logits(row[:2]), row[2]) for row in rows])
    assert value == pytest.approx(eager.data, rel=1e-12)
    assert gradients == pytest.approx(grad(eager, model.parameters()), rel=1e-10, abs=1e-15)
    total, _ = kernel(rows, reduce="sum")
    assert total == pytest.approx(50 * value, rel=1e-12)
    assert kernel.backend in ("native", "source")
    assert "def kernel" in kernel.source


@pytest.mark.skipif(viz.renderer() is None, reason="no Graphviz")
def test_pictures(tmp_path):
    """draw gives a Digraph, render a file by its suffix, svg a string."""
    graphviz = pytest.importorskip("graphviz")
    a = Value(2.0, label="a")
    c = a * 3 + a
    assert isinstance(viz.draw(c), graphviz.Digraph)
    viz.render(c, tmp_path / "graph.dot")
    assert "digraph" in (tmp_path / "graph.dot").read_text()
    assert "<svg" in viz.svg(c)


@pytest.mark.parametrize("package", [engine, nn, viz])
def test_what_is_exported_exists(package):
    """Every name in __all__ can be imported."""
    assert all(getattr(package, name) is not None for name in package.__all__)


def test_names_that_other_libraries_have():
    """What PyTorch and scikit-learn call otherwise is an AttributeError that says what to write, and it exists."""
    for name, ours in {"Linear": "Layer", "Sequential": "MLP", "MSELoss": "mean_squared_error"}.items():
        with pytest.raises(AttributeError, match=f"nn has no {name}: .*{ours}"):
            getattr(nn, name)
        assert ours in nn.__all__
    with pytest.raises(AttributeError, match=r"in nn\.sklearn"):
        nn.MLPClassifier  # noqa: B018
    with pytest.raises(AttributeError, match="engine has no no_grad"):
        engine.no_grad  # noqa: B018
    assert not any(hasattr(nn, name) for name in ("Linear", "ReLU", "nothing"))


def test_the_star_import_hides_nothing_of_pythons():
    """from engine import * leaves sum, abs, round and all else of Python's as it is; engine.sum is there."""
    names: dict[str, object] = {}
    exec("from engine import *", names)
    assert not vars(builtins).keys() & names.keys() - {"__builtins__"}
    assert engine.sum([Value(1.0), 2.0]).data == 3.0
