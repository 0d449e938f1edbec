"""The fingerprints of `tallymark.fingerprint.batch`, made on a GPU: raw bytes in, prints out.

Every step is a torch operation on the device, from UTF-8 to signatures; the host slices chunks
and signs the few records that are not worth teaching a GPU: those whose characters change with
their neighbours, and those with an enormous token or more bytes than a chunk. torch is imported
on first use, and only where there is a GPU: without one, nothing here costs a worker anything.
"""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tallymark.fingerprint.batch import Prints, Texts

log = logging.getLogger(__name__)

LEAST_BYTES = 1 << 20
"""A smaller batch is signed on the CPU before it would have reached the device."""
DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""What the drivers of CUDA, of CUDA under Windows' Linux and of ROCm put there."""


class _Trust:
    """Whether this process still takes what its device says."""

    is_lost = False


@cache
def available() -> bool:
    """Whether torch sees a GPU (hide it by CUDA_VISIBLE_DEVICES=). Imports torch if one may be."""
    if not any(Path(driver).exists() for driver in DRIVERS):
        return False
    try:
        import torch
    except (ImportError, OSError):
        return False
    return bool(torch.cuda.is_available())


def attempt(texts: Texts, *, signatures: bool = True, shingles: bool = True) -> Prints | None:
    """The prints of `texts` by the GPU, or None where the CPU is to make them.

    That is without a GPU, for a small batch, and for good once the device has failed.
    """
    size = int(texts.offsets[-1] - texts.offsets[0])
    if size < LEAST_BYTES or _Trust.is_lost or not available():
        return None
    from .batches import DeviceDiffers, prints

    try:
        return prints(texts, device="cuda", signatures=signatures, shingles=shingles)
    except (RuntimeError, DeviceDiffers) as error:
        # Out of memory, a lost or too old device: torch raises RuntimeError for all of them.
        _Trust.is_lost = True
        log.warning("fingerprints are made on the CPU from here on: %s", error)
        return None
