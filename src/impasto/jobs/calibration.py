"""How quick this machine is beside that of the project's figures, measured once and kept."""

import json
import os
import platform
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from impasto.core.errors import ImpastoError
from impasto.media.image import write_bytes
from impasto.nets.fetch import cache_folder

REFERENCE = 0.00042
"""Seconds of the convolution below on two cores of an AMD EPYC, where the figures are from: on one
where it took 0.00062 s, whole processes took 1.5 times as long. It is so small that it fits into
caches and between the turns of other programs."""
SECONDS = 2.0
"""For which it is measured; the quickest counts, since others may use the machine."""


FORM = 2
"""Goes up when what is measured changes, so that older results are not taken for it."""


def pace(*, anew: bool = False) -> float:
    """Seconds here over seconds there; measured for a few seconds if this machine is not known.

    Args:
        anew: measure it even if it is known.
    """
    path = cache_folder() / "calibration.json"
    known = _read(path)
    key = _machine()
    if anew or key not in known:
        known[key] = _measured() / REFERENCE
        with suppress(ImpastoError, OSError):  # A cache that cannot be written is no harm.
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, json.dumps(known, indent=1).encode())
    return known[key]


def _machine() -> str:
    threads = torch.get_num_threads()
    capability = torch.backends.cpu.get_cpu_capability()
    words = (platform.node(), platform.machine(), capability, os.cpu_count(), threads)
    return " ".join(map(str, (FORM, *words, torch.__version__)))


def _read(path: Path) -> dict[str, float]:
    with suppress(OSError, ValueError, AttributeError):
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        known = [(str(name), value) for name, value in found.items()]
        return {name: v for name, v in known if isinstance(v, float) and 0 < v < 1e4}
    return {}


@torch.no_grad()
def _measured() -> float:
    picture, kernel = torch.rand(1, 32, 64, 64), torch.rand(32, 32, 3, 3)
    best, end = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        begin = time.perf_counter()
        F.conv2d(picture, kernel, padding=1)
        best = min(best, time.perf_counter() - begin)
    return best
