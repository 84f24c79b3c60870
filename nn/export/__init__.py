"""The way out: a network as a function of NumPy or JAX, a module of PyTorch, an ONNX or a C file; and in from PyTorch.

network.py          what all of them read of a model
numpy_function.py   to_numpy;  c_file.py  to_c;  onnx_file.py  to_onnx;  jax_function.py  to_jax
torch_module.py     to_torch, from_torch

Activations come from the table of operations: what a target does not have of its own is made of what it has, by the
forward expression of the row (engine/derived.py).
"""

from __future__ import annotations

from .c_file import to_c
from .jax_function import to_jax
from .numpy_function import to_numpy
from .onnx_file import to_onnx
from .torch_module import from_torch, to_torch

__all__ = ["from_torch", "to_c", "to_jax", "to_numpy", "to_onnx", "to_torch"]
