"""What a job will be: its pixels, its tiles, and about how much memory and time it takes."""

from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import torch

from impasto.core.contract import Cost, Costed, InPasses, Learnt, Style
from impasto.core.errors import OptionError
from impasto.jobs import calibration, memory
from impasto.jobs.control import built
from impasto.jobs.prepared import generator, styles_of
from impasto.jobs.spec import Job
from impasto.nets import zoo
from impasto.universal.method import Painter

MOST = Cost(80e6, 4.5), Cost(1000, 6.7e-6)
"""What is assumed of a method that does not tell: for a picture, and for each of its pixels."""
START = 1.9
"""Seconds until a process with torch begins to work, there where `calibration` is from."""
LARGER = Cost(200e6, 0.5e-6)
"""Of enlarging: the maps of a strip, and the seconds of each pixel of the result."""
TILED = 50e6
"""Bytes that libvips holds beside the rows."""


@dataclass(frozen=True)
class Plan:
    """What is to be expected of a job.

    Attributes:
        size: height and width of the result.
        memory: bytes of the whole process at most.
        seconds: of the whole process.
        side: of the tiles in pixels; None if the picture is done at once.
        tiles: their number.
        margin: pixels of surroundings on each side of a tile.
        refusal: why it would not be begun, and what would fit.
    """

    size: tuple[int, int]
    memory: float
    seconds: float
    side: int | None = None
    tiles: int = 1
    margin: int = 0
    refusal: str = ""


def planned(job: Job) -> Plan:
    """What a job will take here, without doing it; opens no more than the content's header.

    Raises:
        ImpastoError: an option is not accepted, or the content cannot be read.
    """
    found = _painted(job)
    if job.upscale == 1:
        return found
    size = job.result_size()
    made = size[0] * size[1]
    # What is painted is freed by then; in tiles nothing but rows is held.
    held = LARGER.memory + (0.0 if found.side else 12.0 * made)
    seconds = calibration.pace() * LARGER.seconds * made
    return replace(
        found,
        size=size,
        memory=max(found.memory, memory.LOADED + held),
        seconds=found.seconds + seconds,
    )


def _painted(job: Job) -> Plan:
    method, _ = built(job.method, job.options)
    generator(job.seed)
    size = job.painted_size()
    room = memory.room(job.max_memory)
    fits = memory.whole_fits(size, room=room)
    margin = None
    if not fits or size[0] * size[1] > memory.WHOLE:
        margin = _margin(job, method, size, fits=fits)
    if margin is None:
        said = "" if fits else str(memory.refusal(size, room=room, method=job.method))
        return _estimated(size, _cost(method, size), refusal=said)
    try:
        side = memory.tile_side(size[1], margin=margin, room=room)
    except OptionError as refusal:
        return _estimated(size, _cost(method, size), refusal=str(refusal))
    return _tiled(method, size, side=side, margin=margin)


def _tiled(method: Any, size: tuple[int, int], *, side: int, margin: int) -> Plan:
    height, width = size
    reach = side + 2 * margin
    tile, whole = _cost(method, (reach, reach)), _cost(method, size)
    held = tile.memory + TILED + memory.ROW_PIXEL * width * (side + reach)
    tiles = ceil(height / side) * ceil(width / side)
    # What surrounds the tiles is looked at as well.
    seen = tiles * min(reach, height) * min(reach, width) / (height * width)
    cost = Cost(held, whole.seconds * max(1.0, seen))
    return _estimated(size, cost, side=side, tiles=tiles, margin=margin)


def _estimated(size: tuple[int, int], cost: Cost, **more: Any) -> Plan:
    seconds = calibration.pace() * (START + cost.seconds)
    return Plan(size, memory.LOADED + cost.memory, seconds, **more)


def _cost(method: Any, size: tuple[int, int]) -> Cost:
    if isinstance(method, Costed):
        return method.cost(size)
    base, pixel = MOST
    pixels = size[0] * size[1]
    return Cost(base.memory + pixel.memory * pixels, base.seconds + pixel.seconds * pixels)


def _margin(job: Job, method: Any, size: tuple[int, int], *, fits: bool) -> int | None:
    """The surroundings of tiles, None where the picture would be done at once or not at all."""
    network = zoo.models().get(str(getattr(method, "network", "")))
    if network is not None and network.status == "to download":
        return None  # A plan downloads nothing; what takes a network of choice works on the whole.
    styles = [Style(torch.full((1, 3, 64, 64), 0.5))]
    if isinstance(method, Learnt):
        styles = styles_of(job, method, size=size, whole=False, device="cpu")
    stylizer = method.prepare(styles, generator=torch.Generator())
    if not isinstance(stylizer, InPasses) or (fits and not isinstance(stylizer, Painter)):
        return None
    return max((each.margin for each in stylizer.passes(size)), default=0)
