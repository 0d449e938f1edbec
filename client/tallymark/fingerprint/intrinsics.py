"""What numba lacks: unaligned loads and bit counts; and how kernels are compiled.

Kernels are cached on disk. The cache of a function does not notice a change in another file,
so `batch` holds the compiled code against the reference once a process.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])


OPTIONS: dict[str, Any] = {"nogil": True, "boundscheck": False, "error_model": "numpy"}


def compiled(function: Function) -> Function:
    """Compile for arrays, cached on disk where there is a place to write."""
    try:
        return cast(Function, njit(cache=True, **OPTIONS)(function))
    except RuntimeError:  # neither beside the source nor in the user's cache folder
        return cast(Function, njit(**OPTIONS)(function))


def borrowing(function: Function) -> Function:
    """Compile for a caller that holds the arrays: it makes none and keeps none.

    Elsewhere numba counts an array as in use wherever it is passed on, atomically, which for a
    short record is as much work as to sign it.
    """
    options = {**OPTIONS, "_nrt": False}  # numba's own name for it
    return cast(Function, njit(**options)(function))


def inlined(function: Function) -> Function:
    """Compile into each caller: for the steps of a loop."""
    return cast(Function, njit(inline="always", **OPTIONS)(function))


def _load_8(typing: Any, array: Any, at: Any) -> Any:
    """Eight bytes at array[at], little-endian."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.gep(data, [arguments[1]])
        return builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(array, at), generate


def _trailing_zeros(typing: Any, value: Any) -> Any:
    """The place of the lowest set bit of a uint64 that is not 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(value), generate


# Their typing context is the compiler's to pass, so that a type checker must not ask for it.
load_8: Any = intrinsic(_load_8)
trailing_zeros: Any = intrinsic(_trailing_zeros)


@compiled
def wide(value: Any) -> int:
    """Any integer as a signed one of 64 bits: unsigned ones mix with signed to floats."""
    return np.int64(value)  # type: ignore[return-value]
