"""More of a texture, from a sample of it."""

from typing import Any

import torch
from pydantic import create_model

from impasto.core.contract import Cost, Task
from impasto.core.errors import OptionError
from impasto.core.options import Options, build
from impasto.core.progress import Report, silent
from impasto.core.tensors import Image
from impasto.jobs import memory
from impasto.jobs.prepared import generator
from impasto.jobs.sources import measured, opened
from impasto.media.image import SMALLEST, Source
from impasto.methods.quilting import Quilting
from impasto.ops.resample import fit, resize

SAMPLE = 512
"""Without a size, a sample is as large as it is but no longer than this."""

_FIELDS: dict[str, Any] = {
    name: (Quilting.model_fields[name].annotation, Quilting.model_fields[name])
    for name in ("block", "overlap", "tolerance")
}
Texture: type[Options] = create_model("Texture", __base__=Options, **_FIELDS)
"""The options of quilting that count when there is no content."""


class Sewing(Quilting):
    """Quilting without a content."""

    def cost(self, task: Task) -> Cost:
        """Fitted to the peak and the time of 1024 px from a sample of 192 px."""
        return Cost(0.05e9 + 100 * task.pixels, 0.7e-6 * task.pixels)


def texture(
    sample: Source,
    size: tuple[int, int],
    *,
    sample_size: int | None = None,
    seed: int = 0,
    report: Report = silent,
    **options: Any,
) -> Image:
    """A picture of any size that looks like a sample all over, by quilting.

    Args:
        sample: a file, `":name"` or `":name@seed"` painted by code, or a picture in memory.
        size: height and width in pixels.
        sample_size: long side to which the sample is brought; None is its own, but at most 512.
        seed: equal seeds give equal textures.
        report: is told of each step.
        options: block, overlap and tolerance, as of quilting.

    Returns:
        (1, 3, H, W), on the CPU.

    Raises:
        OptionError: an option that is not accepted, or a size that has no room.
        MediaError: the sample cannot be read.
    """
    method = Sewing(**build(Texture, options).model_dump())
    if min(size) < SMALLEST:
        raise OptionError(f"size must be at least {SMALLEST} pixels a side; got {_words(size)}")
    if sample_size is not None and sample_size < SMALLEST:
        raise OptionError(f"sample_size must be at least {SMALLEST}; got {sample_size}")
    budget = memory.Budget("texture", method, memory.room(None))
    if not budget.fits(size):
        raise budget.refusal(size)
    side = sample_size or min(SAMPLE, max(measured(sample)))
    picture = opened(sample, long_side=side)
    picture = resize(picture, fit(*picture.shape[2:], long_side=side))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    found = method.synthesize(picture.to(device), size, generator=generator(seed), report=report)
    return found.cpu()


def _words(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"
