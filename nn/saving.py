"""save and load: a model as a JSON file, which anyone can read and which runs no code when it is loaded.

Floats are written by repr, which gives back the same bits. An MLP is described whole; of a module of one's own, whose
code no file can hold, the file has the parameters by name.
"""

from __future__ import annotations

import math
import sys

from engine.files import write_whole
from engine.operands import shortened

from .activations import activation_names
from .layers import MLP, OUTPUTS
from .module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import Any, NoReturn, TypeVar, overload

    M = TypeVar("M", bound=Module)

FORMAT, PARAMETERS = "scalar-backprop-model", "scalar-backprop-parameters"
VERSION = 2  # 1 knew no mean and scale; a model without them is still written as 1


def save(model: Module, path: str | os.PathLike[str]) -> None:
    """Write the model to a JSON file; an existing file is replaced whole, or kept.

    Raises TypeError for what is not a Module, ValueError where a parameter is nan or infinite, OSError where the file
    cannot be written.

    >>> import os, tempfile
    >>> model = MLP(2, [3, 1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(model, os.path.join(folder, "model.json"))
    ...     load(os.path.join(folder, "model.json"))([0.5, -1.0]).data == model([0.5, -1.0]).data
    True
    """
    write_whole(path, to_text(model))


if TYPE_CHECKING:

    @overload
    def load(path: str | os.PathLike[str]) -> MLP: ...
    @overload
    def load(path: str | os.PathLike[str], model: M) -> M: ...


def load(path: str | os.PathLike[str], model: Module | None = None) -> Module:
    """The model that ``save`` wrote: the same architecture and the same parameters, bit for bit.

    model   where the file is that of a module of one's own: a new one, whose parameters are set; it is returned

    Raises ValueError, naming the file and what is wrong with it, where the file is no such model; OSError where it
    cannot be read.
    """
    loaded: Module = model_in(read_json(path), path, model)
    return loaded


def to_text(model: Module) -> str:
    """What ``save`` writes. Raises as ``save`` does."""
    import json  # with re and enum behind it, it would double the time that importing nn takes

    return json.dumps(content_of(model), allow_nan=False, indent=1) + "\n"


def content_of(model: Module) -> dict[str, Any]:
    """The model as what JSON can hold."""
    if not isinstance(model, Module):
        raise TypeError(f"save takes an MLP or another Module, got {type(model).__name__}")
    for name, parameter in model.named_parameters():
        if not math.isfinite(parameter.data):
            raise ValueError(f"save: {name} is {parameter.data}; only a finite model is saved, and no file was written")
    if not isinstance(model, MLP):
        return {
            "format": PARAMETERS,
            "version": 1,
            "module": type(model).__name__,
            "parameters": {name: parameter.data for name, parameter in model.named_parameters()},
        }
    content: dict[str, Any] = {
        "format": FORMAT,
        "version": 1 if model.mean is None else 2,
        "nin": model.nin,
        "sizes": list(model.sizes),
        "activation": model.activation,
        "output": model.output,
    }
    if model.mean is not None:
        content |= {"mean": model.mean, "scale": model.scale}
    if model.extra is not None:
        content["extra"] = model.extra
    content["layers"] = [{"weights": layer.W, "biases": layer.b} for layer in model.layers]
    return content


def read_json(path: str | os.PathLike[str], constants: bool = False) -> Any:
    """The content of a JSON file; nan and infinities are refused unless ``constants`` are allowed."""
    import json

    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file, parse_constant=float if constants else _refuse_constant)
    except (ValueError, RecursionError) as error:
        message = f"{path} is not a model file: not valid JSON ({error!s:.200}). Write model files with nn.save"
        raise ValueError(message) from None


def model_in(content: Any, path: object, model: Module | None = None) -> Any:
    """The model in the content of a file. Raises ValueError that names the file and what is wrong with it."""
    try:
        if isinstance(content, dict) and content.get("format") == PARAMETERS:
            return _filled(content, model)
        if model is not None:
            raise _Malformed(f"the file holds an MLP: load it without a {type(model).__name__}")
        return _model(content)
    except _Malformed as error:
        raise ValueError(f"{path}: {error}") from None


class _Malformed(Exception):
    """What is wrong in a model file, and what to do."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a finite number")


def _filled(content: dict[str, Any], model: Module | None) -> Module:
    """The model with the parameters of the file."""
    parameters, kind = content.get("parameters"), shortened(content.get("module"))
    if model is None:
        raise _Malformed(f"the file holds the parameters of a module of your own, {kind}: load(path, a new one)")
    if not isinstance(parameters, dict):
        raise _Malformed("'parameters' is missing: the file is damaged, save the model again")
    named = dict(model.named_parameters())
    if named.keys() != parameters.keys():
        differing = sorted(named.keys() ^ parameters.keys())
        where = "the file" if differing[0] in named else type(model).__name__
        raise _Malformed(f"{where} has no parameter {shortened(differing[0])}: it was saved from another {kind}")
    data = [_number(parameters[name], name) for name in named]
    for parameter, x in zip(named.values(), data):
        parameter.data = x
    return model


def _model(content: Any) -> MLP:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _Malformed(f'this is not a model file ("format" is not {FORMAT!r}). Write model files with nn.save')
    version = content.get("version")
    if type(version) is not int or version not in range(1, VERSION + 1):
        raise _Malformed(
            f"the file has version {shortened(version)}, and this release reads versions 1 to {VERSION}: "
            "save the model again with this release, or update the package"
        )
    for key in ("nin", "sizes", "activation", "output", "layers", *(("mean", "scale") if version == 2 else ())):
        if key not in content:
            raise _Malformed(f"{key!r} is missing: the file is damaged, save the model again")
    nin, sizes, layers = content["nin"], content["sizes"], content["layers"]
    if not _is_size(nin) or not isinstance(sizes, list) or not sizes or not all(map(_is_size, sizes)):
        raise _Malformed(
            f"nin and sizes must be positive integers, found nin={shortened(nin)}, sizes={shortened(sizes)}"
        )
    for key, choices in (("activation", activation_names()), ("output", tuple(OUTPUTS))):
        if content[key] not in choices:
            raise _Malformed(f"{key} is {shortened(content[key])}, which must be one of {', '.join(choices)}")
    if not isinstance(layers, list) or len(layers) != len(sizes):
        raise _Malformed(f"sizes names {len(sizes)} layers, the file has {_count(layers)}: save it again")
    # The numbers are checked before a model of the stated size is built: the file might state a huge one.
    parameters: list[float] = []
    for k, (layer, fan_in, fan_out) in enumerate(zip(layers, (nin, *sizes), sizes), 1):
        parameters += _parameters(layer, fan_in, fan_out, f"layer{k}")
    if content["output"] == "softmax" and sizes[-1] < 2:
        raise _Malformed("softmax needs at least 2 outputs, found 1")
    mean, scale = (_column(content[key], nin, key) if version == 2 else None for key in ("mean", "scale"))
    model = MLP(nin, sizes, content["activation"], content["output"])
    model.mean, model.scale, model.extra = mean, scale, content.get("extra")
    for parameter, data in zip(model.parameters(), parameters, strict=True):
        parameter.data = data
    return model


def _column(numbers: Any, nin: int, name: str) -> list[float]:
    """The mean or the scale of each input."""
    if not isinstance(numbers, list) or len(numbers) != nin:
        raise _Malformed(f"{name} has {_count(numbers)} numbers, and the model {nin} inputs")
    column = [_number(x, f"{name}[{j}]") for j, x in enumerate(numbers)]
    if name == "scale" and not all(x > 0 for x in column):
        raise _Malformed("scale must be positive for every input")
    return column


def _parameters(layer: Any, fan_in: int, fan_out: int, name: str) -> list[float]:
    """The parameters of a layer in the order of ``named_parameters``."""
    if not isinstance(layer, dict) or "weights" not in layer or "biases" not in layer:
        raise _Malformed(f"{name} has no weights or no biases: the file is damaged, save the model again")
    weights, biases = layer["weights"], layer["biases"]
    for what, given in (("weights", weights), ("biases", biases)):
        if not isinstance(given, list) or len(given) != fan_out:
            raise _Malformed(f"{name} has {what} of {_count(given)} neurons, and sizes says {fan_out}")
    numbers = []
    for j, (row, bias) in enumerate(zip(weights, biases), 1):
        if not isinstance(row, list) or len(row) != fan_in:
            raise _Malformed(f"{name}.neuron{j} has {_count(row)} weights, and its layer has {fan_in} inputs")
        names = [*(f"w{i}" for i in range(1, fan_in + 1)), "b"]
        numbers += [_number(x, f"{name}.neuron{j}.{label}") for x, label in zip((*row, bias), names)]
    return numbers


def _number(x: Any, name: str) -> float:
    if isinstance(x, (int, float)) and not isinstance(x, bool) and abs(x) <= sys.float_info.max:
        return float(x)
    raise _Malformed(f"{name} is {shortened(x)}: a parameter must be a finite number")


def _is_size(x: Any) -> bool:
    return isinstance(x, int) and not isinstance(x, bool) and 0 < x < 1 << 53


def _count(x: Any) -> str:
    return str(len(x)) if isinstance(x, list) else f"no list ({type(x).__name__})"
