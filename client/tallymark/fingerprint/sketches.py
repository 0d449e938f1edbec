"""Sketches of many short texts at once by the compiled kernel. Needs numpy and numba."""

from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from . import batch, kernel_short, kernel_tables, short
from .batch import SELF_TEST, Texts
from .scheme import SHORT_TOKENS


def of_texts(texts: Texts) -> list[NDArray[np.uint32]]:
    """`short.sketch` of each text."""
    _check()
    return _of_texts(texts)


def _of_texts(texts: Texts) -> list[NDArray[np.uint32]]:
    folded = batch.canonical(texts)
    ends = np.zeros(len(texts.offsets), np.int64)
    values = kernel_short.sketch_batch(
        folded.source, folded.offsets, kernel_tables.load().token_class, SHORT_TOKENS, ends[1:]
    )
    return [values[a:z] for a, z in pairwise(ends.tolist())]


@cache
def _check() -> None:
    """Hold the compiled code against the reference once, as `batch` does."""
    made = _of_texts(batch.of_list([SELF_TEST]))[0].tolist()
    assert made == short.sketch(SELF_TEST), "stale compiled kernel: delete its __pycache__"
