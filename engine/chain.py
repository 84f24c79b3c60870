"""The chain rule over an algebra: one walk that writes derivatives in Values, or in the instructions of a program.

``sweep`` goes from an output back through its graph. The adjoint of a node, the derivative of the output with respect
to it, is collected as a list of terms, each the adjoint of a child with the local derivative, and becomes one element
of the algebra when its turn comes. For Values this gives the gradient as a graph (gradient_graph.py), for a program its
instructions (lowering/). On floats it is a loop of its own, for speed (reverse.py), with the same meaning.

A branch not taken contributes nothing. ``where(x > 0, log(x), x)`` at 0 has the derivative 1, although log has none
there: an operand that an operation did not choose is not reached, and what is not reached passes nothing on, not even 0
times infinity. In a graph the choice stays open, so that it is made anew for each sample and differentiated again: the
adjoint goes through ``where(chosen, adjoint, 0)``, and local derivatives behind it that may be infinite or nan through
``where(reached, derivative, 0)``. Which may be is known of intervals (bounds.py), for whatever numbers the leaves have;
that weighted inputs stay below 1e100 is the one thing taken on trust (``doubtful``).
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache, partial
from typing import Generic, TypeVar  # importing the engine does not import this module

from .bounds import ANY, MODERATE, always_safe, is_finite, joined, point, result, rounded, safe
from .expressions import Call, Name, Node, Number, function, names, rule
from .ops import Op
from .weighted import roles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Mapping, Sequence
    from typing import Any

    from .bounds import Bound
    from .value import Value

T = TypeVar("T")
K = TypeVar("K")


class Algebra(Generic[T]):
    """What the sweep needs to know of the elements that it computes with.

    operations  the functions of the table on elements; numbers may stand among their operands
    marking     whether elements themselves tell that nothing was reached, so that no conditions are needed: a choice
                then gives a local derivative of its own kind (``choice``)
    """

    operations: dict[str, Callable[..., Any]]
    marking = False

    def __init__(self, operations: Mapping[str, Callable[..., Any]]) -> None:
        self.operations = dict(operations)
        self._functions: dict[tuple[str, ...], dict[str, Callable[..., Any]]] = {}

    def number(self, x: float) -> T:
        """A number as an element."""
        raise NotImplementedError

    def element(self, node: Value) -> T:
        """The element that stands for a node of the graph."""
        raise NotImplementedError

    def weighted_sum(self, terms: Sequence[tuple[T, T | None]]) -> T:
        """The sum of adjoint times local derivative over the terms; None stands for the derivative 1."""
        raise NotImplementedError

    def is_finite(self, x: T, op: Op) -> bool:
        """Whether x, a local derivative of ``op``, is surely a finite number."""
        raise NotImplementedError

    def trusts(self, node: Value) -> bool:
        """Whether a weighted input may be taken for a number of moderate size (``doubtful``)."""
        return True

    def masks(self) -> None:
        """Told that masks are about to be written, for the sake of a choice; raises where there must be none."""

    def choice(self, op: Op, k: int, elements: Sequence[T], slope: Callable[[], T]) -> T:
        """The local derivative of an operation that chooses, where the algebra marks; as a number it is ``slope()``."""
        raise NotImplementedError

    def shares(self, elements: Sequence[T], y: T) -> Sequence[T] | None:
        """All local derivatives of a logsumexp at once, or None: by its rule, each looks at all the others."""
        return None

    def evaluate(self, expression: str, names: tuple[str, ...], *arguments: Any) -> T:
        """An expression of the table applied to elements and numbers."""
        functions = self._functions.get(names)  # there are few tuples of names, and these are the same each time
        if functions is None:
            functions = self._functions[names] = {}
        made = functions.get(expression)
        if made is None:
            made = functions[expression] = function(expression, names, self.operations)
        result = made(*arguments)
        return self.number(result) if type(result) is float else result


class Joint(Generic[T]):
    """Nodes that pass on together, when the last of them has had its turn: the neurons of a layer (lowering/trace.py).

    They must have the same operands, or operands that are leaves.

    inputs   the operands that they share; the others are leaves
    """

    inputs: tuple[Value, ...]

    def passed_on(
        self, algebra: Algebra[T], adjoints: Mapping[Value, T], conditions: Mapping[Value, T | None],
        wanted: Collection[Value],
    ) -> list[tuple[Value, T, T | None, T | None]]:  # fmt: skip
        """(operand, adjoint, local derivative, condition), as for a single node, for those that have conditions.

        conditions   for each node that was reached, an element that is 0 where it is not reached, or None: always
        """
        raise NotImplementedError


def sweep(
    order: Sequence[Value],
    output: Value,
    wrt: Sequence[Value],
    algebra: Algebra[T],
    *,
    cut: Collection[Value] = (),
    joint: Mapping[Value, Joint[T]] | None = None,
) -> dict[Value, T]:
    """The adjoint of each node on which the output depends and which depends on ``wrt``, where it is reached at all.

    order  a topological order of what the output depends on
    cut    nodes that are taken for leaves, although they were computed
    joint  the nodes that pass on together with others

    The adjoints of leaves are written last and in the order of ``wrt``: those of a neuron's weights, which share a
    factor, are then neighbours.
    """
    joint = {} if joint is None else joint
    inner: list[Value] = []
    wanted = set(wrt)  # only nodes that depend on wrt need an adjoint
    for node in order:
        if node.op is None or node in cut:
            continue
        inner.append(node)
        a, b = node._a, node._b  # most nodes have one or two operands, and asking for ``parents`` takes its time
        if a.__class__ is not tuple:
            depends = a in wanted or b in wanted
        else:  # in ``wrt`` itself: perhaps a neuron, of whose thousand weights none need then be looked at
            depends = (
                node in wanted
                or not wanted.isdisjoint(_looked_at(node, joint))
                or (node in joint and not wanted.isdisjoint(node.parents))
            )
        if depends:
            wanted.add(node)
    doubt: set[Value] = set()
    if not algebra.marking and any(op.chooses for op in {node.op for node in inner} if op):
        made = [(node, node.op, _looked_at(node, joint)) for node in inner if node.op]
        doubt = doubtful(made, wanted, _number, algebra.trusts)
    adjoints: dict[Value, T] = {}
    terms: defaultdict[Value, list[tuple[T, T | None]]] = defaultdict(list)
    # For terms that are not always reached: elements that are 0 where they are not.
    conditions: dict[Value, list[T]] = {}
    if output in wanted:
        adjoints[output] = algebra.number(1.0)
    waiting: dict[Joint[T], int] = {}
    for node in inner if joint else ():
        if node in joint:
            waiting[joint[node]] = waiting.get(joint[node], 0) + 1
    limited: dict[Value, T | None] = {}  # the conditions of nodes that wait for others
    weighted_sum = algebra.weighted_sum
    for node in reversed(inner):
        arrived = terms.pop(node, None)
        adjoint = adjoints.get(node) if arrived is None else weighted_sum(arrived)  # that of the output is there
        together = joint.get(node) if joint else None
        condition = None
        if adjoint is not None:
            adjoints[node] = adjoint
            # Reached where one of its terms is, and always if one of them is always.
            limits = conditions.pop(node, None) if conditions else None
            if limits is not None and arrived is not None and len(limits) == len(arrived):
                condition = _either(limits, algebra)
            if together is not None:
                limited[node] = condition
        elif together is None:
            continue
        if together is not None:
            waiting[together] -= 1
            if waiting[together]:
                continue
            passed = together.passed_on(algebra, adjoints, limited, wanted)
        elif adjoint is not None:
            slopes = simple_slopes(node.op) if condition is None else None
            if slopes is not None:
                _pass_on_simply(node, slopes, adjoint, wanted, algebra, terms)
                continue
            passed = _passed_on(node, node.parents, adjoint, condition, wanted, doubt, algebra)
        for parent, adjoint, derivative, reached in passed:
            terms[parent].append((adjoint, derivative))
            if reached is not None:
                conditions.setdefault(parent, []).append(reached)
    for node in wrt:
        if node not in adjoints and node in terms:
            adjoints[node] = weighted_sum(terms[node])
    return adjoints


def _looked_at(node: Value, joint: Mapping[Value, Joint[T]]) -> tuple[Value, ...]:
    """The operands that say whether the result is finite: not a neuron's own leaves, perhaps a million."""
    if node in joint and not (node._b is not None and node._b.is_constant):
        return joint[node].inputs
    return node.parents


def _number(node: Value) -> float | None:
    return node.data if node.is_constant else None


def doubtful(
    instructions: Sequence[tuple[K, Op, Sequence[K]]],
    wanted: Container[K],
    number: Callable[[K], float | None],
    trusts: Callable[[K], bool] = lambda dot: True,
) -> set[K]:
    """What has derivatives behind it that may be infinite or nan: a choice that leaves it out writes a mask.

    Leaves may be any number, infinities and nan included. One thing is taken on trust, so that the layers of a network
    stay free of masks, and fast: that weighted inputs, and leaves where weighted inputs are made of them, are at most
    1e100.

    instructions   what is computed, the operation, and its operands; operands first
    wanted         what derivatives are asked of
    number         of a constant, or None
    trusts         whether a weighted input may be taken for as small as that
    """
    rows = {op for _, op, _ in instructions}
    if not any(op.chooses for op in rows):
        return set()
    dots = None
    if any(op.name == "dot" for op in rows):
        dots = _behind(instructions, wanted, number, trusts, MODERATE, None)
    return _behind(instructions, wanted, number, trusts, ANY, dots)


def _behind(
    instructions: Sequence[tuple[K, Op, Sequence[K]]], wanted: Container[K], number: Callable[[K], float | None],
    trusts: Callable[[K], bool], leaf: Bound, dots: set[K] | None,
) -> set[K]:  # fmt: skip
    """``doubtful`` with such leaves.

    dots   what was found for leaves that are trusted, and holds for the weighted inputs
    """
    doubt: set[K] = set()
    odd: set[K] = set()  # what may be infinite or nan itself, or is in doubt
    bounds: dict[K, Bound] = {}
    for node, op, operands in instructions:
        if op.name == "dot":  # its weights may be a million, and are not looked at one by one
            doubts = not odd.isdisjoint(operands) if dots is None else node in dots
            bounds[node] = MODERATE if trusts(node) and not doubts else ANY
            doubts = doubts or not trusts(node)
        else:
            for a in operands:
                if a not in bounds:
                    constant = number(a)
                    bounds[a] = leaf if constant is None else rounded(point(constant))
            within = tuple([bounds[a] for a in operands])
            varying = tuple([a in wanted for a in operands])
            n = len(operands)
            if op.arity is None:
                within, varying = (joined(within),), (any(varying),)
            bounds[node] = result(op, within, n, n == 2 and operands[0] is operands[1])
            doubts = node in wanted and (not safe(op, within, varying) or not doubt.isdisjoint(operands))
        if doubts:
            doubt.add(node)
        if doubts or not is_finite(bounds[node]):
            odd.add(node)
    return doubt


def _either(conditions: list[T], algebra: Algebra[T]) -> T:
    """An element that is not 0 where one of the conditions is not."""
    either, *others = dict.fromkeys(conditions)
    for condition in others:
        either = algebra.operations["maximum"](either, condition)
    return either


def _pass_on_simply(
    node: Value, slopes: list[tuple[int, _Slope]], adjoint: T, wanted: set[Value], algebra: Algebra[T],
    terms: defaultdict[Value, list[tuple[T, T | None]]],
) -> None:  # fmt: skip
    """Give the wanted operands of a node their terms, where it is always reached and its slopes are simple."""
    a, b = node._a, node._b
    nodes = (a, node) if b is None else (a, b, node)
    for k, slope in slopes:
        parent = nodes[k]
        if parent in wanted:
            terms[parent].append((adjoint, slope.at(nodes, algebra)))


def _passed_on(node: Value, parents: tuple[Value, ...], adjoint: T, condition: T | None, wanted: set[Value],
               doubt: set[Value], algebra: Algebra[T]) -> list[tuple[Value, T, T | None, T | None]]:  # fmt: skip
    """(parent, adjoint, local derivative, condition) for each wanted parent that is reached through the node."""
    op = node.op
    found: list[tuple[Value, T, T | None, T | None]] = []
    assert op is not None
    where, element, n = algebra.operations["where"], algebra.element, len(parents)
    if op.name == "dot":
        weights, inputs, bias = roles(parents)
        for parents, partners in ((weights, inputs), (inputs, weights)):
            for parent, partner in zip(parents, partners):
                if parent in wanted:
                    factor = element(partner)
                    if condition is not None and not algebra.is_finite(factor, op):
                        factor = where(condition, factor, 0.0)
                    found.append((parent, adjoint, factor, condition))
        if bias is not None and bias in wanted:
            found.append((bias, adjoint, None, condition))
        return found
    if op.name == "sum":  # all derivatives are 1
        return [(parent, adjoint, None, condition) for parent in parents if parent in wanted]
    slopes, shares = _slopes(op), None
    nodes = (*parents, node)
    arguments: list[Any] = []  # of the rules of a choice, or of an n-ary operation
    if not op.arguments:
        slopes, elements, y = slopes * n, list(map(element, parents)), element(node)
        shares = algebra.shares(elements, y) if op.name == "logsumexp" else None
    elif op.chooses:
        arguments = list(map(element, nodes))
        elements = arguments[:-1]
    for k, (parent, slope) in enumerate(zip(parents, slopes)):
        if slope.text == "0" or parent not in wanted:
            continue
        if not op.arguments:
            arguments = [elements[k], y, float(n), elements[:k] + elements[k + 1 :]]
        if slope.choice is None:
            if shares is not None:
                derivative: T | None = shares[k]
            elif op.arguments:
                derivative = slope.at(nodes, algebra)
            else:
                derivative = algebra.evaluate(slope.text, slope.names, *arguments)
            if derivative is not None and condition is not None and not algebra.is_finite(derivative, op):
                derivative = where(condition, derivative, 0.0)
            found.append((parent, adjoint, derivative, condition))
            continue
        if algebra.marking:
            number = partial(algebra.evaluate, slope.text, slope.names, *arguments)
            found.append((parent, adjoint, algebra.choice(op, k, elements, number), None))
            continue
        through, chosen = slope.choice
        below = condition
        if op.name == "where" or parent in doubt:
            if parent in doubt:
                algebra.masks()
            below = algebra.evaluate(chosen, slope.names, *arguments)
            if condition is not None:
                below = where(condition, below, 0.0)
        passed = algebra.evaluate(through, (*slope.names, "g"), *arguments, adjoint)
        if condition is not None and not always_safe(op):  # its slope on the branch taken is not always finite
            passed = where(condition, passed, 0.0)
        found.append((parent, passed, None, below))
    return found


class _Slope:
    """The rule for one operand of an operation, as the sweep looks at it.

    text, names   the expression, and the names of what is passed to it
    place         of which of these it is no more than the name, if it is; of an n-ary operation's None
    used, places  those of the names that the expression has in it, and their places
    choice        ``choosing``
    """

    __slots__ = ("text", "names", "place", "used", "places", "choice")

    def __init__(self, op: Op, k: int) -> None:
        self.text = op.rules[k if op.arity else 0]
        self.names = (*op.arguments, "y") if op.arity else ("a", "y", "n", "rest")
        self.place = self.names.index(self.text) if op.arity and self.text in self.names else None
        self.choice = choosing(op, k)
        found = names(rule(self.text))
        self.places = [place for place, name in enumerate(self.names) if name in found]
        self.used = tuple([self.names[place] for place in self.places])

    def at(self, nodes: Sequence[Value], algebra: Algebra[T]) -> T | None:
        """The local derivative at these operands and this result; None for 1. Not for n-ary operations."""
        if self.place is not None:
            return algebra.element(nodes[self.place])
        if self.text == "1":
            return None
        return algebra.evaluate(self.text, self.used, *[algebra.element(nodes[place]) for place in self.places])


@cache
def _slopes(op: Op) -> tuple[_Slope, ...]:
    """The rules of an operation, in the order of its operands; of an n-ary one, the rule for all of them."""
    return tuple([_Slope(op, k) for k in range(len(op.rules))])


@cache
def simple_slopes(op: Op) -> list[tuple[int, _Slope]] | None:
    """The rules that are not 0, with the places of their operands, of an operation that takes one or two operands and
    chooses none of them; None for any other.
    """
    slopes = _slopes(op)
    if op.arity not in (1, 2) or any(slope.choice for slope in slopes):
        return None
    return [(k, slope) for k, slope in enumerate(slopes) if slope.text != "0"]


@cache
def choosing(op: Op, k: int) -> tuple[str, str] | None:
    """For an operation that chooses: what passes to operand k of the adjoint ``g``, and whether it is chosen.

    Both are expressions of the table; None where operand k is always chosen.

    >>> from engine import OPS
    >>> choosing(OPS["relu"], 0)
    ('g if a > 0.0 else 0.0', '1.0 if a > 0.0 else 0.0')
    """
    from .expressions import Python

    tree = rule(op.rules[k if op.arity else 0])
    if not op.chooses or not any(isinstance(leaf, Number) and leaf.value == 0 for leaf in _branches(tree)):
        return None
    through = _with_branches(tree, lambda leaf: Call("mul", (leaf, Name("g"))))
    chosen = _with_branches(tree, lambda leaf: Number(1.0))
    return Python().text(through), Python().text(chosen)


def _branches(tree: Node) -> list[Node]:
    if isinstance(tree, Call) and tree.op == "where":
        return [leaf for branch in tree.operands[1:] for leaf in _branches(branch)]
    return [tree]


def _with_branches(tree: Node, change: Callable[[Node], Node]) -> Node:
    """The tree with every branch changed but those that are 0; a factor of 1 is left out."""
    if isinstance(tree, Call) and tree.op == "where":
        branches = [_with_branches(branch, change) for branch in tree.operands[1:]]
        return Call("where", (tree.operands[0], *branches))
    if isinstance(tree, Number) and tree.value == 0:
        return Number(0.0)
    changed = change(tree)
    if isinstance(changed, Call) and isinstance(tree, Number) and tree.value == 1:
        return changed.operands[1]
    return changed
