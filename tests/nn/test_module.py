"""A module of one's own: its parameters are found among its attributes, and it trains, predicts and is saved."""

from __future__ import annotations

import pytest

from engine import Value
from nn import MLP, SGD, Layer, Module, fit, mean_squared_error


class Mine(Module):
    """Parameters in every place where they may be."""

    def __init__(self):
        self.w = Value(0.5)
        self.pair = (Value(1.0), Value(2.0))
        self.layers = [Layer(1, 2, "tanh", seed=1), Layer(2, 1, "linear", seed=2)]
        self.named = {"a": Value(3.0), "more": [Value(4.0)]}
        self.again = self.w
        self.number, self.text, self.computed = 7, "seven", self.w * 2

    def __call__(self, x):
        a = x
        for layer in self.layers:
            a = layer(a)
        return a[0] * self.w + self.pair[0] * self.named["a"] - self.pair[1] + self.named["more"][0]


def test_parameters_are_found_among_the_attributes():
    """Leaf Values and modules, in lists, tuples and dictionaries too, each once; nothing else."""
    model = Mine()
    names = [name for name, _ in model.named_parameters()]
    assert names == [
        "w", "pair1", "pair2", "layers1.neuron1.w1", "layers1.neuron1.b", "layers1.neuron2.w1", "layers1.neuron2.b",
        "layers2.neuron1.w1", "layers2.neuron1.w2", "layers2.neuron1.b", "named.a", "named.more1",
    ]  # fmt: skip
    assert model.parameters()[0] is model.w
    assert model.parameters()[-1] is model.named["more"][0]
    assert len(MLP(2, [3, 1]).parameters()) == len(Module.parameters(MLP(2, [3, 1])))


def test_it_trains_and_predicts():
    """fit needs nothing but the attributes and the call; predict gives a number for each row."""
    model = Mine()
    X = [[k / 4] for k in range(-4, 5)]
    y = [2 * x for [x] in X]
    optimizer = SGD(model.parameters(), lr=0.02)
    history = fit(model, X, y, loss=mean_squared_error, optimizer=optimizer, epochs=200)
    assert history.loss[-1] < 0.05 < history.loss[0]
    assert model.predict(X) == pytest.approx([model(row).data for row in X], rel=1e-12)
    assert model.predict([[0.5]])[0] == pytest.approx(1, abs=0.3)


def test_several_outputs_are_predicted_as_lists():
    """A module whose call gives a list predicts a list of numbers for each row."""

    class Two(Module):
        def __init__(self):
            self.w = Value(2.0)

        def __call__(self, x):
            return [self.w * x[0], self.w + x[1]]

    assert Two().predict([[1, 2], [3, 4]]) == [[2.0, 4.0], [6.0, 6.0]]


def test_zero_grad():
    """zero_grad reaches every parameter."""
    model = Mine()
    model([1.0]).backward()
    model.zero_grad()
    assert {parameter.grad for parameter in model.parameters()} == {0.0}


@pytest.mark.parametrize(
    ("name", "ours"),
    [("forward", r"model\(x\)"), ("train", r"nn\.fit"), ("state_dict", r"nn\.save"), ("score", "accuracy")],
)
def test_names_of_other_libraries_say_ours(name, ours):
    """model.forward and the like are AttributeErrors that say what to write; a module of one's own may have them."""
    with pytest.raises(AttributeError, match=f"has no {name}: .*{ours}"):
        getattr(MLP(2, [1]), name)
    assert not hasattr(Mine(), name)

    class Own(Mine):
        def forward(self):
            return "forward"

        def __init__(self):
            super().__init__()
            self.train = self.state_dict = self.score = lambda: name

    assert getattr(Own(), name)() == name
