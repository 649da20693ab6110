"""Noise that is always the same for a place: in every run, tile and frame."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def smoothed(spreads: Sequence[float], *, period: int) -> Float[Tensor, "C p p"]:
    """Noise of deviation 1, and a mean of about 0, that can be laid side by side.

    Args:
        spreads: the standard deviation in positions of the Gaussian that smooths each channel.
        period: side of what is laid.
    """
    # The generator of old whose numbers will never change, so neither do the pictures.
    white = np.random.RandomState(0).standard_normal((len(spreads), period, period))
    down, across = np.fft.fftfreq(period), np.fft.rfftfreq(period)
    squared = down[:, None] ** 2 + across**2
    kept = np.exp(-2 * (np.pi * np.array(spreads)[:, None, None]) ** 2 * squared)
    smooth = np.fft.irfft2(np.fft.rfft2(white) * kept, s=(period, period))
    return torch.from_numpy(smooth / smooth.std((1, 2), keepdims=True)).float()


def laid(noise: Tensor, *, at: tuple[int, int], over: Tensor) -> Tensor:
    """The noise side by side, from a place on as far as a map goes: (C, h, w).

    Args:
        noise: (C, p, p), what `smoothed` gives.
        at: where to begin, down and across, in positions.
        over: the map (N, D, h, w), whose sides are no plain numbers while a network is exported.
    """
    down, across = (
        torch.arange(begin, begin + side, device=noise.device) % noise.shape[-1]
        for begin, side in zip(at, over.shape[2:], strict=True)
    )
    return noise[:, down[:, None], across]
