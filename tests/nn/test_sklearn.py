"""nn.sklearn: scikit-learn's own checks, all of them, and its habits: pipelines, search, weights, warm starts."""

from __future__ import annotations

import pickle
import warnings

import pytest

pytest.importorskip("sklearn")
np = pytest.importorskip("numpy")

from sklearn.base import clone  # noqa: E402
from sklearn.datasets import load_iris, make_multilabel_classification, make_regression  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.neural_network import MLPClassifier as TheirClassifier  # noqa: E402
from sklearn.neural_network import MLPRegressor as TheirRegressor  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

from nn import MLP, SGD, fit  # noqa: E402
from nn.sklearn import MLPClassifier, MLPRegressor  # noqa: E402

X, y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)
NAMES = np.array(["setosa", "versicolor", "virginica"])[y]


@pytest.fixture(autouse=True)
def quiet():
    """That a short training has not converged is known here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def classifier(**options):
    return MLPClassifier(**{"hidden_layer_sizes": (8,), "learning_rate_init": 0.05, "max_iter": 60, "random_state": 0,
                            "batch_size": 32, **options})  # fmt: skip


@pytest.mark.parametrize("estimator", [MLPClassifier(), MLPRegressor()], ids=lambda e: type(e).__name__)
def test_every_check_of_scikit_learn(estimator):
    """check_estimator passes whole: no check is expected to fail, and those skipped do not apply to any estimator here.

    The array interface is skipped unless SCIPY_ARRAY_API is set; decision_function is not there, as in scikit-learn's.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(estimator, on_fail=None)
    assert [r["check_name"] for r in results if r["status"] not in ("passed", "skipped")] == []
    skipped = {r["check_name"] for r in results if r["status"] == "skipped"}
    assert skipped <= {
        "check_array_api_input", "check_classifiers_multilabel_output_format_decision_function"
    }  # fmt: skip
    assert len(results) > 50


def test_words_as_classes():
    """Classes may be words; probabilities come in the order of classes_."""
    model = classifier().fit(X, NAMES)
    assert list(model.classes_) == sorted(set(NAMES))
    assert model.score(X, NAMES) > 0.95
    p = model.predict_proba(X)
    assert (model.classes_[p.argmax(axis=1)] == model.predict(X)).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), p)


def test_pipeline_search_and_cross_validation():
    """It goes into pipelines, grid searches and cross-validation."""
    grid = {"mlpclassifier__hidden_layer_sizes": [(4,), (8, 4)], "mlpclassifier__activation": ["tanh", "gelu"]}
    search = GridSearchCV(make_pipeline(StandardScaler(), classifier(max_iter=30)), grid, cv=3).fit(X, NAMES)
    assert search.best_score_ > 0.9
    assert cross_val_score(classifier(), X, NAMES, cv=3).mean() > 0.9


def test_clone_and_pickle():
    """A clone has the parameters and no fit; a pickle predicts the same."""
    model = classifier(alpha=0.5).fit(X, y)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "model_")
    back = pickle.loads(pickle.dumps(model))
    assert (back.predict_proba(X) == model.predict_proba(X)).all()
    back.partial_fit(X, y)  # the optimiser's state comes along


def test_one_step_is_that_of_fit():
    """With the same weights, one full-batch epoch is nn.fit's with the penalty divided by the number of rows."""
    model = classifier(solver="sgd", momentum=0.0, batch_size=len(X), max_iter=1, alpha=0.3).fit(X, y)
    by_hand = MLP(4, [8, 3], activation="relu", output="softmax", seed=1)
    fresh = classifier(max_iter=1, solver="sgd", learning_rate_init=0.0, batch_size=len(X)).fit(X, y)
    for layer, coefficients, intercepts in zip(by_hand.layers, fresh.coefs_, fresh.intercepts_):
        layer.W, layer.b = coefficients.T, intercepts
    fit(by_hand, X, y, optimizer=SGD(by_hand.parameters(), lr=0.05), epochs=1, l2=0.3 / len(X))
    for layer, coefficients in zip(by_hand.layers, model.coefs_):
        np.testing.assert_allclose(layer.W, coefficients.T, rtol=1e-12)


@pytest.mark.parametrize("regress", [False, True])
def test_the_same_training_as_scikit_learn(regress):
    """From the same weights, full-batch descent with Nesterov's momentum and a penalty takes scikit-learn's steps.

    Not so with Adam to the last digits: scikit-learn adds epsilon before the bias is corrected, PyTorch and nn after.
    """
    target = X[:, 0] + 1.5 * X[:, 1] if regress else y
    ours, theirs = (MLPRegressor, TheirRegressor) if regress else (MLPClassifier, TheirClassifier)
    settings = {"hidden_layer_sizes": (6,), "activation": "tanh", "alpha": 0.01, "batch_size": len(X), "max_iter": 25,
                "learning_rate_init": 0.05, "random_state": 0, "solver": "sgd"}  # fmt: skip
    their = theirs(**{**settings, "max_iter": 1, "learning_rate_init": 1e-300}).fit(X, target)
    our = ours(**{**settings, "max_iter": 1, "learning_rate_init": 0.0}).fit(X, target)
    for layer, coefficients, intercepts in zip(our.model_.layers, their.coefs_, their.intercepts_):
        layer.W, layer.b = coefficients.T, intercepts
    our.set_params(**settings, warm_start=True).fit(X, target)
    their.set_params(**settings, warm_start=True).fit(X, target)
    if regress:
        np.testing.assert_allclose(our.predict(X), their.predict(X), rtol=1e-10, atol=1e-12)
    else:
        np.testing.assert_allclose(our.predict_proba(X), their.predict_proba(X), rtol=1e-10, atol=1e-12)


def test_weights_count_as_repetition():
    """A whole-number weight is a row repeated; weight 0 is a row left out; class weights multiply."""
    weights = np.array([0, 1, 2] * 50)
    options = {"batch_size": 400, "max_iter": 20}
    weighted = classifier(**options).fit(X, y, sample_weight=weights)
    repeated = classifier(**options).fit(X.repeat(weights, axis=0), y.repeat(weights))
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-8)
    by_class = classifier(**options, class_weight={0: 3.0, 1: 1.0, 2: 2.0}).fit(X, y)
    by_row = classifier(**options).fit(X, y, sample_weight=np.array([3.0, 1.0, 2.0])[y])
    np.testing.assert_allclose(by_class.predict_proba(X), by_row.predict_proba(X), rtol=1e-12)
    balanced = classifier(class_weight="balanced").fit(X[40:], NAMES[40:])
    assert (balanced.predict(X[40:50]) == "setosa").all()


def test_partial_fit_goes_on():
    """partial_fit learns batch by batch; the classes are told at the first call, and strangers are refused."""
    model = classifier()
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        model.partial_fit(X[:10], NAMES[:10])
    for _ in range(60):
        model.partial_fit(X[:10], NAMES[:10], classes=np.unique(NAMES))
        model.partial_fit(X[10:], NAMES[10:])
    assert model.score(X, NAMES) > 0.95
    with pytest.raises(ValueError, match="rose"):
        model.partial_fit(X[:1], ["rose"])
    regressor = MLPRegressor((8,), learning_rate_init=0.02, random_state=0)
    for _ in range(200):
        regressor.partial_fit(X, X[:, 0])
    assert regressor.score(X, X[:, 0]) > 0.95


def test_warm_start_goes_on():
    """warm_start goes on from the weights; without it each fit is the same; other classes or sizes are refused."""
    cold = classifier(max_iter=5)
    first = cold.fit(X, y).loss_
    assert cold.fit(X, y).loss_ == first
    warm = classifier(max_iter=5, warm_start=True)
    assert warm.fit(X, y).loss_ == first
    assert warm.fit(X, y).loss_ < first
    with pytest.raises(ValueError, match="the classes were"):
        warm.fit(X[y < 2], y[y < 2])
    with pytest.raises(ValueError, match="set warm_start=False"):
        warm.set_params(hidden_layer_sizes=(3,)).fit(X, y)


def test_it_stops_where_the_loss_does_not_fall():
    """Training stops after n_iter_no_change epochs without an improvement by tol, as scikit-learn counts them."""
    model = classifier(max_iter=1000, tol=0.01, n_iter_no_change=4).fit(X, y)
    best, waited, stop = np.inf, 0, None
    for k, loss in enumerate(model.loss_curve_):
        waited = waited + 1 if loss > best - 0.01 else 0
        best = min(best, loss)
        if waited > 4 and stop is None:
            stop = k + 1
    assert model.n_iter_ == stop < 1000
    with pytest.warns(ConvergenceWarning, match="max_iter=3"):
        classifier(max_iter=3).fit(X, y)


@pytest.mark.parametrize("regress", [False, True])
def test_early_stopping_keeps_the_best(regress):
    """early_stopping watches the score on held-out rows, stops when it does not grow, and keeps the best weights."""
    kind = MLPRegressor if regress else MLPClassifier
    model = kind((8,), learning_rate_init=0.05, batch_size=16, max_iter=500, random_state=0, early_stopping=True)
    model.fit(X, X[:, 2] if regress else NAMES)
    assert model.n_iter_ < 500
    assert model.best_validation_score_ == max(model.validation_scores_) > 0.8
    assert len(model.validation_scores_) == model.n_iter_
    with pytest.raises(ValueError, match="partial_fit"):
        model.partial_fit(X, X[:, 2] if regress else NAMES)


def test_several_labels_and_several_numbers():
    """A matrix of zeros and ones has a sigmoid for each column; a matrix of numbers an output for each."""
    A, labels = make_multilabel_classification(100, 6, n_classes=3, random_state=0)
    A = StandardScaler().fit_transform(A)
    model = classifier(max_iter=150).fit(A, labels)
    assert model.predict(A).shape == labels.shape
    assert model.score(A, labels) > 0.6
    B, numbers = make_regression(100, 5, n_targets=2, random_state=0)
    numbers = numbers / numbers.std()
    regressor = MLPRegressor((10,), learning_rate_init=0.02, max_iter=300, random_state=0).fit(B, numbers)
    assert regressor.predict(B).shape == numbers.shape
    assert regressor.score(B, numbers) > 0.95


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes must be"),
        ({"hidden_layer_sizes": "8"}, "hidden_layer_sizes must be"),
        ({"activation": "rleu"}, "did you mean 'relu'"),
        ({"solver": "lbfgs"}, "solver must be one of adam"),
        ({"backend": "gpu"}, "backend must be one of"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"max_iter": 0}, "max_iter must be"),
        ({"n_iter_no_change": 0.5}, "n_iter_no_change must be"),
        ({"alpha": -1}, "alpha must be"),
        ({"tol": None}, "tol must be"),
    ],
)
def test_parameters_that_make_no_sense(options, words):
    """They are refused when fit is called, as in scikit-learn, by name and with what was received."""
    with pytest.raises(ValueError, match=words):
        classifier(**options).fit(X, y)


def test_rows_that_all_weigh_nothing_are_refused():
    """Weights of 0 leave rows out; there must be some that stay."""
    with pytest.raises(ValueError, match="leave no row with a weight above 0"):
        classifier(class_weight=dict.fromkeys(range(3), 0.0)).fit(X, y)


@pytest.mark.parametrize(
    ("ours", "theirs", "targets"),
    [
        (MLPClassifier, TheirClassifier, y),
        (MLPClassifier, TheirClassifier, y > 0),
        (MLPRegressor, TheirRegressor, X[:, 0]),
        (MLPRegressor, TheirRegressor, X[:, :2]),
    ],
)
def test_what_scikit_learn_says_of_the_network_is_said_here(ours, theirs, targets):
    """Layers, outputs and the activation of the outputs are scikit-learn's, by name and number."""
    fitted = [kind(hidden_layer_sizes=(4, 3), max_iter=2).fit(X, targets) for kind in (ours, theirs)]
    for name in ("n_layers_", "n_outputs_", "out_activation_"):
        assert getattr(fitted[0], name) == getattr(fitted[1], name), name


@pytest.mark.parametrize("solver", ["adam", "adamw", "sgd", "rmsprop", "adagrad"])
@pytest.mark.parametrize("backend", ["source", "auto"])
def test_solvers_and_backends(solver, backend):
    """Each solver learns, with each backend."""
    rate = {"adagrad": 0.5, "sgd": 0.1}.get(solver, 0.05)
    model = classifier(solver=solver, backend=backend, learning_rate_init=rate, max_iter=40, hidden_layer_sizes=(4,))
    assert model.fit(X, y).score(X, y) > 0.85


def test_what_is_said(capsys):
    """verbose prints the loss of each epoch."""
    classifier(verbose=True, max_iter=3).fit(X, y)
    assert capsys.readouterr().out.count("Iteration") == 3
