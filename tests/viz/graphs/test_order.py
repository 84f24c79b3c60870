"""Order: operands, neurons and layers stand where a reader looks for them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import viz
from engine import Value, toposort
from nn import MLP, binary_cross_entropy, mean_squared_error
from viz import draw
from viz.graphs import layout
from viz.graphs.order import Grid, columns, in_rows, in_rows_with_operations


def places(graph, embedded: bool) -> dict[str, tuple[float, float]]:
    """Where Graphviz puts each node: x from the left and y from the top, in inches."""
    command = [sys.executable, "-c", layout._EMBEDDED, "plain", "dot"] if embedded else ["dot", "-Tplain"]
    done = subprocess.run(command, input=layout._arranged(graph), capture_output=True, encoding="utf-8", check=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    return {row[1]: (float(row[2]), -float(row[3])) for row in rows if row[0] == "node"}


@pytest.fixture(params=["dot", "pygraphviz"])
def embedded(request):
    if request.param == "dot" and viz.renderer() != "dot":
        pytest.skip("no dot on the PATH")
    if request.param == "pygraphviz":
        pytest.importorskip("pygraphviz", minversion="2.0")
    return request.param == "pygraphviz"


def expression() -> Value:
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    return a * b + a.tanh()


@pytest.mark.parametrize(
    "make",
    [lambda: a_minus_b(), lambda: expression(), lambda: a_minus_b() ** 2 / 3 - a_minus_b()],
)  # fmt: skip
def test_operands_stand_in_the_order_in_which_they_are_written(make, embedded):
    """In a - b, a stands above b, and so in every operation whose operands stand in one column."""
    y = make()
    order = toposort(y)
    at = places(draw(y, detail="full"), embedded)
    pairs = [(order.index(p), order.index(q)) for node in order for p, q in zip(node.parents, node.parents[1:])]
    compared = [(at[f"v{p}"][1], at[f"v{q}"][1]) for p, q in pairs if abs(at[f"v{p}"][0] - at[f"v{q}"][0]) < 0.5]
    assert compared
    assert all(upper < lower for upper, lower in compared)


def a_minus_b() -> Value:
    return Value(2.0, label="a") - Value(3.0, label="b")


@pytest.mark.parametrize("sizes", [(3, 1), (8, 6, 1), (4, 4, 4), (16, 16, 1)])
def test_neurons_stand_in_their_order(sizes, embedded):
    """From top to bottom: neuron 1, 2, 3 …, in each layer, x1 above x2; and from left to right layer 1, 2, 3 …"""
    model = MLP(2, sizes, seed=1, output="linear")
    y = mean_squared_error(model([0.5, -1.0]), [1.0] * sizes[-1] if sizes[-1] > 1 else 1.0)
    named = {node.label: f"v{k}" for k, node in enumerate(toposort(y))}
    at = places(draw(y, detail="neuron"), embedded)
    layers = []
    for k, size in enumerate(sizes, 1):
        layer = [at[named[f"layer{k}.neuron{n}.{'z' if k == len(sizes) else 'a'}"]] for n in range(1, size + 1)]
        assert [y for _, y in layer] == sorted(y for _, y in layer)
        layers.append(layer[0][0])
    assert layers == sorted(layers)
    assert at[named["x1"]][1] < at[named["x2"]][1]


def test_the_parameters_of_a_neuron_stand_in_their_order(embedded):
    """In full, w1, w2, b of each neuron from top to bottom, one neuron below the other."""
    y = binary_cross_entropy(MLP(2, [3, 1], seed=1)([0.5, -1.0]), 1.0)
    named = {node.label: f"v{k}" for k, node in enumerate(toposort(y))}
    at = places(draw(y, detail="full"), embedded)
    wanted = [named[f"layer1.neuron{n}.{p}"] for n in (1, 2, 3) for p in ("w1", "w2", "b")]
    assert [at[name][1] for name in wanted] == sorted(at[name][1] for name in wanted)


def test_what_is_written_first_stands_above_also_further_back():
    """exp(a*b) + exp(c*d): the products are operands of different operations, and stand as they are written."""
    takes = {5: [[0, 1]], 6: [[2, 3]], 7: [[5]], 8: [[6]], 9: [[7, 8]]}
    assert columns(takes, [9]) == [[0, 1, 2, 3], [5, 6], [7, 8], [9]]


@st.composite
def graphs(choose):
    """What each of up to thirty computed nodes takes: earlier nodes, in order; leaves are 0 to 3."""
    takes = {}
    for k in range(4, 4 + choose(st.integers(1, 30))):
        takes[k] = [choose(st.lists(st.integers(max(0, k - 8), k - 1), min_size=1, max_size=4))]
    return takes


@given(graphs())
def test_columns_hold_every_node_once_and_edges_run_to_the_right(takes):
    """Whatever the graph: each node that the output needs is in one column, and right of all that it takes."""
    last = max(takes)
    needed, path = set(), [last]
    while path:
        node = path.pop()
        if node not in needed:
            needed.add(node)
            path += [p for group in takes.get(node, ()) for p in group]
    takes = {node: groups for node, groups in takes.items() if node in needed}
    found = columns(takes, [last])
    assert sorted(node for column in found for node in column) == sorted(needed)
    rank = {node: k for k, column in enumerate(found) for node in column}
    assert all(rank[p] < rank[node] for node, groups in takes.items() for group in groups for p in group)


def test_rows_run_to_the_right_and_to_the_left():
    """Seven columns, three beside each other: the fourth stands below the third, and the seventh below the sixth."""
    grid = Grid([[c] for c in "abcdefg"], in_rows(7, 3))
    assert grid.columns == [["a", "f", "g"], ["b", "e"], ["c", "d"]]
    assert grid.edge("a", "b") == ("a", "b", {})
    assert grid.edge("c", "d") == ("c", "d", {})
    assert grid.edge("d", "e") == ("e", "d", {"dir": "back"})
    assert grid.edge("b", "g") == ("b", "g", {"constraint": "false"})


def test_values_stand_below_values_and_operations_below_operations():
    """Values are capital, operations small: A a B b, then from right to left C c D d, then E to the right again."""
    grid = Grid([[c] for c in "AaBbCcDdE"], in_rows_with_operations(9, 2))
    assert grid.columns == [["d"], ["A", "D", "E"], ["a", "c"], ["B", "C"], ["b"]]
    assert grid.edge("b", "C") == ("C", "b", {"dir": "back"})
    assert grid.edge("d", "E") == ("d", "E", {})
    assert grid.edge("C", "c") == ("c", "C", {"dir": "back"})
