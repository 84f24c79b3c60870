"""The exercises: right answers pass, however they are written, and each usual mistake is recognised."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from demos.exercises import check, hint, main, statement
from demos.exercises_checks import EXERCISES

ANSWERS = """
import math

def product(a, b, g):
    return [g * b, g * a]

def through_tanh(a, g):
    return g / math.cosh(a) ** 2

def used_twice(a, b):
    return b + 1 / math.cosh(a) ** 2, a

def sigma(z):
    return 1 / (1 + math.exp(-z))

def neuron(w, x, b):
    d = sigma(w[0] * x[0] + w[1] * x[1] + b) - 1
    return [d * v for v in x], [d * v for v in w], d

def layer(W, b, a_prev, da):
    dz = []
    for row, bias, d in zip(W, b, da):
        a = sigma(sum(w * v for w, v in zip(row, a_prev)) + bias)
        dz.append(d * a * (1 - a))
    da_prev = [sum(W[k][j] * dz[k] for k in range(len(W))) for j in range(len(a_prev))]
    return da_prev, [[d * v for v in a_prev] for d in dz], dz

def network(W1, b1, W2, b2, x, y):
    a1 = [sigma(sum(w * v for w, v in zip(row, x)) + b) for row, b in zip(W1, b1)]
    a2 = [sigma(sum(w * v for w, v in zip(row, a1)) + b) for row, b in zip(W2, b2)]
    da2 = [-y / a + (1 - y) / (1 - a) for a in a2]
    da1, dW2, db2 = layer(W2, b2, a1, da2)
    _, dW1, db1 = layer(W1, b1, x, da1)
    return dW1, db1, dW2, db2

def backward(output):
    order, seen, path = [], set(), [(output, False)]
    while path:
        node, done = path.pop()
        if done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            path.append((node, True))
            path += [(parent, False) for parent in node.parents]
    grads = dict.fromkeys(order, 0.0)
    grads[output] = 1.0
    for node in reversed(order):
        for parent, local in zip(node.parents, node.local_derivatives):
            grads[parent] += grads[node] * local
    return grads

def descend(loss, parameters, lr, steps):
    for _ in range(steps):
        for parameter in parameters:
            parameter.grad = 0.0
        loss().backward()
        for parameter in parameters:
            parameter.data -= lr * parameter.grad
"""


def answers() -> dict:
    names: dict = {}
    exec(ANSWERS, names)
    return names


@pytest.mark.parametrize("number", EXERCISES)
def test_a_right_answer_passes(number):
    """Each exercise accepts a correct answer, and says that it is right."""
    found = check(number, answers()[EXERCISES[number].name])
    assert found.passed, found
    assert "✓ right" in repr(found)


def wrong(source: str, old: str, new: str, name: str):
    """The function ``name`` of the answers with one thing changed."""
    assert old in source
    names: dict = {}
    exec(source.replace(old, new), names)
    return names[name]


@pytest.mark.parametrize(
    ("number", "old", "new", "said"),
    [
        (1, "[g * b, g * a]", "[b, a]", "multiply each by g"),
        (1, "[g * b, g * a]", "[g * a, g * b]", "exchanged"),
        (1, "[g * b, g * a]", "[-g * b, -g * a]", "The sign is wrong, everywhere"),
        (1, "[g * b, g * a]", "[g * b * 1.001, g * a]", "By a you have"),
        (1, "[g * b, g * a]", "[g * b]", "returned 1 things where 2 are expected"),
        (1, "[g * b, g * a]", "None", "returns nothing so far"),
        (1, "[g * b, g * a]", "['x', 2]", "where a number is expected"),
        (1, "[g * b, g * a]", "[1 / 0, 2]", "stops with ZeroDivisionError"),
        (1, "[g * b, g * a]", "[0.0, 0.0]", "Every derivative is 0"),
        (2, "g / math.cosh(a) ** 2", "1 / math.cosh(a) ** 2", "multiply it by g"),
        (2, "g / math.cosh(a) ** 2", "g * (1 - a * a)", "y is tanh(a), not a"),
        (3, "b + 1 / math.cosh(a) ** 2, a", "b, a", "path through tanh is missing"),
        (3, "b + 1 / math.cosh(a) ** 2, a", "1 / math.cosh(a) ** 2, a", "do not replace it"),
        (3, "b + 1 / math.cosh(a) ** 2, a", "b / math.cosh(a) ** 2, a", "over the paths one adds"),
        (4, "+ b) - 1", "+ b)", "a − 1, the prediction minus the label"),
        (5, "d * a * (1 - a)", "d", "slope is missing"),
        (5, "for k in range(len(W)))", "for k in [0])", "a sum over all neurons"),
        (6, "return dW1, db1, dW2, db2", "return dW2, db1, dW2, db2", "where 2 are expected"),
        (7, "grads[parent] += grads[node] * local", "grads[parent] = grads[node] * local", "add them up"),
        (7, "return grads", "return 3", "dictionary from node to gradient"),
        (8, "parameter.grad = 0.0", "pass", "Gradients of earlier steps"),
        (8, "-= lr", "+= lr", "It climbs"),
        (8, "range(steps)", "range(steps - 1)", "one step too few"),
        (8, "range(steps)", "range(0)", "have not moved"),
    ],
)  # fmt: skip
def test_a_usual_mistake_is_explained(number, old, new, said):
    """A wrong answer does not pass, and where the mistake is a usual one, the words fit it."""
    found = check(number, wrong(ANSWERS, old, new, EXERCISES[number].name))
    assert not found.passed
    assert said in repr(found)
    assert "✗ not yet" in repr(found)


def test_a_recursive_backward_is_told_about_depth():
    """A recursive walk ends at Python's stack, and the grade says to use a loop."""

    def backward(output):
        grads: dict = {}

        def walk(node, g):
            grads[node] = grads.get(node, 0.0) + g
            for parent, local in zip(node.parents, node.local_derivatives):
                walk(parent, g * local)

        walk(output, 1.0)
        return grads

    assert "walk the graph with a loop" in repr(check(7, backward))


def test_numpy_answers_are_taken():
    """An answer may be NumPy arrays."""
    numpy = pytest.importorskip("numpy")

    def layer(W, b, a_prev, da):
        W, a_prev = numpy.array(W), numpy.array(a_prev)
        a = 1 / (1 + numpy.exp(-(W @ a_prev + numpy.array(b))))
        dz = numpy.array(da) * a * (1 - a)
        return W.T @ dz, numpy.outer(dz, a_prev), dz

    assert check(5, layer).passed


def test_statements_and_hints_give_no_solution():
    """Every exercise says what to write; none of the texts that a learner sees holds the answer's code."""
    for number, exercise in EXERCISES.items():
        text = statement(number)
        assert exercise.signature in text
        assert text.startswith(f"{number}. ")
        assert len(hint(number)) > 20
        assert "return " not in hint(number)
    with pytest.raises(ValueError, match="exercises 1 to 8, not 9"):
        statement(9)


def test_from_a_shell(tmp_path):
    """A file of answers is graded: status 0 where all are right, 1 otherwise, with a line for each."""
    root = Path(__file__).parents[2]
    (tmp_path / "right.py").write_text(ANSWERS, encoding="utf-8")
    (tmp_path / "some.py").write_text("def product(a, b, g):\n    return [g * b, g * a]\n", encoding="utf-8")

    def run(*arguments: str):
        return subprocess.run([sys.executable, "-m", "demos.exercises", *arguments], cwd=root, capture_output=True,
                              text=True, encoding="utf-8", env={"PYTHONIOENCODING": "utf-8", "PATH": ""})  # fmt: skip

    done = run(str(tmp_path / "right.py"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("8 of 8 right\n")
    some = run(str(tmp_path / "some.py"))
    assert some.returncode == 1
    assert some.stdout.splitlines()[0].startswith("1. A product: ✓ right")
    assert "no function through_tanh yet" in some.stdout
    assert run("missing.py").returncode == 2


@pytest.mark.parametrize(
    ("answers", "last", "line"),
    [
        ("def product(a, b, g)\n    return a\n", "SyntaxError: expected ':'", "line 1"),
        ("import math\nmath.tahn(1)\n", "AttributeError: module 'math' has no attribute 'tahn'", "line 2"),
    ],
)
def test_a_file_that_does_not_run_is_shown_by_its_own_lines(answers, last, line, tmp_path, capsys):
    """A mistake that ends the learner's file is told with its line, status 2, and without a line of ours."""
    (tmp_path / "mine.py").write_text(answers, encoding="utf-8")
    assert main([str(tmp_path / "mine.py")]) == 2
    said = capsys.readouterr().err
    assert said.splitlines()[-1].startswith(last)
    assert f'mine.py", {line}' in said
    assert said.count("File ") == 1


def test_a_file_that_is_no_text_is_refused(tmp_path, capsys):
    """Bytes that are not UTF-8 are an error that names the file."""
    (tmp_path / "mine.py").write_bytes(b"\x89PNG")
    with pytest.raises(SystemExit):
        main([str(tmp_path / "mine.py")])
    assert capsys.readouterr().err.endswith("mine.py: not a text file in UTF-8\n")


def test_without_a_file_all_statements_are_shown(capsys):
    """The command without a file prints the eight tasks; --hint prints one hint."""
    assert main([]) == 0
    said = capsys.readouterr().out
    assert all(exercise.task in said for exercise in EXERCISES.values())
    assert main(["--hint", "3"]) == 0
    assert capsys.readouterr().out.strip() == hint(3)


def test_the_forward_functions_are_what_the_tasks_say():
    """The functions that are graded against have the values of the formulas in the tasks."""
    assert EXERCISES[1].forward([2.0, 3.0]) == pytest.approx(1.7 * 6)
    z = 0.5 * 1.0 + 0.25 * 2.0 + 0.1
    assert EXERCISES[4].forward([0.5, 0.25, 1.0, 2.0, 0.1]) == pytest.approx(math.log1p(math.exp(-z)))


@pytest.mark.parametrize("x", [math.nan, math.inf])
def test_an_answer_that_is_not_finite_is_named(x):
    """A nan or an infinity is found in the answer, not blamed on the differences."""
    said = str(check(1, lambda a, b, g: [g * b, x]))
    assert f"not yet. By b you have {x:g}" in said
    assert "differences" not in said
