"""Neuron, Layer and MLP against PyTorch, and their names, labels, initial weights and errors."""

from __future__ import annotations

import copy
import math
import os
import pickle
import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import Value, gradcheck, lower
from nn import MLP, Layer, Module, Neuron

# Those that PyTorch has under the same name and that take any number.
ACTIVATIONS = (
    "sigmoid", "tanh", "linear", "atan", "erf", "sin", "relu", "leaky_relu", "elu", "silu", "gelu", "softplus"
)  # fmt: skip


def torch_activation(torch, name):
    functions = {
        "linear": lambda z: z,
        "leaky_relu": torch.nn.functional.leaky_relu,
        "elu": torch.nn.functional.elu,
        "silu": torch.nn.functional.silu,
        "gelu": torch.nn.functional.gelu,
        "softplus": lambda z: torch.nn.functional.softplus(z, threshold=1e9),
    }
    return functions.get(name) or getattr(torch, name)


def torch_forward(torch, model, x):
    """(the logits, the output, the weights and biases as tensors) of the same network in PyTorch."""
    a, tensors = torch.tensor(x, dtype=torch.float64), []
    for layer in model.layers:
        W = torch.tensor([[w.data for w in n.weights] for n in layer.neurons], dtype=torch.float64, requires_grad=True)
        b = torch.tensor([n.bias.data for n in layer.neurons], dtype=torch.float64, requires_grad=True)
        tensors.append((W, b))
        z = torch.nn.functional.linear(a, W, b)
        a = torch_activation(torch, model.activation)(z)
    out = {"sigmoid": torch.sigmoid(z), "softmax": torch.softmax(z, -1), "linear": z}[model.output]
    return z, out, tensors


def shuffled_biases(model, seed):
    rng = random.Random(seed)
    for layer in model.layers:
        for neuron in layer.neurons:
            neuron.bias.data = rng.uniform(-1, 1)


@pytest.mark.parametrize("output", ["sigmoid", "softmax", "linear"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_forward_and_gradient_are_those_of_torch(activation, output):
    """Outputs, logits and gradients of all weights and biases agree with PyTorch, for each activation and output."""
    torch = pytest.importorskip("torch")
    model = MLP(3, [4, 5, 2], activation=activation, output=output, seed=3)
    shuffled_biases(model, 1)
    x = [0.7, -1.3, 0.2]
    z, out, tensors = torch_forward(torch, model, x)
    assert [v.data for v in model.logits(x)] == pytest.approx(z.tolist(), rel=1e-12, abs=1e-14)
    ours = model(x)
    assert [v.data for v in ours] == pytest.approx(out.tolist(), rel=1e-12, abs=1e-14)
    (ours[0] * 2 - ours[1]).backward()
    (out[0] * 2 - out[1]).backward()
    for layer, (W, b) in zip(model.layers, tensors):
        for neuron, w_grad, b_grad in zip(layer.neurons, W.grad.tolist(), b.grad.tolist()):
            assert [w.grad for w in neuron.weights] == pytest.approx(w_grad, rel=1e-11, abs=1e-14)
            assert neuron.bias.grad == pytest.approx(b_grad, rel=1e-11, abs=1e-14)


@settings(max_examples=25)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    nin=st.integers(1, 4),
    activation=st.sampled_from(ACTIVATIONS),
    seed=st.integers(0, 1000),
)
def test_networks_of_any_shape_agree_with_torch(sizes, nin, activation, seed):
    """For random shapes, activations, seeds and inputs the logits are PyTorch's."""
    torch = pytest.importorskip("torch")
    model = MLP(nin, sizes, activation=activation, seed=seed)
    shuffled_biases(model, seed)
    x = [random.Random(seed).uniform(-3, 3) for _ in range(nin)]
    z, _, _ = torch_forward(torch, model, x)
    ours = model.logits(x)
    assert [v.data for v in (ours if isinstance(ours, list) else [ours])] == pytest.approx(
        z.tolist(), rel=1e-11, abs=1e-13
    )


def test_gradient_by_the_inputs_passes_gradcheck():
    """The gradient with respect to the inputs, the lecture's da0, agrees with central differences."""
    model = MLP(2, [3, 1], seed=5)
    assert gradcheck(lambda a, b: model([a, b]), [0.3, -0.8]).passed


def test_one_output_is_a_value_and_several_are_a_list():
    """model(x) and model.logits(x) are a Value for one output and a list of Values for several."""
    assert isinstance(MLP(2, [3, 1])([1, 2]), Value)
    assert isinstance(MLP(2, [3, 1]).logits([1, 2]), Value)
    assert [type(v) for v in MLP(2, [3, 2])([1, 2])] == [Value, Value]
    assert [type(v) for v in Layer(2, 1)([1, 2])] == [Value]


def test_weighted_input_is_one_node_over_weights_inputs_and_bias():
    """z is one dot node whose parents are the weights, the inputs and the bias, in this order."""
    neuron, x = Neuron(2, "tanh", seed=1), [Value(1.0), Value(2.0)]
    a = neuron(x)
    z = a.parents[0]
    assert (a.op.name, z.op.name) == ("tanh", "dot")
    assert z.parents == (*neuron.weights, *x, neuron.bias)


@pytest.mark.parametrize("loaded", [True, False])
def test_labels_of_many_weights(loaded, monkeypatch):
    """A hundred weights, made in compiled code or not, have the labels of any others, in copies and pickles too."""
    lower(Value(1.0) * 2, inputs=[])([[]])  # which loads the compiled code where there is any
    if not loaded:
        monkeypatch.setattr("engine.weighted.compiled", lambda n: None)
    neuron = Neuron(100, seed=3, name="layer1.neuron2")
    names = [f"layer1.neuron2.w{j}" for j in range(1, 101)]
    for weights in (neuron.weights, copy.deepcopy(neuron).weights, pickle.loads(pickle.dumps(neuron)).weights):
        assert [w.label for w in weights] == names
        assert all(type(w.label) is str for w in weights)
    assert [w.data for w in neuron.weights] == [w.data for w in Neuron(100, seed=3).weights]
    neuron.weights[4].label = "mine"
    assert (neuron.weights[4].label, neuron.weights[5].label) == ("mine", "layer1.neuron2.w6")
    assert "label='layer1.neuron2.w6'" in repr(neuron.weights[5])


def test_names_and_labels():
    """Parameters are named by layer, neuron and input, all counted from 1, and labelled so; so are inputs, z and a."""
    model = MLP(2, [4, 1], seed=0)
    named = dict(model.named_parameters())
    assert list(named)[:4] == ["layer1.neuron1.w1", "layer1.neuron1.w2", "layer1.neuron1.b", "layer1.neuron2.w1"]
    assert list(named)[-1] == "layer2.neuron1.b"
    assert named["layer1.neuron4.w2"] is model.layers[0].neurons[3].weights[1]
    assert all(parameter.label == name for name, parameter in named.items())
    assert model.parameters() == list(named.values())
    assert len(named) == 2 * 4 + 4 + 4 + 1
    a = model([1, 2])
    assert (a.label, a.parents[0].label) == ("layer2.neuron1.a", "layer2.neuron1.z")
    x = model.layers[0].neurons[0]
    assert [name for name, _ in x.named_parameters()] == ["w1", "w2", "b"]
    assert [name for name, _ in Layer(1, 2).named_parameters()] == [
        "neuron1.w1",
        "neuron1.b",
        "neuron2.w1",
        "neuron2.b",
    ]


def test_repr_is_short():
    """The repr names the sizes, and only what is not the default."""
    assert repr(MLP(2, [16, 16, 1])) == "MLP(2, 16, 16, 1)"
    assert repr(MLP(4, [3], activation="tanh", output="softmax")) == "MLP(4, 3, activation='tanh', output='softmax')"
    assert repr(Neuron(2)) == "Neuron(2, activation='sigmoid')"
    assert repr(Layer(2, 3, "relu")) == "Layer(2, 3, activation='relu')"


@pytest.mark.parametrize(
    ("activation", "variance"),
    [
        ("sigmoid", 2 / (30 + 50)),
        ("tanh", 2 / (30 + 50)),
        ("linear", 2 / (30 + 50)),
        ("relu", 2 / 30),
        ("gelu", 2 / 30),
    ],
)
def test_initial_weights_have_the_variance_of_the_papers(activation, variance):
    """Glorot's variance is 2 / (inputs + outputs), He's 2 / inputs; the mean is 0 and biases are 0."""
    layer = Layer(30, 50, activation, seed=7)
    weights = [w.data for neuron in layer.neurons for w in neuron.weights]
    assert sum(w * w for w in weights) / len(weights) == pytest.approx(variance, rel=0.06)
    assert abs(sum(weights) / len(weights)) < 4 * math.sqrt(variance / len(weights))
    assert max(map(abs, weights)) <= math.sqrt(3 * variance)  # a uniform distribution ends there
    assert all(neuron.bias.data == 0 for neuron in layer.neurons)


@pytest.mark.parametrize("sizes", [(3, 4, 2), (70, 20, 5), (500, 210, 3)], ids=str)
def test_weights_are_drawn_one_after_the_other(sizes):
    """Neuron by neuron, weight by weight, from the generator given, which is left behind the last; in C the same."""
    rng, expected = random.Random(5), random.Random(5)
    model = MLP(sizes[0], sizes[1:], seed=rng)
    for layer in model.layers:
        r = math.sqrt(6 / (layer.nin + layer.nout))
        for k, neuron in enumerate(layer.neurons, 1):
            assert [w.data for w in neuron.weights] == [-r + 2 * r * expected.random() for _ in range(layer.nin)]
            assert neuron.weights[-1].label.endswith(f"neuron{k}.w{layer.nin}")
    assert rng.random() == expected.random()


def test_same_seed_same_bits():
    """A seed fixes every weight, in any process, whatever the global generator and the hash seed are."""
    code = "import random, sys; random.seed(int(sys.argv[1])); from nn import MLP; "
    code += "print([p.data.hex() for p in MLP(3, [4, 2], 'relu', seed=11).parameters()])"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code, str(k)], env={**os.environ, "PYTHONHASHSEED": str(k), "PYTHONPATH": path},
            capture_output=True, text=True, check=True,
        ).stdout
        for k, path in ((1, os.pathsep.join(sys.path)), (2, os.pathsep.join(sys.path)))
    }  # fmt: skip
    here = [p.data.hex() for p in MLP(3, [4, 2], "relu", seed=11).parameters()]
    assert outputs == {f"{here}\n"}
    assert [p.data for p in MLP(3, [4, 2], seed=12).parameters()] != [
        p.data for p in MLP(3, [4, 2], seed=11).parameters()
    ]


def test_building_a_model_leaves_the_global_generator_alone():
    """No number is drawn from Python's global generator."""
    random.seed(5)
    before = random.getstate()
    MLP(3, [4, 1])
    assert random.getstate() == before


def test_predictions_are_the_numbers_of_the_graph():
    """predict_proba gives the numbers of model(x), to 1e-13, for each output and activation."""
    rows = [[0.5, -1.0], [3.0, 2.0], [-40.0, 7.0]]
    for activation in ACTIVATIONS:
        for output, size in (("sigmoid", 1), ("sigmoid", 3), ("softmax", 3)):
            model = MLP(2, [4, size], activation, output, seed=2)
            graph = [[v.data for v in (o if isinstance(o, list) else [o])] for o in map(model, rows)]
            found = model.predict_proba(rows)
            for row, expected in zip([[p] for p in found] if size == 1 else found, graph, strict=True):
                assert row == pytest.approx(expected, rel=1e-13, abs=1e-300)
    model = MLP(2, [4, 1], output="linear")
    assert model.predict(rows) == pytest.approx([model(row).data for row in rows], rel=1e-13)


def test_predictions_follow_the_model():
    """What was kept from an earlier prediction is not used where parameters, neurons or activations are others."""
    model, row = MLP(2, [3, 1], output="linear", seed=1), [0.5, -1.0]

    def right():
        return model.predict([row]) == pytest.approx([model(row).data], rel=1e-13)

    assert right()
    model.parameters()[0].data += 1.0
    assert right()
    model.layers[0].neurons[1] = Neuron(2, seed=5)
    assert right()
    model.layers[0].activation = "tanh"
    for neuron in model.layers[0].neurons:
        neuron.activation = "tanh"
    assert right()
    model.mean, model.scale = [1.0, 2.0], [3.0, 4.0]
    assert right()
    twin = copy.deepcopy(model)
    twin.parameters()[0].data += 1.0
    assert twin.predict([row]) == pytest.approx([twin(row).data], rel=1e-13)
    assert twin.predict([row]) != model.predict([row])
    assert pickle.loads(pickle.dumps(model)).predict([row]) == model.predict([row])


def test_predict_and_accuracy():
    """Predictions are classes, by the half, by each output, or by the largest; accuracy is the share that is right."""
    model = MLP(1, [1])
    model.layers[0].neurons[0].weights[0].data = 1.0
    assert model.predict([[-1], [0], [2]]) == [0, 1, 1]
    assert model.accuracy([[-1], [0], [2]], [0, 0, 1]) == pytest.approx(2 / 3)
    assert model.accuracy([[-1], [2]], [0.4, 0.6]) == 1.0
    assert model.accuracy([[-1], [2]], [[0], [1]]) == 1.0
    several = MLP(1, [2])
    for neuron, w in zip(several.layers[0].neurons, (1.0, -1.0)):
        neuron.weights[0].data = w
    assert several.predict([[-1], [2]]) == [[0, 1], [1, 0]]
    assert several.accuracy([[-1], [2]], [[0, 1], [1, 1]]) == 0.75
    classes = MLP(1, [3], output="softmax")
    for neuron, w in zip(classes.layers[0].neurons, (1.0, 0.0, -1.0)):
        neuron.weights[0].data = w
    assert classes.predict([[-1], [0], [2]]) == [2, 0, 0]
    assert classes.accuracy([[-1], [0], [2]], [2, 1, 0]) == pytest.approx(2 / 3)
    assert classes.accuracy([[-1]], [[0.2, 0.2, 0.6]]) == 1.0


def test_linear_output_has_no_probability_and_no_accuracy():
    """predict_proba and accuracy of a regression say what to use instead."""
    model = MLP(1, [1], output="linear")
    with pytest.raises(ValueError, match=r"MLP\(1, 1, output='linear'\) has a linear output.*use predict"):
        model.predict_proba([[1]])
    with pytest.raises(ValueError, match="look at the loss"):
        model.accuracy([[1]], [1])


def test_copies_and_pickles():
    """A deep copy and a pickle hold parameters of their own with the same data, and compute the same."""
    model = MLP(2, [3, 1], seed=4)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin([1, 2]).data == model([1, 2]).data
        twin.parameters()[0].data += 1
        assert twin([1, 2]).data != model([1, 2]).data


def test_zero_grad():
    """zero_grad writes 0.0 into the gradient of every parameter."""
    model = MLP(2, [2, 1])
    model([1, 2]).backward()
    assert any(p.grad for p in model.parameters())
    model.zero_grad()
    assert [p.grad for p in model.parameters()] == [0.0] * 9


def test_regularised_are_the_weights():
    """An l2 penalty acts on the weights and not on the biases; on everything in a module that does not say."""
    model = MLP(2, [2, 1])
    assert model.regularised() == [p for name, p in model.named_parameters() if not name.endswith(".b")]

    class Mine(Module):
        def named_parameters(self):
            return [("a", a)]

    a = Value(1.0)
    assert Mine().regularised() == [a]


def test_module_without_parameters_says_so():
    """A module without a parameter among its attributes is told what is missing."""
    with pytest.raises(ValueError, match="Module has no parameters: assign leaf Values, or modules, to its attributes"):
        Module().parameters()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: MLP(2, 3), TypeError, r"sizes must be a list, the output layer last, got 3: write \[3\]"),
        (lambda: MLP(2, []), ValueError, "sizes is empty"),
        (lambda: MLP(2, [3, 0]), ValueError, r"sizes\[1\] must be at least 1, got 0"),
        (lambda: MLP(2.5, [1]), TypeError, r"nin must be an integer, got 2.5 \(float\)"),
        (lambda: MLP(True, [1]), TypeError, "nin must be an integer"),
        (
            lambda: MLP(2, [1], activation="sigmod"),
            ValueError,
            "activation must be .*got 'sigmod': did you mean 'sigmoid'",
        ),
        (lambda: MLP(2, [1], output="relu"), ValueError, "one of sigmoid, softmax, linear, tanh; got 'relu'"),
        (lambda: MLP(2, [1], output="softmax"), ValueError, "softmax needs at least 2 outputs"),
        (lambda: MLP(2, [1], seed="a"), TypeError, "seed must be an integer, a random.Random or None, got 'a'"),
        (lambda: MLP(2, [1])([1, 2, 3]), ValueError, r"MLP\(2, 1\) takes 2 inputs, got 3"),
        (lambda: MLP(2, [1])([1]), ValueError, "takes 2 inputs, got 1"),
        (lambda: MLP(2, [1])("ab"), TypeError, "takes a sequence of 2 numbers or Values, got 'ab'"),
        (lambda: MLP(2, [1])(1.0), TypeError, r"got 1.0 \(float\)"),
        (lambda: MLP(2, [1])([1, "2"]), TypeError, "'2'"),
        (lambda: MLP(2, [1]).logits([1]), ValueError, "takes 2 inputs, got 1"),
        (lambda: Layer(2, 3)([1]), ValueError, r"Layer\(2, 3, activation='sigmoid'\) takes 2 inputs, got 1"),
        (lambda: Layer(2, 0), ValueError, "nout must be at least 1"),
        (lambda: Neuron(2)([1]), ValueError, r"Neuron\(2, activation='sigmoid'\) takes 2 inputs, got 1"),
        (lambda: Neuron(0), ValueError, "nin must be at least 1"),
        (
            lambda: MLP(2, [1]).predict([[1, 2, 3]]),
            ValueError,
            r"X\[0\] \(row 0\) has 3 columns: every row must have 2",
        ),
        (
            lambda: MLP(2, [1]).accuracy([[1, 2]], [2]),
            ValueError,
            r"y\[0\] \(row 0\) is 2.0: labels must lie in \[0, 1\]",
        ),
        (lambda: MLP(2, [1]).accuracy([[1, 2]], [0, 1]), ValueError, "y has 2 labels and X has 1 rows"),
    ],
)
def test_errors(make, error, message):
    """What makes no network, or no input of it, is refused with what was received and what is expected."""
    with pytest.raises(error, match=message):
        make()


def test_rows_may_be_arrays():
    """Lists, tuples, arrays of the standard library and NumPy arrays give the same output."""
    from array import array

    numpy = pytest.importorskip("numpy")
    model = MLP(2, [3, 1], seed=1)
    expected = model([0.5, -1.0]).data
    for row in (
        (0.5, -1.0),
        array("d", [0.5, -1.0]),
        numpy.array([0.5, -1.0]),
        numpy.float32([0.5, -1.0]),
        [Value(0.5), -1],
    ):
        assert model(row).data == expected


def test_a_column_vector_is_a_row():
    """The lecture's x, an array of shape (nin, 1), and an object array of Values do as a row."""
    numpy = pytest.importorskip("numpy")
    model = MLP(2, [3, 1], seed=1)
    expected = model([0.5, -1.0]).data
    a, b = Value(0.5), Value(-1.0)
    for row in (
        numpy.array([[0.5], [-1.0]]), [[0.5], [-1.0]], numpy.array([a, b]), numpy.array([[a], [b]]), ([a], [b]),
    ):  # fmt: skip
        assert model(row).data == expected


def test_a_batch_is_told_what_to_do():
    """Calling a model on several rows says to call it for one row at a time, or predict."""
    for rows in ([[1, 2], [3, 4]], [[1, 2]], [[1, 2], [3, 4], [5, 6]], [[1], [2], [3]]):
        with pytest.raises(TypeError, match=rf"one row of 2 numbers, got {len(rows)} rows: call it .* or use predict"):
            MLP(2, [1])(rows)


def test_neurons_made_one_by_one_differ():
    """A lone neuron or layer draws its weights anew, an MLP is seeded; seed=None and a number say so."""
    assert len({Neuron(2).weights[0].data for _ in range(3)}) == 3
    assert Layer(2, 1).W != Layer(2, 1).W
    assert MLP(2, [1]).layers[0].W == MLP(2, [1]).layers[0].W
    assert MLP(2, [1], seed=None).layers[0].W != MLP(2, [1], seed=None).layers[0].W
    assert Neuron(2, seed=3).weights[0].data == Neuron(2, seed=3).weights[0].data


def test_names_of_micrograd_say_ours():
    """neuron.w, .b and .nonlin name the attribute that is meant."""
    for theirs, ours in (("w", "weights"), ("b", "bias"), ("nonlin", "activation")):
        with pytest.raises(AttributeError, match=f"Neuron has no '{theirs}': it is called '{ours}' here"):
            getattr(Neuron(2), theirs)
    with pytest.raises(AttributeError, match="no attribute 'weight'"):
        _ = Neuron(2).weight
    with pytest.raises(TypeError, match=r"write \[3, 1\]"):
        MLP(2, 3, 1)


def test_a_layer_shows_and_takes_its_matrix():
    """W and b are the lecture's: read as lists, set from lists or arrays of that shape, refused in another."""
    numpy = pytest.importorskip("numpy")
    layer = Layer(2, 3, seed=1)
    assert [[w.data for w in neuron.weights] for neuron in layer.neurons] == layer.W
    assert layer.b == [0.0, 0.0, 0.0]
    before = layer.parameters()
    layer.W, layer.b = [[1, 2], [3, 4], [5, 6]], [7, 8, 9]
    assert (layer.W, layer.b) == ([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [7.0, 8.0, 9.0])
    assert [p.data for p in before] == [1, 2, 7, 3, 4, 8, 5, 6, 9]
    layer.W, layer.b = numpy.ones((3, 2)), numpy.array([[1.0], [2.0], [3.0]])
    assert (layer.W, layer.b) == ([[1.0, 1.0]] * 3, [1.0, 2.0, 3.0])
    for name, wrong, message in (
        ("W", [[1, 2], [3, 4]], "W has 2 rows"), ("W", [[1, 2, 3]] * 3, "every row must have 2"),
        ("W", [[1, "a"]] * 3, r"W\[0\]\[1\]"), ("b", [1, 2], "must have 3"), ("b", [1, 2, math.nan], "is nan"),
    ):  # fmt: skip
        with pytest.raises((TypeError, ValueError), match=message):
            setattr(layer, name, wrong)
    assert (layer.W, layer.b) == ([[1.0, 1.0]] * 3, [1.0, 2.0, 3.0])


def test_tanh_output():
    """The output lies in [-1, 1], its sign is the class, and there is no probability."""
    model = MLP(1, [1], output="tanh")
    model.layers[0].W, model.layers[0].b = [[2.0]], [0.0]
    assert model([0.3]).data == math.tanh(0.6)
    assert model.logits([0.3]).data == 0.6
    assert model.predict([[0.3], [-0.1]]) == [1, -1]
    assert model.accuracy([[0.3], [-0.1], [1.0]], [1, 1, 1]) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="has a tanh output, which is not a probability: use predict"):
        model.predict_proba([[0.3]])


def test_a_tensor_is_a_row():
    """A row that is a tensor of PyTorch, with or without gradient, or a column of one, gives what its numbers give."""
    torch = pytest.importorskip("torch")
    model, row = MLP(2, [3, 1]), torch.tensor([0.5, -2.0])
    expected = model([0.5, -2.0]).data
    for x in (row, row.clone().requires_grad_(), row.reshape(2, 1), row.double().numpy()):
        assert model(x).data == expected
