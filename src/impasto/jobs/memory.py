"""How much memory there is, and how much a run takes: what decides about tiles and refusals.

`impasto plan` tells what is found here, and every run is held to it.
"""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil, isfinite
from pathlib import Path
from typing import Any

from torch import Tensor

from impasto.core.contract import Cost, Costed, Task
from impasto.core.errors import OptionError
from impasto.media.image import SMALLEST
from impasto.ops.resample import fit

SHARE = 0.6
"""Of what is free, a run keeps to this share."""
LOADED = 0.3e9
"""Bytes of Python, torch and the small networks, before there is a picture."""
START = 1.9
"""Seconds until a process with torch begins to work, there where `calibration` is from."""
UNKNOWN = Cost(80e6, 4.5), Cost(700, 6.7e-6)
"""What is assumed of a method that does not tell: for a picture, and for each of its pixels."""

LARGER = Cost(200e6, 0.5e-6)
"""Of enlarging: the maps of a strip, and the seconds of each pixel of the result."""
DECODED = 8
"""Bytes a pixel of a content that is decoded whole."""
TILED = 50e6
"""Bytes that libvips holds beside the rows."""
ROW_PIXEL = 12
"""A pixel of the rows from which tiles are cut, and of those into which they are put."""

WHOLE = 2_400_000
"""Pixels up to which one pass over the whole is quicker than tiles and takes about 1.2 GB."""
SIDES = (1024, 896, 768, 640, 576, 512, 384, 256)
"""Sides of tiles. Larger ones gain little, smaller ones are mostly surroundings."""

_UNITS = {"": 1e9, "gb": 1e9, "mb": 1e6}


class RoomError(OptionError):
    """A picture for which there is no memory."""


def parse(words: str | int | float) -> float:
    """Bytes of "2GB", "1500MB" or a number of GB.

    Raises:
        OptionError: it is none of these, or not above 0.
    """
    found = re.fullmatch(r"([0-9.]+(?:e[0-9]+)?) ?(gb|mb|)", str(words).strip().lower())
    with suppress(ValueError):
        size = float(found[1]) * _UNITS[found[2]] if found else 0.0
        if size > 0 and isfinite(size):
            return size
    raise OptionError(
        f"max_memory must be a size such as 2GB or 1500MB, or a number of GB; got {words!r}"
    )


def room(limit: float | None) -> float:
    """Bytes by which a run may grow: up to a limit for the process, or by a share of what is free.

    Args:
        limit: bytes of the whole process; None is the default.
    """
    return SHARE * free() if limit is None else limit - LOADED


def free() -> float:
    """Bytes of memory that could be had now, as far as the system tells."""
    with suppress(OSError):
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
        if found:
            return int(found[1]) * 1024.0
    with suppress(AttributeError, OSError, ValueError):  # No such call, or no such number.
        # Half of all there is; what is free is not told.
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
    return 4e9


@dataclass(frozen=True)
class Budget:
    """What a method takes, beside what there is for it.

    Attributes:
        name: of the method.
        method: built from a job's options.
        room: bytes by which the process may grow.
        known: of each style what was learnt or measured, beside its picture.
        decoded: pixels of the content that are held at once while it is read.
        by: how many times as high and wide as it is painted the picture is made.
    """

    name: str
    method: Any
    room: float
    known: Sequence[Mapping[str, Tensor]] = ({},)
    decoded: int = 0
    by: int = 1

    def whole(self, size: tuple[int, int]) -> Cost:
        """Of a picture of this height and width that is done at once."""
        cost = self._cost(Task(*size, self.known))
        more = self._larger(size)
        # What is read is freed before it is painted, and that before it is enlarged.
        held = more.memory + (ROW_PIXEL * self.by**2 * size[0] * size[1] if self.by > 1 else 0.0)
        held = max(cost.memory, float(DECODED * self.decoded), held)
        return Cost(held, cost.seconds + more.seconds)

    def tiled(self, size: tuple[int, int], *, side: int, margin: int, scale: int = 1) -> Cost:
        """Of a picture of this height and width that is done in tiles, see `side`."""
        lengths = ceil(size[0] / scale), ceil(size[1] / scale)
        down, across = (ceil(length / ceil(length / side)) for length in lengths)
        seen = min(lengths[0], down + 2 * margin), min(lengths[1], across + 2 * margin)
        tile = self._cost(Task(*seen, self.known, tile=True))
        every = self._cost(Task(*size, self.known, tile=True))
        more = self._larger(size)
        # What is painted, what it is painted from, and what the first pass was given.
        rows = ROW_PIXEL * size[1] * scale * (down + 2 * seen[0])
        held = max(tile.memory, more.memory) + TILED + rows
        # What surrounds the tiles is looked at as well.
        share = tiles(lengths, side) * seen[0] * seen[1] / (lengths[0] * lengths[1])
        return Cost(held, every.seconds * share + more.seconds)

    def fits(self, size: tuple[int, int]) -> bool:
        """Whether a picture of this height and width can be done at once."""
        return self.whole(size).memory <= self.room

    def side(
        self, size: tuple[int, int], *, margin: int, scale: int = 1, only: int | None = None
    ) -> int:
        """The side of the largest tiles that have room, in pixels.

        Args:
            size: height and width of the picture.
            margin: pixels of surroundings on each side of a tile.
            scale: how many along a side a pass sees as one, at most; for it side and margin are
                counted in these.
            only: the one side that will do.

        Raises:
            RoomError: not even small tiles have room.
        """
        needed, largest = 0.0, self._cost(Task(*size, self.known, tile=True)).largest or SIDES[0]
        for side in (only,) if only else [side for side in SIDES if side <= largest]:
            needed = self.tiled(size, side=side, margin=margin, scale=scale).memory
            if needed <= self.room:
                return side
        raise RoomError(f"max_memory must be at least {_gigabytes(needed)} for this picture")

    def refusal(self, size: tuple[int, int]) -> RoomError:
        """What to say of a picture that has no room and cannot be worked on tile by tile."""
        needed = _gigabytes(self.whole(size).memory)
        fitting = self._largest(size)
        if fitting < SMALLEST:
            return RoomError(f"max_memory must be at least {needed} for {self.name} at this size")
        return RoomError(
            f"size must be at most {fitting} for {self.name} within "
            f"{(LOADED + self.room) / 1e9:.1f} GB of memory; {max(size)} needs about {needed}"
        )

    def _largest(self, size: tuple[int, int]) -> int:
        """The long side of the largest picture of this shape that has room; 0 if none has."""
        least, most = 0, max(size)
        while most - least > 1:
            side = (least + most) // 2
            fits = self.fits(fit(*size, long_side=side))
            least, most = (side, most) if fits else (least, side)
        return least

    def _larger(self, size: tuple[int, int]) -> Cost:
        made = self.by**2 * size[0] * size[1]
        return Cost(LARGER.memory, LARGER.seconds * made) if self.by > 1 else Cost(0.0, 0.0)

    def _cost(self, task: Task) -> Cost:
        if isinstance(self.method, Costed):
            return self.method.cost(task)
        base, pixel = UNKNOWN
        return Cost(
            base.memory + pixel.memory * task.pixels, base.seconds + pixel.seconds * task.pixels
        )


def tiles(size: tuple[int, int], side: int) -> int:
    """How many tiles of this side a picture of this height and width has."""
    return ceil(size[0] / side) * ceil(size[1] / side)


def _gigabytes(more: float) -> str:
    """What the whole process takes, of growth in bytes; upwards, so that it is enough."""
    return f"{ceil((LOADED + more) / 1e8) / 10:.1f} GB"
