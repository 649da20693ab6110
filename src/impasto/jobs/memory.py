"""How much memory there is, and how much a run takes: the numbers that decide about tiles.

All are growth beyond what the process holds once it is loaded, in bytes.
"""

import os
import re
from contextlib import suppress
from math import isfinite, sqrt
from pathlib import Path

from impasto.core.errors import OptionError
from impasto.media.image import SMALLEST

SHARE = 0.6
"""Of what is free, a run keeps to this share."""
LOADED = 0.3e9
"""Python, torch and the small networks, before there is a picture; measured 0.28e9."""

RUN, RUN_PIXEL = 0.2e9, 650
"""A run over the whole picture, and for each of its pixels. Gatys' method peaked at 0.50, 1.07 and
2.40 GB at 0.2, 0.8 and 3.1 million pixels, `LOADED` included; one pass takes half a pixel."""
TILES, TILE_PIXEL = 0.3e9, 350
"""A run tile by tile: what libvips holds, and for each pixel of a tile with its surroundings.
AdaIN and WCT peaked at 190 to 350 bytes, float32, tiles of 768 to 1152 pixels a side."""
ROW_PIXEL = 12
"""A pixel of the rows from which tiles are cut, and of those into which they are put."""

WHOLE = 2_400_000
"""Pixels up to which one pass over the whole is quicker than tiles and takes about 1.2 GB."""
SIDES = (1024, 896, 768, 640, 512, 384, 256)
"""Sides of tiles. Larger ones gain little, smaller ones are mostly surroundings."""

_UNITS = {"": 1e9, "gb": 1e9, "mb": 1e6}


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


def whole_fits(size: tuple[int, int], *, room: float) -> bool:
    """Whether a run over a whole picture of this height and width has room."""
    return RUN + RUN_PIXEL * size[0] * size[1] <= room


def refusal(size: tuple[int, int], *, room: float, method: str) -> OptionError:
    """What to say of a picture that has no room and cannot be worked on tile by tile."""
    pixels = size[0] * size[1]
    fitting = int(max(size) * sqrt(max(0, room - RUN) / RUN_PIXEL / pixels))
    needed = f"{(LOADED + RUN + RUN_PIXEL * pixels) / 1e9:.1f} GB"
    if fitting < SMALLEST:
        return OptionError(f"max_memory must be at least {needed} for {method} at this size")
    return OptionError(
        f"size must be at most {fitting} for {method} within {(LOADED + room) / 1e9:.1f} GB of "
        f"memory; {max(size)} needs about {needed}"
    )


def tile_side(width: int, *, margin: int, room: float, only: int | None = None) -> int:
    """The side of the largest tiles that have room, in pixels.

    Args:
        width: of the picture, in pixels: its rows are held as high as a tile.
        margin: pixels of surroundings on each side of a tile.
        room: bytes.
        only: the one side that will do.

    Raises:
        OptionError: not even small tiles have room.
    """
    needed = 0.0
    for side in (only,) if only else SIDES:
        reach = side + 2 * margin
        needed = TILES + TILE_PIXEL * reach**2 + ROW_PIXEL * width * (side + reach)
        if needed <= room:
            return side
    raise OptionError(
        f"max_memory must be at least {(LOADED + needed) / 1e9:.1f} GB for this picture"
    )
