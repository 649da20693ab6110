"""How large the strokes of a picture are: half a wave of where its spectrum has its peak."""

import torch
from jaxtyping import Float
from torch import Tensor

from impasto.ops.color import luma

OCTAVE = 12
"""Bands that an octave of frequencies is parted into, and over which the spectrum is smoothed."""
LONGEST = 0.25
"""The longest wave that can be a stroke's, as a share of the short side; above is composition."""


def stroke(image: Float[Tensor, "N 3 H W"]) -> float:
    """The size of strokes in pixels: half the wavelength at which the spectrum has its peak.

    Args:
        image: one or several; the power of several is added up.
    """
    peak = spectrum(image).argmax().item() + 0.5
    return 0.5 * LONGEST * min(image.shape[2:]) / 2 ** (peak / OCTAVE)


def spectrum(image: Float[Tensor, "N 3 H W"]) -> Float[Tensor, " B"]:
    """The power of the luminance in bands of equal ratio, `OCTAVE` an octave, from long waves on.

    Because of the bands a picture without a scale of its own (whose power falls with the square of
    frequency) is flat. A Hann window takes away the borders. Smoothed over an octave.

    Args:
        image: one or several; the power of several is added up.
    """
    plane = luma(image)[:, 0].double()
    height, width = plane.shape[1:]
    window = torch.outer(*(torch.hann_window(n).to(plane) for n in (height, width)))
    mean = (plane * window).sum((1, 2), keepdim=True) / window.sum().clamp_min(1e-12)
    power = torch.fft.rfft2((plane - mean) * window).abs().square().sum(0)
    down = torch.fft.fftfreq(height, device=plane.device)[:, None]
    across = torch.fft.rfftfreq(width, device=plane.device)
    frequency = (down**2 + across**2).sqrt()
    lowest = 1 / (LONGEST * min(height, width))
    known = (frequency >= lowest) & (frequency <= 0.5)
    band = (OCTAVE * (frequency[known] / lowest).log2()).long()
    power_in = torch.zeros(int(band.max()) + 1, dtype=torch.float64, device=plane.device)
    power_in.index_add_(0, band, power[known])
    kernel = torch.hann_window(2 * OCTAVE + 1, periodic=False).to(power_in)[None, None]
    return torch.nn.functional.conv1d(power_in[None, None], kernel, padding=OCTAVE)[0, 0]
