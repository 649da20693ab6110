"""What a job will be: its pixels, its tiles, and about how much memory and time it takes."""

from dataclasses import dataclass
from typing import Any

from impasto.core.contract import Cost
from impasto.jobs import calibration, memory
from impasto.jobs.perform import Run
from impasto.jobs.prepared import Prepared
from impasto.jobs.spec import Job
from impasto.nets import zoo


@dataclass(frozen=True)
class Plan:
    """What is to be expected of a job.

    Attributes:
        size: height and width of the result.
        memory: bytes of the whole process at most.
        seconds: of the whole process.
        start: how many of these pass before it begins to work.
        side: of the tiles in pixels; None if the picture is done at once.
        tiles: their number.
        margin: pixels of surroundings on each side of a tile.
        scale: how many along a side a pass sees as one, at most.
        refusal: why it would not be begun, and what would fit.
    """

    size: tuple[int, int]
    memory: float
    seconds: float
    start: float
    side: int | None = None
    tiles: int = 1
    margin: int = 0
    scale: int = 1
    refusal: str = ""


def planned(job: Job, *, prepared: Prepared | None = None) -> Plan:
    """What a job will take here, without doing it; of its content the header tells enough.

    Args:
        job: what would be done.
        prepared: stylizers that other jobs have left.

    Raises:
        ImpastoError: an option is not accepted, or a picture cannot be read.
    """
    run = Run(job, prepared=prepared)
    try:
        _settle(run)
    except memory.RoomError as refusal:
        return _expected(run, run.budget.whole(run.size), refusal=str(refusal))
    if run.whole:
        return _expected(run, run.budget.whole(run.size))
    around = {"side": run.side, "margin": run.margin, "scale": run.scale}
    cost = run.budget.tiled(run.size, **around)
    return _expected(run, cost, tiles=memory.tiles(run.size, run.side), **around)


def _settle(run: Run) -> None:
    """Find out whether there will be tiles, without downloading anything."""
    network = zoo.models().get(str(getattr(run.method, "network", "")))
    if network is None or network.status != "to download":
        run.begin()
    elif not run.fits:  # What takes a network of choice works on the whole.
        raise run.budget.refusal(run.size)


def _expected(run: Run, cost: Cost, **more: Any) -> Plan:
    start = calibration.pace() * memory.START
    seconds = start + calibration.pace() * cost.seconds
    return Plan(run.made_size, memory.LOADED + cost.memory, seconds, start, **more)
