from functools import partial

import numpy as np
import pytest
import torch
from skimage import data
from torch.nn import functional as F

from impasto.core.contract import Frame, Style
from impasto.core.errors import MediaError, OptionError
from impasto.media.image import write
from impasto.methods.analogies import Analogies
from impasto.ops.color import luma
from impasto.ops.filters import learnt
from impasto.ops.patches import nearest
from impasto.ops.resample import resize
from impasto.ops.smooth import blurred


def picture(height=64, width=80, *, seed=0):
    """Shapes, and texture on them, in colour."""
    generator = torch.Generator().manual_seed(seed)
    shapes = resize(torch.rand((1, 3, 7, 9), generator=generator), (height, width))
    grain = resize(
        torch.rand((1, 1, height // 3, width // 3), generator=generator), (height, width)
    )
    return (0.7 * shapes.round() + 0.15 * shapes + 0.15 * grain).clamp(0, 1)


def photograph(name, side):
    pixels = np.atleast_3d(getattr(data, name)())[:400, :400]
    pixels = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].expand(1, 3, -1, -1)
    return resize(pixels / 255, (side, side)).contiguous()


def blur(image):
    kernel = torch.tensor([1.0, 4, 6, 4, 1]) / 16
    kernel = (kernel[:, None] * kernel).expand(3, 1, 5, 5)
    return F.conv2d(F.pad(image, (2, 2, 2, 2), mode="replicate"), kernel, groups=3)


def apply(a, filtered, b, *, seed=0, **options):
    method = Analogies(unfiltered=a, **options)
    stylizer = method.prepare([Style(filtered)], generator=torch.Generator().manual_seed(seed))
    return stylizer(Frame(b))


def equal(one, other):
    """The share of pixels that are equal to an eight-bit step."""
    return float(((one - other).abs().amax(1) <= 1 / 255 + 1e-6).float().mean())


def psnr(one, other):
    return float(-10 * (one - other).square().mean().log10())


@pytest.mark.parametrize(
    "options",
    [{}, {"search": "exact"}, {"features": "steerable"}, {"channels": "luminance"}],
)
def test_what_was_done_to_a_is_done_to_a_again(options):
    a, filtered = picture(), 1 - picture(seed=1)
    expected = filtered
    if "channels" in options:  # A keeps its colours, and the luminance is that of A'.
        a, filtered = 0.3 + 0.4 * a, 0.4 + 0.2 * filtered
        out = apply(a, filtered, a, **options)
        torch.testing.assert_close(luma(out), luma(filtered), atol=0.02, rtol=0)
        return
    assert equal(apply(a, filtered, a, **options), expected) > 0.99


def test_a_picture_is_painted_again_by_its_own_numbers():
    labels = torch.rand((1, 3, 5, 6), generator=torch.Generator().manual_seed(2)).round()
    labels = F.interpolate(labels, (60, 72), mode="nearest")
    painted = picture(60, 72)
    assert equal(apply(labels, painted, labels, features="color"), painted) > 0.99


def test_the_identity_is_learnt():
    a, b = picture(), picture(56, 72, seed=1)
    assert equal(apply(a, a, a), a) == 1
    for channels in ("color", "luminance"):
        out = apply(a, a, b, transfer="filter", channels=channels)
        assert equal(out, b) >= 0.99


PAIRS = [("astronaut", "coffee"), ("coffee", "astronaut"), ("camera", "chelsea")]
pairs = pytest.mark.parametrize(("one", "other"), PAIRS)


@pairs
def test_a_blur_is_learnt(one, other):
    a, b = photograph(one, 112), photograph(other, 96)
    soft = partial(blurred, sigma=2.5)
    out = apply(a, soft(a), b, transfer="filter", kappa=0, style_scale=112 / 96)
    assert psnr(b, soft(b)) < 27
    assert psnr(out, soft(b)) >= 45


@pairs
def test_what_is_not_linear_is_learnt_too(one, other):
    """A maximum over squares, better than by the linear filter alone and by nothing."""
    a, b = photograph(one, 112), photograph(other, 96)
    grown = [F.max_pool2d(F.pad(each, (2, 2, 2, 2), mode="replicate"), 5, 1) for each in (a, b)]
    out = apply(a, grown[0], b, transfer="filter", kappa=0, style_scale=112 / 96)
    linear = learnt(a, grown[0])(b).clamp(0, 1)
    assert psnr(out, grown[1]) > psnr(linear, grown[1]) + 0.3
    assert psnr(out, grown[1]) > psnr(b, grown[1]) + 2


def test_a_blurred_picture_is_made_sharper_than_by_bicubic_interpolation():
    sharp = photograph("astronaut", 160), photograph("coffee", 160)
    a, b = (
        F.interpolate(F.avg_pool2d(each, 2), scale_factor=2, mode="bicubic").clamp(0, 1)
        for each in sharp
    )
    out = apply(a, sharp[0], b, transfer="filter", kappa=0)
    assert psnr(out, sharp[1]) > psnr(b, sharp[1]) + 0.3


@pytest.mark.parametrize("transfer", ["pixels", "filter"])
def test_patchmatch_paints_nearly_what_the_exact_search_paints(transfer):
    """Measured by how far the windows of the two results are from the nearest in A'."""
    a, filtered, b = picture(), blur(picture()), picture(48, 56, seed=1)
    away = {}
    for search in ("patchmatch", "exact"):
        out = apply(a, filtered, b, search=search, transfer=transfer, style_scale=80 / 56)
        rows = [torch.cat([luma(p), luma(q)], 1) for p, q in ((b, out), (a, filtered))]
        away[search] = float(nearest(*rows, patch=5).distance.sqrt().mean())
    assert away["patchmatch"] < 1.1 * away["exact"]


def test_with_much_coherence_large_pieces_are_copied_whole():
    a, b = picture(), picture(seed=1)
    filtered = torch.rand(a.shape, generator=torch.Generator().manual_seed(3))

    def torn(kappa):
        """The share of pairs of neighbours that are no neighbours in A'."""
        out = apply(a, filtered, b, kappa=kappa)
        pairs = torch.cat([filtered[..., :-1], filtered[..., 1:]], 1).flatten(2)[0].T
        made = torch.cat([out[..., :-1], out[..., 1:]], 1).flatten(2)[0].T
        return float((torch.cdist(made, pairs).amin(1) > 1e-3).float().mean())

    assert torn(100) < 0.5 * torn(0)


def test_every_pixel_is_one_of_the_style():
    a, filtered = picture(), picture(seed=2)
    out = apply(a, filtered, picture(40, 48, seed=1), style_scale=80 / 48)
    known = {tuple(pixel) for pixel in filtered.flatten(2)[0].T.tolist()}
    assert {tuple(pixel) for pixel in out.flatten(2)[0].T.tolist()} <= known


def test_luminance_leaves_the_content_its_colours():
    a, b = picture(), 0.3 + 0.4 * picture(seed=1)
    out = apply(a, blur(a), b, channels="luminance")
    torch.testing.assert_close(out - luma(out), b - luma(b), atol=1e-5, rtol=0)


def test_without_a_the_painting_is_smoothed():
    painted = picture()
    made = Analogies().prepare([Style(painted)], generator=torch.Generator()).pairs[0][0]
    rough = (painted[..., 1:] - painted[..., :-1]).abs()
    assert (made[..., 1:] - made[..., :-1]).abs().mean() < 0.8 * rough.mean()
    torch.testing.assert_close(made.mean((2, 3)), painted.mean((2, 3)), atol=0.02, rtol=0)


def test_the_unfiltered_picture_can_be_a_file(tmp_path):
    a = picture().mul(255).round() / 255
    write(a, tmp_path / "a.png")
    by_path = apply(str(tmp_path / "a.png"), blur(a), picture(seed=1))
    assert torch.equal(by_path, apply(a, blur(a), picture(seed=1)))
    with pytest.raises(MediaError, match=r"none\.png"):
        apply("none.png", a, a)


def test_pixels_come_from_all_styles():
    dark, light = 0.4 * picture(seed=2), 0.6 + 0.4 * picture(seed=3)[..., :56]
    method = Analogies(kappa=0)
    made = method.prepare([Style(dark), Style(light)], generator=torch.Generator())
    out = made(Frame(picture(seed=1)))
    assert 0.2 < float((out.mean(1) > 0.5).float().mean()) < 0.8


def test_a_texture_does_not_depend_on_the_content():
    made = [
        apply(None, picture(), content, start="noise")
        for content in (picture(seed=1), torch.zeros(1, 3, 64, 80))
    ]
    assert torch.equal(*made)


def test_refusals():
    method, generator = Analogies(), torch.Generator()
    with pytest.raises(OptionError, match="unfiltered goes with one style; got 2"):
        Analogies(unfiltered=picture()).prepare([Style(picture())] * 2, generator=generator)
    stylizer = method.prepare([Style(picture())], generator=generator)
    with pytest.raises(OptionError, match="start_picture"):
        stylizer(Frame(picture(), start=picture()))


def test_progress_goes_on_and_shows_a_picture():
    told = []
    stylizer = Analogies().prepare([Style(picture())], generator=torch.Generator())
    stylizer(Frame(picture(seed=1)), report=told.append)
    parts = [progress.done for progress in told]
    assert parts == sorted(parts)
    assert parts[-1] == pytest.approx(1)
    shown = told[len(told) // 2]
    assert tuple(shown.image().shape[2:]) == shown.size
