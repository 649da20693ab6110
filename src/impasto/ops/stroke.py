"""How large the strokes of a picture are: half a wave of where its spectrum has its peak."""

import torch

from impasto.core.tensors import Image
from impasto.ops.color import luma

OCTAVE = 12
"""Bands that an octave of frequencies is parted into, and over which the spectrum is smoothed."""
LONGEST = 0.25
"""The longest wave that can be a stroke's, as a share of the short side; above is composition."""


def stroke(image: Image) -> float:
    """The size of strokes in pixels: half the wavelength at which the spectrum has its peak.

    The power of the luminance is summed over all directions in bands of equal ratio, so that a
    picture without a scale of its own (whose power falls with the square of frequency) is flat.
    A Hann window takes away the borders. Smoothed over an octave.

    Args:
        image: (1, 3, H, W).
    """
    plane = luma(image)[0, 0].double()
    height, width = plane.shape
    window = torch.outer(*(torch.hann_window(n).to(plane) for n in (height, width)))
    mean = (plane * window).sum() / window.sum().clamp_min(1e-12)
    power = torch.fft.rfft2((plane - mean) * window).abs().square()
    down = torch.fft.fftfreq(height, device=plane.device)[:, None]
    across = torch.fft.rfftfreq(width, device=plane.device)
    frequency = (down**2 + across**2).sqrt()
    lowest = 1 / (LONGEST * min(height, width))
    known = (frequency >= lowest) & (frequency <= 0.5)
    band = (OCTAVE * (frequency[known] / lowest).log2()).long()
    power_in = torch.zeros(int(band.max()) + 1, dtype=torch.float64, device=plane.device)
    power_in.index_add_(0, band, power[known])
    kernel = torch.hann_window(2 * OCTAVE + 1, periodic=False).to(power_in)[None, None]
    smooth = torch.nn.functional.conv1d(power_in[None, None], kernel, padding=OCTAVE)[0, 0]
    peak = smooth.argmax().item() + 0.5
    return 0.5 / (lowest * 2 ** (peak / OCTAVE))
