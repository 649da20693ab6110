"""How the processor and the memory are used: what is set once, for speed, before any work."""

import ctypes
import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import ClassVar

import torch

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Of `mallopt`, see its manual page."""
_KEPT, _LARGEST = 2**28, 2**25
"""Bytes of freed memory that a process keeps behind what is in use, and the largest piece that is
kept; glibc allows no larger one."""
_BETWEEN = 2**29
"""Bytes that it keeps between pieces in use."""


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


def tidy() -> None:
    """Let this process give back what has been freed between pieces in use, if it is much.

    Maps of many sizes, as those of tiles are, leave gaps that the next do not fit into. To be
    called now and then: what is given back is cleared page by page when it is needed again.
    """
    with suppress(AttributeError, OSError, TypeError):  # Another system, another library.
        libc = ctypes.CDLL(None)
        libc.mallinfo2.restype = _Malloc
        found = libc.mallinfo2()
        _, resident, shared, *_ = map(int, Path("/proc/self/statm").read_text().split())
        held = (resident - shared) * os.sysconf("SC_PAGE_SIZE")
        if held - found.uordblks - found.hblkhd > _BETWEEN:
            libc.malloc_trim(0)


class _Malloc(ctypes.Structure):
    """`struct mallinfo2`: bytes in use of the heap are `uordblks`, of other pieces `hblkhd`."""

    _fields_: ClassVar = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]
