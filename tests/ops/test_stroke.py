import pytest
import torch

from impasto.ops.resample import resize
from impasto.ops.stroke import stroke


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
