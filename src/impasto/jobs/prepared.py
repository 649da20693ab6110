"""Prepared methods: a batch loads its networks and measures its styles once."""

from collections.abc import Hashable, Mapping
from math import ceil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from impasto.core.contract import Measuring, Style, Stylizer
from impasto.core.errors import OptionError
from impasto.jobs.sources import opened
from impasto.jobs.spec import Job
from impasto.media.image import Source
from impasto.nets import trained, zoo
from impasto.nets.fetch import digest
from impasto.nets.gallery import works
from impasto.universal.method import LONGEST
from impasto.universal.palette import ENDING, load_style

LEAST = 64
"""Nothing is opened for use at a smaller long side than this."""
KEPT = 4
"""Prepared methods that are kept: one for each size of results, the latest."""


class Prepared:
    """Stylizers by what they are prepared from, the latest few.

    Args:
        most: how many are kept; each holds its network.
    """

    def __init__(self, *, most: int = KEPT) -> None:
        self.most = most
        # What has no name is known by its place in memory, and so has to stay there.
        self._kept: dict[Hashable, tuple[Stylizer, dict[str, str], Any]] = {}

    def stylizer(
        self, job: Job, method: Any, *, size: tuple[int, int], whole: bool, device: str
    ) -> Stylizer:
        """The method of a job, prepared for its styles.

        Args:
            job: its content plays no part.
            method: built from the job's options.
            size: height and width of the result.
            whole: whether the picture can be done at once.
            device: where the styles are put.

        Raises:
            ImpastoError: a style cannot be opened, or as the method's `prepare`.
        """
        side = side_of(method, size=size, whole=whole)
        key = _key(job, method, side, device)
        if key not in self._kept:
            styles = styles_of(job, method, size=size, whole=whole, device=device)
            with zoo.noted() as networks:
                stylizer = method.prepare(styles, generator=generator(job.seed))
            while len(self._kept) >= self.most:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = stylizer, networks, (method, job.styles)
        stylizer, networks, _ = self._kept[key]
        zoo.note(networks)
        return stylizer


def styles_of(
    job: Job, method: Any, *, size: tuple[int, int], whole: bool, device: str
) -> list[Style]:
    """The styles of a job, opened as large as its method looks at them, or somewhat larger.

    Raises:
        ImpastoError: a style cannot be opened.
    """
    side = side_of(method, size=size, whole=whole)
    return [_style(source, share, side, device) for source, share in job.styles]


def known(source: Source) -> Mapping[str, Tensor]:
    """What was learnt or measured of a style, beside its picture.

    Raises:
        ImpastoError: a file cannot be read.
    """
    if isinstance(source, str) and source in works():
        return trained.bundled().known(source)
    file = Path(source) if isinstance(source, str | Path) else Path()
    if file.suffix.lower() == ENDING:
        return _with_network(load_style(file), file.with_name(trained.FILE))
    if file.suffix.lower() in trained.ENDINGS:
        return trained.load(file).network.state_dict()
    return {}


def _with_network(measured: dict[str, Tensor], path: Path) -> Mapping[str, Tensor]:
    """What was learnt of a style, with the network beside it if it was learnt with that."""
    maker = measured.get(trained.MAKER)
    if maker is None or not path.is_file() or digest(path) != trained.hexadecimal(maker):
        return measured
    zoo.note({path.name: digest(path)})
    return {**trained.load(path).network.state_dict(), **measured}


def has_picture(source: Source) -> bool:
    """Whether a style is a picture, not only what was learnt or measured of one."""
    known = (ENDING, *trained.ENDINGS)
    return not isinstance(source, str | Path) or Path(source).suffix.lower() not in known


def generator(seed: int) -> torch.Generator:
    """What all randomness of a job is drawn from.

    Raises:
        OptionError: the seed is not accepted.
    """
    if type(seed) is not int or not 0 <= seed < 1 << 63:
        raise OptionError(f"seed must be a whole number of at least 0; got {seed!r}")
    return torch.Generator().manual_seed(seed)


def side_of(method: Any, *, size: tuple[int, int], whole: bool) -> int:
    """The long side at which a method looks at its styles, for a result of this size."""
    beside = max(size)
    if isinstance(method, Measuring) or not whole:
        beside = min(LONGEST, beside)
    return max(LEAST, ceil(beside * getattr(method, "style_scale", 1.0)))


def _key(job: Job, method: Any, side: int, device: str) -> Hashable:
    """Equal where the same is prepared; what lies in memory is only equal to itself."""
    styles = [
        (str(source) if isinstance(source, str | Path) else id(source), share)
        for source, share in job.styles
    ]
    options = tuple((name, _plain(value)) for name, value in method)
    return (job.method, options, tuple(styles), job.seed, side, device)


def _plain(value: Any) -> Hashable:
    try:
        hash(value)
    except TypeError:
        return id(value)
    return value


def _style(source: Source, share: float, side: int, device: str) -> Style:
    """A style is a picture, what was learnt or measured of one, or both."""
    image = opened(source, long_side=side).to(device) if has_picture(source) else None
    measured = {name: value.to(device) for name, value in known(source).items()}
    return Style(image, share, measured=measured or None)
