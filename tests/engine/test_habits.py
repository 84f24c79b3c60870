"""Habits from other engines work here, or an error says what to write instead: never a wrong result without a word."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

import engine
from engine import Value, grad, toposort


@pytest.mark.parametrize("number", [2.0, 2, True, Fraction(1, 2), Decimal(2)])
def test_equality_with_a_number_is_refused(number):
    """In a loss ``p == 1.0`` would be False for every p: on either side it is an error that says what to write."""
    a = Value(2.0)
    for compare in (lambda: a == number, lambda: number == a, lambda: a != number, lambda: a in [number]):
        with pytest.raises(TypeError, match=r"\.data.*engine\.eq"):
            compare()


def test_equality_with_anything_else_is_identity():
    """Sets, lists and None work as for any object."""
    a, b = Value(2.0), Value(2.0)
    assert a == a
    assert a != b
    assert a != None  # noqa: E711
    assert a != "2"
    assert a in [b, a]
    assert b not in {a}
    assert len({a, b, a}) == 2


def test_equality_with_a_numpy_number_is_refused():
    """NumPy's scalars are numbers too, on either side."""
    np = pytest.importorskip("numpy")
    for compare in (lambda: Value(2.0) == np.float64(2), lambda: np.float32(2) == Value(2.0)):
        with pytest.raises(TypeError, match=r"engine\.eq"):
            compare()


def test_a_label_is_text():
    """micrograd's second argument, the operands, is told from a label."""
    a = Value(1.0)
    with pytest.raises(TypeError, match=r"label is text.*an operation makes the node"):
        Value(6.0, (a, a))


@pytest.mark.parametrize("name", ["_prev", "_op", "_backward", "item", "requires_grad"])
def test_names_of_other_engines_name_ours(name):
    """Reading and writing them is an AttributeError that says what is called how here."""
    for touch in (lambda a: getattr(a, name), lambda a: setattr(a, name, 1)):
        with pytest.raises(AttributeError, match=f"has no {name}: "):
            touch(Value(1.0))
    assert not hasattr(Value(1.0), name)


def test_a_gradient_of_none_is_none_written():
    """``a.grad = None`` is how PyTorch users clear a gradient: the next backward starts from 0."""
    a = Value(3.0, "a")
    (a * a).backward()
    a.grad = None
    assert not a.has_grad
    (a * a).backward()
    assert a.grad == 6.0
    a.grad = "six"
    with pytest.raises(TypeError, match="the gradient of a is 'six'"):
        (a * a).backward()


def test_detach_gives_a_constant():
    """The number goes on, the derivative does not: d(x · detach(x))/dx is x."""
    x = Value(3.0, "x")
    cut = (x * 2).detach()
    assert cut.data == 6.0
    assert cut.is_constant
    assert toposort(cut) == [cut]
    assert grad(x * x.detach(), x) == 3.0


def test_an_operator_that_does_not_know_its_operand_asks_it():
    """A foreign type's reflected method is tried; where there is none, Python's own error names both types."""

    class Foreign:
        def __radd__(self, other):
            return "foreign"

    assert Value(1.0) + Foreign() == "foreign"
    with pytest.raises(TypeError, match="'Value' and 'list'"):
        Value(1.0) - [1.0]


def test_what_was_received_is_shown_in_60_characters():
    """A message shows all of what is short, and of what is long 57 characters and that there are more."""
    with pytest.raises(TypeError, match=re.escape(f"got {[1] * 20} of type list")):
        Value([1] * 20)
    with pytest.raises(TypeError, match=re.escape(f"got {str([1] * 21)[:57]}... of type list")):
        Value([1] * 21)


def test_switching_gradients_off_is_answered():
    """``engine.no_grad`` and a name that nothing has are AttributeErrors; the first says why it is missing."""
    with pytest.raises(AttributeError, match="engine has no no_grad: a graph is gone when it is dropped"):
        engine.no_grad  # noqa: B018
    with pytest.raises(AttributeError, match="module 'engine' has no attribute 'no_such_name'"):
        engine.no_such_name  # noqa: B018


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_forked_during_a_walk_can_walk():
    """A thread that walks when another one forks does not exist in the child, and must not hold its lock there."""
    code = """
import os, sys, threading, warnings
from engine import Value
warnings.simplefilter("ignore")
from engine.graph import alone
held, done = threading.Event(), threading.Event()
def walk():
    with alone:
        held.set()
        done.wait()
threading.Thread(target=walk, daemon=True).start()
held.wait()
child = os.fork()
if not child:
    a = Value(2.0)
    (a * a).backward()
    os._exit(int(a.grad))
import time
for _ in range(200):
    pid, status = os.waitpid(child, os.WNOHANG)
    if pid:
        break
    time.sleep(0.05)
else:
    os.kill(child, 9)
    print("the child hangs")
print(os.waitstatus_to_exitcode(status) if pid else "")
done.set()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(engine.__file__).parent.parent, capture_output=True,
                          text=True, timeout=60)  # fmt: skip
    assert done.stdout.strip() == "4", done.stdout + done.stderr
