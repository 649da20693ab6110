"""Nearest patches: for every patch of one picture, or of its features, the most alike in another.

`nearest` looks at all of them; `patchmatch` finds nearly as good ones in a small part of the time
(Barnes, Shechtman, Finkelstein and Goldman, "PatchMatch: A Randomized Correspondence Algorithm for
Structural Image Editing", SIGGRAPH 2009). Patches lie wholly inside, so a picture of H × W has
(H - patch + 1) × (W - patch + 1) of them.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from impasto.core.errors import OptionError

By = Literal["distance", "correlation"]

BAND = 64
"""Rows of patches that one thread works on; it decides about the result, so it is fixed."""
_ENTRIES = 1 << 25
"""Of the table of distances that `nearest` holds at a time."""


@dataclass(frozen=True)
class Matches:
    """For every patch of a target, one of a source.

    Attributes:
        index: the number of the patch of the source, row by row: the column of
            `F.unfold(source, patch)` that holds it.
        distance: the squared distance to it, summed over all entries of a patch.
    """

    index: Int[Tensor, "h w"]
    distance: Float[Tensor, "h w"]


@torch.no_grad()
def nearest(
    target: Float[Tensor, "1 C H W"],
    source: Float[Tensor, "1 C G V"],
    *,
    patch: int,
    by: By = "distance",
    allowed: Bool[Tensor, "g v"] | None = None,
) -> Matches:
    """The nearest patch of all, of equally near ones the first up to rounding.

    Args:
        target: a picture or features.
        source: of as many channels.
        patch: side of a patch.
        by: distance is the squared one; correlation is the cosine of the angle between two patches
            (Li and Wand, "Combining Markov Random Fields and Convolutional Neural Networks for
            Image Synthesis", CVPR 2016, equation 3).
        allowed: which patches of the source may be found, one at least; all by default.

    Raises:
        OptionError: a patch does not fit.
    """
    size, _ = _sizes(target, source, patch)
    rows, known = (F.unfold(each, patch)[0].T for each in (target, source))
    if by == "distance":
        # Rounding hurts less where numbers are small; a shift of both changes no distance.
        shift = known.mean(0)
        keys = (known - shift).T.contiguous()
        bias = -0.5 * keys.square().sum(0)
    else:
        # The length of the target's patch is the same beside all patches of the source.
        shift = torch.zeros_like(known[0])
        keys = F.normalize(known, dim=1).T.contiguous()
        bias = torch.zeros_like(keys[0])
    if allowed is not None:
        bias = bias.masked_fill(~allowed.flatten(), -torch.inf)
    chunks = rows.split(max(1, _ENTRIES // len(known)))
    best = [torch.addmm(bias, chunk - shift, keys).argmax(1) for chunk in chunks]
    distances = [
        (chunk - known[found]).square().sum(1) for chunk, found in zip(chunks, best, strict=True)
    ]
    return Matches(torch.cat(best).view(size), torch.cat(distances).view(size))


def patchmatch(
    target: Float[Tensor, "1 C H W"],
    source: Float[Tensor, "1 C G V"],
    *,
    patch: int = 7,
    by: By = "distance",
    allowed: Bool[Tensor, "g v"] | None = None,
    iterations: int = 5,
    start: Int[Tensor, "h w"] | None = None,
    generator: torch.Generator,
) -> Matches:
    """Near patches, found by asking neighbours and by chance; on the CPU, in float32.

    Good matches spread: each patch tries what its neighbours on the left and above found, moved by
    one, then ever closer guesses around the best so far (section 3.2). Every other iteration runs
    the other way. An iteration makes no match worse.

    Args:
        target: a picture or features.
        source: of as many channels.
        patch: side of a patch.
        by: as in `nearest`.
        allowed: which patches of the source may be found, one at least; all by default.
        iterations: how often every patch is visited.
        start: matches to begin with, as in `Matches`, all of them allowed; chance by default.
        generator: of all chance.

    Raises:
        OptionError: a patch does not fit.
    """
    from impasto.ops.propagation import measure, sweep

    size, own = _sizes(target, source, patch)
    if allowed is None:
        allowed = torch.ones(own, dtype=torch.bool)
    if start is None:
        choices = allowed.flatten().nonzero()[:, 0]
        drawn = torch.randint(len(choices), size, generator=generator)
        start = choices[drawn.to(choices.device)]
    seed = int(torch.randint(2**62, (), generator=generator))
    found = start.cpu().numpy().astype(np.int32)
    pair = tuple(np.ascontiguousarray(_interleaved(each)) for each in (target, source))
    plain = np.ones(size, np.float32), np.ones(own, np.float32)
    gains, scales = plain if by == "distance" else _inverse_norms(target, source, patch)
    scales = np.where(allowed.cpu().numpy(), scales, np.float32(0))
    distance = np.empty(size, np.float32)
    _in_bands(partial(measure, *pair, gains, scales, found, distance, patch), size[0])
    for iteration in range(iterations):
        before, step = found.copy(), 1 if iteration % 2 == 0 else -1
        state = gains, scales, before, found, distance
        _in_bands(partial(sweep, *pair, *state, patch, step, seed + iteration), size[0])
    if by == "correlation":
        _in_bands(partial(measure, *pair, *plain, found, distance, patch), size[0])
    device = target.device
    index = torch.from_numpy(found).to(device, torch.int64)
    return Matches(index, torch.from_numpy(distance).to(device))


def _inverse_norms(target: Tensor, source: Tensor, patch: int) -> Iterator[np.ndarray]:
    """One over the length of each patch: with it the nearest is what correlates most."""
    for image in (target, source):
        energy = image.detach().float().square().sum(1, keepdim=True)
        length = patch * F.avg_pool2d(energy, patch, stride=1)[0, 0].clamp_min(1e-20).sqrt()
        yield length.reciprocal().cpu().numpy()


def _sizes(target: Tensor, source: Tensor, patch: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and columns of patches of both."""
    shortest = min(*target.shape[2:], *source.shape[2:])
    if not 1 <= patch <= shortest:
        raise OptionError(f"patch must be a whole number from 1 to {shortest}; got {patch}")
    ours, theirs = (
        (each.shape[2] - patch + 1, each.shape[3] - patch + 1) for each in (target, source)
    )
    return ours, theirs


def _interleaved(image: Tensor) -> np.ndarray:
    """(H, W · C): a row of a patch lies in one piece."""
    return image.detach()[0].permute(1, 2, 0).flatten(1).float().cpu().numpy()


def _in_bands(work: Callable[[int, int], None], height: int) -> None:
    """Call the work with the first row and the end of every band, in as many threads as torch."""
    bands = [(first, min(first + BAND, height)) for first in range(0, height, BAND)]
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        list(threads.map(lambda band: work(*band), bands))
