"""Names that PyTorch, scikit-learn and micrograd have for what is called otherwise here, or is not needed.

Who asks for one gets an AttributeError that says what to write.
"""

from __future__ import annotations

IN_MODULES = {
    "forward": "call it, as in model(x)",
    "train": "nothing is to be switched: it computes the same in training and afterwards. nn.fit trains it",
    "eval": "nothing is to be switched: it computes the same in training and afterwards",
    "state_dict": "nn.save(model, path) keeps it; named_parameters() has its parameters by name",
    "load_state_dict": "nn.load(path) gives back what nn.save has kept",
    "fit": "nn.fit(model, X, y) trains it; nn.sklearn has estimators with a method fit",
    "score": "an MLP has accuracy(X, y); nn.metrics has the other scores",
}

IN_NEURONS = {name: f"it is called {ours!r} here" for name, ours in {
    "w": "weights", "b": "bias", "nonlin": "activation",
}.items()}  # fmt: skip

IN_NN = {
    "Linear": 'Layer(nin, nout, activation="linear")',
    "Sequential": "MLP(nin, sizes), or a Module of your own",
    "Parameter": "engine.Value; the leaf Values among the attributes of a Module are its parameters",
    "functional": "activations are operations of engine, such as engine.relu(z), and losses functions of nn",
    **dict.fromkeys(("ReLU", "Sigmoid", "Tanh", "Softmax"), 'MLP(..., activation="relu"), or engine.relu(z)'),
    "CrossEntropyLoss": "the function cross_entropy",
    "MSELoss": "the function mean_squared_error",
    "BCELoss": "the function binary_cross_entropy",
    "BCEWithLogitsLoss": "the function binary_cross_entropy_with_logits",
    **dict.fromkeys(("MLPClassifier", "MLPRegressor"), "it is in nn.sklearn"),
}
