"""The compiled kernel in a web process: loaded beside the requests, never while one waits.

Loading takes a second or two from the cache, some fifteen the first time on a machine. A request
that comes sooner is told so and when to ask again; nobody waits in the dark.
"""

from __future__ import annotations

import threading
import time

import structlog

from ingest import prints
from provenance.refusals import Refused

log = structlog.get_logger(__name__)

PATIENCE_SECONDS = 2.0
AFTER_START_SECONDS = 20.0
"""A web process that has just started has others' starts and its first pages beside it."""
SAMPLE = "The first text is only there to have the kernel loaded, compiled and checked once."


class Warming(Refused):
    """The detector is still being loaded in this process."""

    code = "detector_is_loading"
    status = 503
    hint = "Ask again in a few seconds."
    retry_after_seconds = 5


class _Kernel:
    """Whether this process has its kernel."""

    lock = threading.Lock()
    ready = threading.Event()
    is_begun = False


def begin() -> None:
    """Load the kernel in the background, once in each process."""
    with _Kernel.lock:
        if _Kernel.is_begun:
            return
        _Kernel.is_begun = True
    threading.Thread(target=_load, name="kernel", daemon=True).start()


def begin_soon() -> None:
    """Load the kernel a while after the start of a web process, unless a request comes sooner."""
    timer = threading.Timer(AFTER_START_SECONDS, begin)
    timer.daemon = True
    timer.start()


def require() -> None:
    """Wait a moment for the kernel. Raises Warming where that does not do."""
    begin()
    if not _Kernel.ready.wait(PATIENCE_SECONDS):
        raise Warming


def _load() -> None:
    began = time.monotonic()
    try:
        prints.of_texts([SAMPLE], [""])
    except BaseException:
        with _Kernel.lock:
            _Kernel.is_begun = False
        log.exception("the kernel could not be loaded")
        return
    _Kernel.ready.set()
    log.info("kernel loaded", seconds=round(time.monotonic() - began, 1))
