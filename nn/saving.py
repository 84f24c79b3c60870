"""save and load: a model as a JSON file, which anyone can read and which runs no code when it is loaded.

Floats are written by repr, which gives back the same bits. The file is written beside its destination and then put in
its place by os.replace: a crash on the way leaves the old file as it was.
"""

from __future__ import annotations

import math
import os
import sys
from contextlib import suppress

from .activations import activation_names
from .layers import MLP, OUTPUTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

FORMAT = "scalar-backprop-model"
VERSION = 1


def save(model: MLP, path: str | os.PathLike[str]) -> None:
    """Write the model to a JSON file; an existing file is replaced whole, or kept.

    Raises TypeError for what is no MLP, ValueError where a parameter is nan or infinite, OSError where the file cannot
    be written.
    """
    import json  # with re and enum behind it, it would double the time that importing nn takes

    if not isinstance(model, MLP):
        raise TypeError(f"save takes an MLP, got {type(model).__name__}")
    for name, parameter in model.named_parameters():
        if not math.isfinite(parameter.data):
            raise ValueError(f"save: {name} is {parameter.data}; only a finite model is saved, and {path} is unchanged")
    content = {
        "format": FORMAT,
        "version": VERSION,
        "nin": model.nin,
        "sizes": list(model.sizes),
        "activation": model.activation,
        "output": model.output,
        "layers": [
            {
                "weights": [[w.data for w in neuron.weights] for neuron in layer.neurons],
                "biases": [neuron.bias.data for neuron in layer.neurons],
            }
            for layer in model.layers
        ],
    }
    _write_whole(os.path.realpath(path), json.dumps(content, allow_nan=False, indent=1) + "\n")


def _write_whole(path: str | bytes, text: str) -> None:
    folder, name = os.path.split(os.fsdecode(path))
    temporary = os.path.join(folder, f".{name}.{os.urandom(4).hex()}.tmp")
    try:
        with open(temporary, "x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def load(path: str | os.PathLike[str]) -> MLP:
    """The model that ``save`` wrote: the same architecture and the same parameters, bit for bit.

    Raises ValueError, naming the file and what is wrong with it, where the file is no such model; OSError where it
    cannot be read.
    """
    import json

    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no model file: no valid JSON ({error}). Write model files with nn.save") from None
    try:
        return _model(content)
    except _Malformed as error:
        raise ValueError(f"{path}: {error}") from None


class _Malformed(Exception):
    """What is wrong in a model file, and what to do."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a finite number")


def _model(content: Any) -> MLP:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _Malformed(f'this is not a model file ("format" is not {FORMAT!r}). Write model files with nn.save')
    if content.get("version") != VERSION:
        raise _Malformed(
            f"the file has version {content.get('version')!r}, and this release reads version {VERSION}: "
            "save the model again with this release, or update the package"
        )
    for key in ("nin", "sizes", "activation", "output", "layers"):
        if key not in content:
            raise _Malformed(f"{key!r} is missing: the file is damaged, save the model again")
    nin, sizes, layers = content["nin"], content["sizes"], content["layers"]
    if not _is_size(nin) or not isinstance(sizes, list) or not sizes or not all(map(_is_size, sizes)):
        raise _Malformed(f"nin and sizes must be positive integers, found nin={nin!r:.40}, sizes={sizes!r:.60}")
    for key, choices in (("activation", activation_names()), ("output", tuple(OUTPUTS))):
        if content[key] not in choices:
            raise _Malformed(f"{key} is {content[key]!r:.40}, which must be one of {', '.join(choices)}")
    if not isinstance(layers, list) or len(layers) != len(sizes):
        raise _Malformed(f"sizes names {len(sizes)} layers, the file has {_count(layers)}: save it again")
    # The numbers are checked before a model of the stated size is built: the file might state a huge one.
    parameters: list[float] = []
    for k, (layer, fan_in, fan_out) in enumerate(zip(layers, (nin, *sizes), sizes), 1):
        parameters += _parameters(layer, fan_in, fan_out, f"layer{k}")
    if content["output"] == "softmax" and sizes[-1] < 2:
        raise _Malformed("softmax needs at least 2 outputs, found 1")
    model = MLP(nin, sizes, content["activation"], content["output"])
    for parameter, data in zip(model.parameters(), parameters, strict=True):
        parameter.data = data
    return model


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
    raise _Malformed(f"{name} is {x!r:.40}: a parameter must be a finite number")


def _is_size(x: Any) -> bool:
    return isinstance(x, int) and not isinstance(x, bool) and x > 0


def _count(x: Any) -> str:
    return str(len(x)) if isinstance(x, list) else f"no list ({type(x).__name__})"
