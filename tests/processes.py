"""Which processes still live, for tests that end some."""

import psutil


def is_alive(pid: int) -> bool:
    """Whether `pid` still runs: one that has ended and that nobody has reaped yet does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
