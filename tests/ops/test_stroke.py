import pytest
import torch

from impasto.ops.resample import resize
from impasto.ops.stroke import OCTAVE, spectrum, stroke


@pytest.mark.parametrize("period", [8, 16, 24, 40])
@pytest.mark.parametrize("turned", [False, True])
def test_it_is_half_the_wavelength_of_a_wave(period, turned):
    wave = 0.5 + 0.4 * torch.sin(2 * torch.pi * torch.arange(400) / period)
    image = wave.expand(1, 3, 300, 400)
    image = image.mT if turned else image
    assert stroke(image) == pytest.approx(period / 2, rel=0.06)


def test_it_grows_with_the_picture_and_plain_pictures_do_no_harm():
    noise = torch.rand((1, 3, 24, 32), generator=torch.Generator().manual_seed(0))
    small = resize(noise, (192, 256))
    assert stroke(resize(small, (384, 512))) == pytest.approx(2 * stroke(small), rel=0.1)
    assert stroke(torch.zeros(1, 3, 64, 64)) > 0
    assert stroke(torch.zeros(1, 3, 16, 400)) > 0


def test_a_picture_without_a_scale_of_its_own_has_a_flat_spectrum():
    generator = torch.Generator().manual_seed(0)
    across, down = torch.fft.rfftfreq(256), torch.fft.fftfreq(256)[:, None]
    amplitude = 1 / (across**2 + down**2).sqrt().clamp_min(1 / 256)
    noise = torch.fft.rfft2(torch.randn((8, 3, 256, 256), generator=generator))
    inner = spectrum(torch.fft.irfft2(noise * amplitude))[OCTAVE:-OCTAVE]
    assert inner.max() < 1.3 * inner.min()


def test_the_power_of_several_pictures_is_added_up():
    pictures = torch.rand((3, 3, 40, 56), generator=torch.Generator().manual_seed(0))
    each = sum(spectrum(one) for one in pictures.split(1))
    torch.testing.assert_close(spectrum(pictures), each)
