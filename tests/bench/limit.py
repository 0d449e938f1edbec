"""The C limit of signatures on ASCII, built on the spot with the machine's own compiler."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tallymark.fingerprint import kernel_tables
from tallymark.fingerprint.batch import Texts

SOURCE = Path(__file__).with_name("limit.c")
NEEDED = {"avx512bw", "avx512dq", "avx512_vbmi2", "bmi2"}
SLACK = 256
"""What a vector may read or write past the end of a record's part of an array."""


class NoLimit(Exception):
    """This machine cannot show the limit, and why."""


class Scratch(ctypes.Structure):
    """What `sign` writes over for each record; see limit.c."""

    _fields_ = [
        (name, ctypes.c_void_p)
        for name in ("folded", "mask", "place", "first", "second", "length", "token", "shingle")
    ]


def signer(texts: Texts) -> Callable[[], NDArray[np.uint32]]:
    """A function that signs `texts`, which are ASCII, in C. Raises NoLimit."""
    compute = _built().sign
    compute.restype = None
    longest = int(np.diff(texts.offsets).max(initial=0)) + SLACK
    kinds = (np.uint8, np.uint64, np.uint32, *[np.uint64] * 4, np.uint32)
    arrays = [np.zeros(longest, kind) for kind in kinds]
    scratch = Scratch(*[array.ctypes.data for array in arrays])
    source = np.concatenate([texts.source, np.zeros(SLACK, np.uint8)])
    offsets, known = np.ascontiguousarray(texts.offsets), kernel_tables.constants()
    signatures = np.empty((len(offsets) - 1, 128), np.uint32)

    def place(array: NDArray) -> ctypes.c_void_p:
        return ctypes.c_void_p(array.ctypes.data)

    def sign() -> NDArray[np.uint32]:
        assert arrays, "the scratch outlives the call"
        compute(
            place(source), place(offsets), ctypes.c_int64(len(offsets) - 1), place(known.keys),
            place(known.multipliers), place(known.increments), place(signatures),
            ctypes.byref(scratch),
        )  # fmt: skip
        return signatures

    return sign


def _built() -> ctypes.CDLL:
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise NoLimit("there is no C compiler")
    flags = Path("/proc/cpuinfo")
    if not flags.exists() or NEEDED - set(flags.read_text().split()):
        raise NoLimit("the processor has no AVX-512 VBMI2")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "limit.so"
        subprocess.run(
            [compiler, "-O3", "-march=native", "-shared", "-fPIC", SOURCE, "-o", target], check=True
        )
        return ctypes.CDLL(str(target))
