"""How the processor and the memory are used: what is set once, for speed, before any work."""

import ctypes
from contextlib import suppress
from functools import cache

import torch

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Of `mallopt`, see its manual page."""
_KEPT, _LARGEST = 2**28, 2**25
"""Bytes of freed memory that a process keeps at most, and the largest piece that is kept; glibc
allows no larger one."""


def quicken() -> None:
    """Let this thread treat denormal numbers as zero, and this process keep memory that it frees.

    Threads inherit the first from the one that starts them, so this comes before all work.
    """
    torch.set_flush_denormal(True)
    _keep_memory()


@cache
def _keep_memory() -> None:
    """Of glibc, if it is there.

    By itself it gives a map back to the system as soon as it is freed, and the next is cleared page
    by page: up to a tenth of the time of a process.
    """
    with suppress(AttributeError, OSError, TypeError):  # Another system, another library.
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _LARGEST)
        mallopt(_TRIM_THRESHOLD, _KEPT)
        # Memory of other threads would be given back all the same.
        mallopt(_ARENA_MAX, 1)
