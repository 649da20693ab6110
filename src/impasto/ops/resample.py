"""Sizes, pyramids and resizing."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def fit(height: int, width: int, *, long_side: int) -> tuple[int, int]:
    """The size with this long side and the same aspect, each side at least one pixel."""
    scale = long_side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def resize(image: Float[Tensor, "1 C _ _"], size: tuple[int, int]) -> Float[Tensor, "1 C _ _"]:
    """To (height, width): bicubic when growing, antialiased when shrinking; in [0, 1]."""
    if tuple(image.shape[2:]) == tuple(size):
        return image
    out = F.interpolate(image, size, mode="bicubic", antialias=True, align_corners=False)
    return out.clamp(0, 1)


def pyramid(height: int, width: int, *, coarsest: int) -> list[tuple[int, int]]:
    """Sizes from coarse to fine, each about twice the one before, ending at (height, width).

    The first has a long side from `coarsest` to twice that, and no short side below a quarter of
    `coarsest`, so that a panorama keeps enough to look at.
    """
    sizes = [(height, width)]
    while max(sizes[0]) >= 2 * coarsest and min(sizes[0]) >= coarsest / 2:
        sizes.insert(0, fit(height, width, long_side=round(max(sizes[0]) / 2)))
    return sizes


def mirror(
    image: Float[Tensor, "1 C H W"], *, margin: int, multiple: int
) -> Float[Tensor, "1 C h w"]:
    """The picture or mask with a mirrored margin on all sides, its sides brought to a multiple.

    Args:
        image: (1, C, H, W).
        margin: pixels that are added on each side at least.
        multiple: of which height and width become multiples.
    """
    pads = []
    for side in (image.shape[3], image.shape[2]):
        grown = -(-(side + 2 * margin) // multiple) * multiple
        pads += [(grown - side) // 2, grown - side - (grown - side) // 2]
    # A mirror shows no more than the picture; a side that is too short repeats its last pixel.
    mode = "reflect" if max(pads) < min(image.shape[2:]) else "replicate"
    return F.pad(image, pads, mode=mode)
