"""Optimisers: rules that turn gradients into a step of the parameters, with the semantics of torch.optim.

An optimiser is a class with a rule: how one parameter and its state follow from its gradient (see rule.py). A user's
own is written the same way:

>>> from engine import Value
>>> class Signs(Optimizer):
...     rule = "w = w - lr if g > 0 else w + lr"
>>> w = Value(3.0)
>>> optimizer = Signs([w], lr=0.5)
>>> (w * w).backward()
>>> optimizer.step()
>>> w.data
2.5

``update()`` computes the new data and the new state aside; ``step()`` computes and then writes both by one call that
Python does not interrupt, so that a step happens whole or not at all. A parameter whose ``grad`` was never written is
skipped, as PyTorch skips one whose grad is None.
"""

from __future__ import annotations

import math
import os
from _thread import RLock  # threading's, without the cost of importing threading
from array import array
from collections import deque
from functools import partial
from operator import call, setitem

from engine import Value
from engine.compiled import write_numbers
from engine.graph import distinct_leaves

from .rule import read_rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

State = dict[str, list[float]]

_listing = RLock()  # of two threads that ask for lists at once, the second gets those of the first
if hasattr(os, "register_at_fork"):  # a child of fork has no other threads; one that held the lock would never let go
    os.register_at_fork(after_in_child=_listing._at_fork_reinit)  # type: ignore[attr-defined]


class Same:
    """A list of n times one number that nobody has asked for yet."""

    __slots__ = ("number", "n")

    def __init__(self, number: float, n: int) -> None:
        self.number, self.n = number, n

    def tolist(self) -> list[float]:
        return [self.number] * self.n


class Optimizer:
    """What all optimisers share.

    params          the parameters, a list of leaf Values
    lr              the learning rate; may be changed between steps
    weight_decay    each gradient is taken as grad + weight_decay * data (AdamW differs: see there)
    state           name -> a list of floats, one a parameter; "step" counts the steps that each parameter has taken
                    (as floats). The other lists are named in each class, as PyTorch names them. ``step()`` replaces
                    ``state`` by a new dictionary of new lists; it may be saved, and assigned to continue.

    Raises ValueError or TypeError for hyperparameters out of range, an empty list, a parameter that is not a leaf or
    comes twice.
    """

    rule = ""  # the update of one parameter
    lists: tuple[str, ...] = ()  # names of the lists in state besides "step"
    _settings: tuple[str, ...] = ("lr", "weight_decay")

    def __init__(self, params: Iterable[Value], lr: float = 0.01, weight_decay: float = 0.0) -> None:
        self.params = _checked_parameters(params, type(self).__name__)
        self.lr = lr
        self.weight_decay = self._at_least_zero("weight_decay", weight_decay)
        vars(self)["state"] = {name: Same(0.0, len(self.params)) for name in ("step", *self.lists)}

    @property
    def state(self) -> State:
        """The lists of state."""
        kept = self.kept
        if type(kept) is dict:
            with _listing:
                for name, numbers in kept.items():
                    if type(numbers) in (Same, array, memoryview):
                        kept[name] = numbers.tolist()
        state: State = kept
        return state

    @state.setter
    def state(self, state: State) -> None:
        vars(self)["state"] = state

    @property
    def kept(self) -> Any:
        """``state`` as it is kept: what compiled training has made becomes lists when these are asked for.

        A million floats, made and freed, would take longer than an epoch.
        """
        return vars(self)["state"]

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "state": self.state}

    @property
    def lr(self) -> float:
        """The learning rate, a finite number of at least 0."""
        return self._lr

    @lr.setter
    def lr(self, lr: float) -> None:
        self._lr = self._at_least_zero("lr", lr)

    def update(self) -> tuple[list[float], State]:
        """The data and the state after one step, as new lists; nothing is changed yet."""
        if not self.rule:
            raise NotImplementedError(f"{type(self).__name__} must have a rule, or define update() -> (data, state)")
        rule, params, state = read_rule(self.rule, self.lists), self.params, self.state
        before = [[p.data for p in params], state["step"], *[state[name] for name in self.lists]]
        stepping = [i for i, p in enumerate(params) if p.has_grad]
        some = len(stepping) < len(params)
        w, steps, *others = [[column[i] for i in stepping] for column in before] if some else before
        t, gradients = [step + 1.0 for step in steps], [params[i].grad for i in stepping]
        numbers = {name: float(getattr(self, name)) for name in rule.needed}
        w, *others = rule.step([w, gradients, t, *others], numbers)
        after = [w, t, *others]
        if some:
            after = [list(column) for column in before]
            for column, new in zip(after, [w, t, *others]):
                for i, x in zip(stepping, new):
                    column[i] = x
        data, *lists = after
        return data, dict(zip(("step", *self.lists), lists))

    def step(self) -> None:
        """Take one step: parameters and state change together, or not at all."""
        self.commit(*self.update())

    def commit(self, data: Sequence[float], state: Mapping[str, Any]) -> None:
        """Write what ``update()`` returned, or the same state as ``kept`` may have it."""
        writes: tuple[Callable[[], object], ...] = (
            write_numbers(self.params, "data", data), partial(setitem, vars(self), "state", state)
        )  # fmt: skip
        # Called one after the other in C: no signal handler, hence no KeyboardInterrupt, comes between two writes.
        deque(map(call, writes), maxlen=0)

    def zero_grad(self) -> None:
        """Set ``grad`` of every parameter to 0.0."""
        for parameter in self.params:
            parameter.grad = 0.0

    def _at_least_zero(self, name: str, value: float) -> float:
        return self._checked(name, value, 0.0, math.inf)

    def _checked(self, name: str, value: float, low: float, below: float) -> float:
        if isinstance(value, (bool, str)) or not hasattr(value, "__float__"):
            raise TypeError(f"{type(self).__name__}: {name} must be a number, got {value!r} ({type(value).__name__})")
        number = float(value)
        if not low <= number < below:
            bound = "finite and at least 0" if below == math.inf else f"in [{low:g}, {below:g})"
            raise ValueError(f"{type(self).__name__}: {name} must be {bound}, got {value!r}")
        return number

    def settings(self) -> dict[str, Any]:
        """The hyperparameters, as the class takes them."""
        return {name: getattr(self, name) for name in self._settings}

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.settings().items())
        return f"{type(self).__name__}({len(self.params)} parameters, {settings})"


def _checked_parameters(params: Iterable[Value], name: str) -> list[Value]:
    if isinstance(params, Value) or not hasattr(params, "__iter__"):
        raise TypeError(f"{name} takes a list of parameters, got {type(params).__name__}: pass model.parameters()")
    listed = list(params)
    if not listed:
        raise ValueError(f"{name} got no parameters: pass model.parameters()")
    if distinct_leaves(listed):
        return listed
    seen: set[Value] = set()
    for k, parameter in enumerate(listed):
        if not isinstance(parameter, Value):
            raise TypeError(f"{name}: parameter {k} is {parameter!r:.60}, no Value: pass model.parameters()")
        if parameter.op is not None:
            raise ValueError(
                f"{name}: parameter {k} is computed ({parameter.op.name}), and a step on it would change nothing: "
                "pass leaves"
            )
        if parameter in seen:
            raise ValueError(f"{name}: parameter {k} ({parameter.label or 'unnamed'}) comes twice")
        seen.add(parameter)
    return listed


_DECAYED = "g = g if weight_decay == 0 else g + weight_decay * w"


class SGD(Optimizer):
    """Stochastic gradient descent: w ← w - lr * grad, with momentum where asked for.

    With momentum m the step is along a velocity v ← m * v + (1 - dampening) * grad, which starts as the first gradient;
    with ``nesterov`` along grad + m * v. Formulas: torch.optim.SGD; Sutskever et al. 2013, "On the importance of
    initialization and momentum in deep learning".

    state: "momentum_buffer", the velocity.
    """

    lists = ("momentum_buffer",)
    rule = f"""
        {_DECAYED}
        velocity = g if t == 1 else momentum * momentum_buffer + (1 - dampening) * g
        momentum_buffer = momentum_buffer if momentum == 0 else velocity
        g = g if momentum == 0 else g + momentum * velocity if nesterov != 0 else velocity
        w = w - lr * g
    """
    _settings = ("lr", "momentum", "dampening", "nesterov", "weight_decay")

    def __init__(
        self,
        params: Iterable[Value],
        lr: float = 0.1,
        momentum: float = 0.0,
        dampening: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, weight_decay)
        self.momentum = self._at_least_zero("momentum", momentum)
        self.dampening = self._at_least_zero("dampening", dampening)
        self.nesterov = bool(nesterov)
        if nesterov and not (momentum > 0 and dampening == 0):
            raise ValueError(
                f"SGD: nesterov needs momentum > 0 and dampening 0, got momentum={momentum!r}, dampening={dampening!r}"
            )


# Adam and AdamW share all but what weight decay does.
_MOMENTS = """exp_avg = exp_avg + (1 - beta1) * (g - exp_avg)
        exp_avg_sq = beta2 * exp_avg_sq + (1 - beta2) * g * g
        max_exp_avg_sq = max_exp_avg_sq if amsgrad == 0 else maximum(max_exp_avg_sq, exp_avg_sq)
        square = exp_avg_sq if amsgrad == 0 else max_exp_avg_sq
        w = w - lr / (1 - pow(beta1, t)) * (exp_avg / (sqrt(square) / sqrt(1 - pow(beta2, t)) + eps))"""


class Adam(Optimizer):
    """Adam: steps along running means of the gradient, divided by the root of running means of its square.

    With ``amsgrad`` the largest such mean so far divides. Formulas: torch.optim.Adam; Kingma and Ba 2015, "Adam: a
    method for stochastic optimization"; Reddi et al. 2018, "On the convergence of Adam and beyond".

    state: "exp_avg", "exp_avg_sq", "max_exp_avg_sq".
    """

    lists = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    rule = f"""
        {_DECAYED}
        {_MOMENTS}
    """
    _settings = ("lr", "betas", "eps", "weight_decay", "amsgrad")

    def __init__(
        self,
        params: Iterable[Value],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(params, lr, weight_decay)
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise TypeError(f"{type(self).__name__}: betas must be two numbers, got {betas!r}")
        self.betas = self._checked("betas[0]", betas[0], 0.0, 1.0), self._checked("betas[1]", betas[1], 0.0, 1.0)
        self.eps = self._at_least_zero("eps", eps)
        self.amsgrad = bool(amsgrad)

    @property
    def beta1(self) -> float:
        """The share of the running mean of gradients that is kept."""
        return self.betas[0]

    @property
    def beta2(self) -> float:
        """The share of the running mean of squares that is kept."""
        return self.betas[1]


class AdamW(Adam):
    """Adam whose weight decay shrinks the weights, w ← (1 - lr * weight_decay) * w, and does not enter the gradient.

    Formulas: torch.optim.AdamW; Loshchilov and Hutter 2019, "Decoupled weight decay regularization".

    state: as Adam's.
    """

    rule = f"""
        w = w * (1 - lr * weight_decay)
        {_MOMENTS}
    """

    def __init__(
        self,
        params: Iterable[Value],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad)


class RMSprop(Optimizer):
    """The gradient divided by the root of the running mean of its square.

    ``centered`` subtracts the square of the running mean, so that the variance divides; with momentum the quotients
    gather in a velocity. Formulas: torch.optim.RMSprop; Tieleman and Hinton 2012, lecture 6.5; Graves 2013,
    "Generating sequences with recurrent neural networks", for the centred form.

    state: "square_avg", "grad_avg", "momentum_buffer".
    """

    lists = ("square_avg", "grad_avg", "momentum_buffer")
    rule = f"""
        {_DECAYED}
        square_avg = alpha * square_avg + (1 - alpha) * g * g
        grad_avg = grad_avg if centered == 0 else grad_avg + (1 - alpha) * (g - grad_avg)
        variance = square_avg if centered == 0 else square_avg - grad_avg * grad_avg
        g = g / (sqrt(variance) + eps)
        momentum_buffer = momentum_buffer if momentum == 0 else momentum * momentum_buffer + g
        w = w - lr * (g if momentum == 0 else momentum_buffer)
    """
    _settings = ("lr", "alpha", "eps", "weight_decay", "momentum", "centered")

    def __init__(
        self,
        params: Iterable[Value],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        super().__init__(params, lr, weight_decay)
        self.alpha = self._checked("alpha", alpha, 0.0, 1.0)
        self.eps = self._at_least_zero("eps", eps)
        self.momentum = self._at_least_zero("momentum", momentum)
        self.centered = bool(centered)


class Adagrad(Optimizer):
    """The gradient divided by the root of the sum of all its squares so far; the rate decays as lr / (1 + t lr_decay).

    Formulas: torch.optim.Adagrad; Duchi, Hazan and Singer 2011, "Adaptive subgradient methods".

    state: "sum", which starts at ``initial_accumulator_value``.
    """

    lists = ("sum",)
    rule = f"""
        {_DECAYED}
        sum = sum + g * g
        w = w - lr / (1 + (t - 1) * lr_decay) * (g / (sqrt(sum) + eps))
    """
    _settings = ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")

    def __init__(
        self,
        params: Iterable[Value],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
    ) -> None:
        super().__init__(params, lr, weight_decay)
        self.lr_decay = self._at_least_zero("lr_decay", lr_decay)
        self.initial_accumulator_value = self._at_least_zero("initial_accumulator_value", initial_accumulator_value)
        self.eps = self._at_least_zero("eps", eps)
        self.kept["sum"] = Same(self.initial_accumulator_value, len(self.params))


OPTIMIZERS: dict[str, type[Optimizer]] = {kind.__name__: kind for kind in (SGD, Adam, AdamW, RMSprop, Adagrad)}
