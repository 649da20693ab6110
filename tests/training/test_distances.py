import math

import pytest
import torch

from impasto.losses.content import Content
from impasto.losses.statistics import Gram
from impasto.nets.vgg import VGG
from impasto.training.distances import (
    AROUND,
    FAINT,
    FINE,
    FLAT,
    SHIFT,
    far,
    grams,
    lattice,
    psnr,
    rhythm,
    rhythm_far,
    seen,
    style_far,
)

TAPS = ["relu1_1", "relu2_1"]


def crops(seed: int) -> torch.Tensor:
    return torch.rand((1, 3, 32, 32), generator=torch.Generator().manual_seed(seed))


def test_a_pair_shown_twice_is_as_far_as_the_losses_say(eyes: VGG):
    x, y = (crops(seed).expand(2, -1, -1, -1) for seed in (1, 2))
    found, wanted = eyes(x, TAPS), eyes(y, TAPS)
    style = style_far(grams(eyes, found, TAPS), grams(eyes, wanted, TAPS))
    deep = TAPS[-1]
    content = far(seen(eyes, deep, found[deep]), seen(eyes, deep, wanted[deep]))

    def one(features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {tap: f[:1] for tap, f in features.items()}

    looks = [Gram(tap, eyes.metric(tap)) for tap in TAPS]
    each = [loss(one(found), loss.measure(one(wanted))) for loss in looks]
    expected = torch.stack(each).mean() / (1 + FLAT)
    torch.testing.assert_close(style, expected.expand(2))
    keep = Content(deep, eyes.metric(deep))
    f, target = keep.measure(one(found)), keep.measure(one(wanted))
    varied = target - target.mean((2, 3), keepdim=True)
    expected = (f - target).square().sum() / ((1 + FLAT) * varied.square().sum())
    torch.testing.assert_close(content, expected.expand(2))


def test_without_a_metric_activations_are_taken_as_they_are(eyes: VGG):
    bare = VGG(eyes.state_dict(), pooling=eyes.pooling)
    features = bare(crops(1), TAPS)
    assert torch.equal(seen(bare, TAPS[0], features[TAPS[0]]), features[TAPS[0]])
    flat = features[TAPS[1]][0].flatten(1)
    torch.testing.assert_close(grams(bare, features, TAPS)[TAPS[1]][0], flat @ flat.T / 256)


def test_a_flat_picture_does_not_dominate():
    wanted = torch.stack([torch.eye(3), 1e-6 * torch.eye(3)])
    found = wanted + torch.eye(3)
    size = torch.tensor([3.0, 3e-12])
    expected = 3 / (size + FLAT * size.mean())
    torch.testing.assert_close(far(found, wanted), expected)


def test_psnr_of_an_even_error():
    true = torch.full((2, 3, 4, 4), 0.5)
    made = true + torch.tensor([0.1, 7.0]).view(2, 1, 1, 1)
    expected = torch.tensor([20.0, -20 * math.log10(0.5)])
    torch.testing.assert_close(psnr(made, true), expected)


def test_a_rhythm_is_the_correlation_of_shifted_detail():
    x = crops(3)
    grey = x.mean(1, keepdim=True)

    def smooth(y: torch.Tensor, side: int) -> torch.Tensor:
        padded = torch.nn.functional.pad(y, (side // 2,) * 4, mode="reflect")
        return padded.unfold(2, side, 1).unfold(3, side, 1).mean((-2, -1))

    fine = grey - smooth(grey, FINE)
    fine = (fine / (smooth(fine**2, AROUND) + FAINT**2).sqrt())[0, 0]
    whole = float((fine**2).sum())
    found = rhythm(x)[0]
    assert found.shape == (2 * SHIFT + 1, SHIFT + 1)
    for down, across in ((0, 0), (3, 0), (0, 5), (12, 12), (-7, 2)):
        above = (
            fine[: 32 - down, : -across or None] if down >= 0 else fine[-down:, : -across or None]
        )
        below = fine[down:, across:] if down >= 0 else fine[:down, across:]
        expected = float((above * below).sum()) / whole
        assert math.isclose(found[SHIFT + down, across], expected, abs_tol=1e-5)


def test_a_weave_is_heard_however_faint():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((1, 3, 96, 96), generator=generator)
    lines = torch.sin(2 * math.pi * torch.arange(96) / 6).expand(1, 3, 96, 96)
    for strength in (0.3, 0.03):
        woven, rough = (rhythm(0.5 + strength * x) for x in (lines, noise))
        assert float(woven[0, SHIFT, 6]) > 0.85
        assert float(rough[0, SHIFT, 6].abs()) < 0.1
        assert float(rhythm_far(woven, rough)) > 0.9
    assert float(rhythm_far(woven, woven)) == 0


def test_a_lattice_is_what_every_cell_has():
    generator = torch.Generator().manual_seed(0)
    cell = torch.rand((1, 3, 4, 4), generator=generator) - 0.5
    slope = torch.linspace(0.2, 0.8, 64).view(1, 1, 64, 1).expand(1, 3, 64, 64)
    noise = torch.rand((1, 3, 64, 64), generator=generator) - 0.5
    grid = cell.repeat(1, 1, 16, 16)
    assert float(lattice(0.5 + grid, period=4)) > 0.99
    assert float(lattice(slope, period=4)) < 1e-6
    # Of white noise one in as many as there are cells.
    assert float(lattice(0.5 + noise, period=4)) == pytest.approx(1 / 15**2, rel=0.5)
    # As much energy of a grid as of noise, whatever lies below both, and seen in that period only.
    both = slope + noise + grid * noise.std() / cell.std()
    assert float(lattice(both, period=4)) == pytest.approx(0.5, abs=0.05)
    assert float(lattice(both, period=8)) == pytest.approx(0.5, abs=0.05)
    assert float(lattice(both, period=5)) < 0.02
    x = torch.full((2, 3, 16, 16), 0.5).requires_grad_()
    (gradient,) = torch.autograd.grad(lattice(x, period=8).sum(), x)
    assert gradient.isfinite().all()


def test_thin_and_flat_pictures_have_a_rhythm_too():
    thin = rhythm(torch.rand((1, 3, 3, 40), generator=torch.Generator().manual_seed(0)))
    assert thin.shape == (1, 2 * SHIFT + 1, SHIFT + 1)
    assert float(thin[0, SHIFT, 0]) == 1
    flat = rhythm(torch.full((1, 3, 20, 20), 0.5).requires_grad_())
    (gradient,) = torch.autograd.grad(rhythm_far(flat, flat.detach()).sum(), flat)
    assert not flat.any()
    assert gradient.isfinite().all()
    assert float(rhythm_far(flat.detach(), flat.detach())) == 0
