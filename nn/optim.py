"""Optimisers: rules that turn gradients into a step of the parameters, with the semantics of torch.optim.

An optimiser reads ``data`` and ``grad`` of its parameters. ``update()`` computes the new data and the new state aside;
``step()`` computes and then writes both by one call that Python does not interrupt, so that a step happens whole or not
at all. A parameter whose ``grad`` was never written is skipped, as PyTorch skips one whose grad is None.
"""

from __future__ import annotations

import math
from collections import deque

from engine import Value
from engine.ieee import scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

State = dict[str, list[float]]

_divide, _sqrt = scalar["div"], scalar["sqrt"]  # IEEE: x/0 and the root of a negative number do not raise


class Optimizer:
    """What all optimisers share.

    params          the parameters, a list of leaf Values
    lr              the learning rate; may be changed between steps
    weight_decay    each gradient is taken as grad + weight_decay * data (except in AdamW, which see)
    state           name -> a list of floats, one a parameter; "step" counts the steps that each parameter has taken
                    (as floats). The other lists are named in each class, as PyTorch names them. ``step()`` replaces
                    ``state`` by a new dictionary of new lists; it may be saved, and assigned to continue.

    Raises ValueError or TypeError for hyperparameters out of range, an empty list, a parameter that is not a leaf or
    comes twice.
    """

    _lists: tuple[str, ...] = ()  # names of the lists in state besides "step"

    def __init__(self, params: Iterable[Value], lr: float, weight_decay: float) -> None:
        self.params = _checked_parameters(params, type(self).__name__)
        self.lr = lr
        self.weight_decay = self._at_least_zero("weight_decay", weight_decay)
        self.state: State = {name: [0.0] * len(self.params) for name in ("step", *self._lists)}

    @property
    def lr(self) -> float:
        """The learning rate, a finite number of at least 0."""
        return self._lr

    @lr.setter
    def lr(self, lr: float) -> None:
        self._lr = self._at_least_zero("lr", lr)

    def update(self) -> tuple[list[float], State]:
        """The data and the state after one step, as new lists; nothing is changed yet."""
        raise NotImplementedError(f"{type(self).__name__} must define update(), which returns (data, state)")

    def step(self) -> None:
        """Take one step: parameters and state change together, or not at all."""
        self.commit(*self.update())

    def commit(self, data: list[float], state: State) -> None:
        """Write what ``update()`` returned."""
        targets = [*self.params, self]
        names = ["data"] * len(self.params) + ["state"]
        # map, setattr and deque run in C: no signal handler, hence no KeyboardInterrupt, comes between two writes.
        deque(map(setattr, targets, names, [*data, state]), maxlen=0)

    def zero_grad(self) -> None:
        """Set ``grad`` of every parameter to 0.0."""
        for parameter in self.params:
            parameter.grad = 0.0

    def _next_state(self) -> State:
        return {name: list(values) for name, values in self.state.items()}

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

    def _hyperparameters(self) -> dict[str, object]:
        return {"lr": self.lr, "weight_decay": self.weight_decay}

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self._hyperparameters().items())
        return f"{type(self).__name__}({len(self.params)} parameters, {settings})"


def _checked_parameters(params: Iterable[Value], name: str) -> list[Value]:
    if isinstance(params, Value) or not hasattr(params, "__iter__"):
        raise TypeError(f"{name} takes a list of parameters, got {type(params).__name__}: pass model.parameters()")
    listed = list(params)
    if not listed:
        raise ValueError(f"{name} got no parameters: pass model.parameters()")
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


class SGD(Optimizer):
    """Stochastic gradient descent: w ← w - lr * grad, with momentum where asked for.

    With momentum m the step is along a velocity v ← m * v + (1 - dampening) * grad, which starts as the first gradient;
    with ``nesterov`` along grad + m * v. Formulas: torch.optim.SGD; Sutskever et al. 2013, "On the importance of
    initialization and momentum in deep learning".

    state: "momentum_buffer", the velocity.
    """

    _lists = ("momentum_buffer",)

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

    def update(self) -> tuple[list[float], State]:
        lr, momentum, decay, keep = self.lr, self.momentum, self.weight_decay, 1 - self.dampening
        state = self._next_state()
        steps, velocity = state["step"], state["momentum_buffer"]
        data = []
        for i, parameter in enumerate(self.params):
            w = parameter.data
            if parameter.has_grad:
                g = parameter.grad
                if decay:
                    g += decay * w
                if momentum:
                    velocity[i] = momentum * velocity[i] + keep * g if steps[i] else g
                    g = g + momentum * velocity[i] if self.nesterov else velocity[i]
                steps[i] += 1.0
                w -= lr * g
            data.append(w)
        return data, state

    def _hyperparameters(self) -> dict[str, object]:
        names = ("lr", "momentum", "dampening", "nesterov", "weight_decay")
        return {name: getattr(self, name) for name in names}


class Adam(Optimizer):
    """Adam: steps along running means of the gradient, divided by the root of running means of its square.

    With ``amsgrad`` the largest such mean so far divides. Formulas: torch.optim.Adam; Kingma and Ba 2015, "Adam: a
    method for stochastic optimization"; Reddi et al. 2018, "On the convergence of Adam and beyond".

    state: "exp_avg", "exp_avg_sq", "max_exp_avg_sq".
    """

    _lists = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    decoupled = False  # whether weight decay shrinks the weights directly, rather than through the gradient

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

    def update(self) -> tuple[list[float], State]:
        lr, decay, eps, (beta1, beta2) = self.lr, self.weight_decay, self.eps, self.betas
        state = self._next_state()
        steps, mean, square, largest = (state[name] for name in ("step", *self._lists))
        data = []
        for i, parameter in enumerate(self.params):
            w = parameter.data
            if parameter.has_grad:
                g = parameter.grad
                steps[i] += 1.0
                if self.decoupled:
                    w *= 1 - lr * decay
                elif decay:
                    g += decay * w
                mean[i] += (1 - beta1) * (g - mean[i])
                square[i] = beta2 * square[i] + (1 - beta2) * g * g
                v = square[i]
                if self.amsgrad:
                    v = largest[i] = max(largest[i], v)
                step_size = lr / (1 - beta1 ** steps[i])
                w -= step_size * _divide(mean[i], _sqrt(v) / math.sqrt(1 - beta2 ** steps[i]) + eps)
            data.append(w)
        return data, state

    def _hyperparameters(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in ("lr", "betas", "eps", "weight_decay", "amsgrad")}


class AdamW(Adam):
    """Adam whose weight decay shrinks the weights, w ← (1 - lr * weight_decay) * w, and does not enter the gradient.

    Formulas: torch.optim.AdamW; Loshchilov and Hutter 2019, "Decoupled weight decay regularization".

    state: as Adam's.
    """

    decoupled = True

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

    _lists = ("square_avg", "grad_avg", "momentum_buffer")

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

    def update(self) -> tuple[list[float], State]:
        lr, alpha, eps, decay, momentum = self.lr, self.alpha, self.eps, self.weight_decay, self.momentum
        state = self._next_state()
        steps, square, mean, velocity = (state[name] for name in ("step", *self._lists))
        data = []
        for i, parameter in enumerate(self.params):
            w = parameter.data
            if parameter.has_grad:
                g = parameter.grad
                steps[i] += 1.0
                if decay:
                    g += decay * w
                square[i] = alpha * square[i] + (1 - alpha) * g * g
                v = square[i]
                if self.centered:
                    mean[i] += (1 - alpha) * (g - mean[i])
                    v -= mean[i] * mean[i]
                g = _divide(g, _sqrt(v) + eps)
                if momentum:
                    g = velocity[i] = momentum * velocity[i] + g
                w -= lr * g
            data.append(w)
        return data, state

    def _hyperparameters(self) -> dict[str, object]:
        names = ("lr", "alpha", "eps", "weight_decay", "momentum", "centered")
        return {name: getattr(self, name) for name in names}


class Adagrad(Optimizer):
    """The gradient divided by the root of the sum of all its squares so far; the rate decays as lr / (1 + t lr_decay).

    Formulas: torch.optim.Adagrad; Duchi, Hazan and Singer 2011, "Adaptive subgradient methods".

    state: "sum", which starts at ``initial_accumulator_value``.
    """

    _lists = ("sum",)

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
        self.state["sum"] = [self.initial_accumulator_value] * len(self.params)

    def update(self) -> tuple[list[float], State]:
        decay, eps = self.weight_decay, self.eps
        state = self._next_state()
        steps, total = state["step"], state["sum"]
        data = []
        for i, parameter in enumerate(self.params):
            w = parameter.data
            if parameter.has_grad:
                g = parameter.grad
                if decay:
                    g += decay * w
                rate = self.lr / (1 + steps[i] * self.lr_decay)
                steps[i] += 1.0
                total[i] += g * g
                w -= rate * _divide(g, _sqrt(total[i]) + eps)
            data.append(w)
        return data, state

    def _hyperparameters(self) -> dict[str, object]:
        names = ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")
        return {name: getattr(self, name) for name in names}
