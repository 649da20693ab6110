"""Tile by tile with settled normalisations: no seam, and near to what is painted at once."""

import copy

import pytest
import torch

from impasto.core.contract import Box, Frame
from impasto.media.image import from_array
from impasto.nets import settled, trained
from impasto.nets.settled import SIDE, Painting, settle
from impasto.nets.trained import paint
from impasto.nets.transformer import Paper, Slim
from impasto.painted import paint as draw
from impasto.tiles import Held, tiled


def _random(network, *, seed=1):
    generator = torch.Generator().manual_seed(seed)
    for value in network.parameters():
        value.data += 0.1 * torch.randn(value.shape, generator=generator)
    return network.requires_grad_(False)


@pytest.fixture(scope="module", params=[Slim, Paper])
def network(request):
    return _random(request.param(1))


@pytest.fixture(scope="module")
def slim():
    return _random(Slim(2, widths=(8, 16, 24), blocks=1))


def _picture(*size, seed=0):
    """Smooth and rough parts, darker to one side."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((1, 3, size[0] // 16, size[1] // 16), generator=generator)
    fine = torch.rand((1, 3, *size), generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size, mode="bicubic").clamp(0, 1)
    return 0.8 * smooth + 0.2 * fine * torch.linspace(0, 1, size[1])


def _painting(network, size, *, scale=1.0):
    return Painting(
        network,
        size,
        rows=lambda _: [network.rows[:1]],
        finish=lambda _, paintings: paintings[0],
        scale=scale,
    )


def _tiled(network, image, *, side, scale=1.0):
    size = (image.shape[2], image.shape[3])
    out = Held(torch.zeros_like(image))
    tiled([_painting(network, size, scale=scale)], Held(image), out, side=side)
    return out.image


def test_settled_by_the_picture_itself_it_paints_the_same(network):
    x = _picture(64, 96)
    row = settle(network, x, network.rows[:1])
    affine = copy.deepcopy(network)
    settled._replace(affine, settled._Affine)
    assert torch.allclose(affine(x, row), network(x, network.rows[:1]), atol=1e-4)


def test_no_pixel_beyond_the_reach_has_a_say(network):
    affine = copy.deepcopy(network)
    settled._replace(affine, settled._Affine)
    wide = 2 * network.reach + 64
    x = _picture(32, wide // 16 * 16)
    other = x.clone()
    other[..., 0] = 1 - other[..., 0]
    row = settle(network, x, network.rows[:1])
    difference = (affine(x, row) - affine(other, row)).abs().amax((0, 1, 2))
    assert difference[: network.reach // 4].max() > 1e-2
    # Means are taken off and added again, which rounds.
    assert difference[network.reach :].max() < 1e-5


@pytest.mark.parametrize(("scale", "side"), [(1.0, 64), (2.0, 256), (1.5, 256)])
def test_there_is_no_seam(slim, scale, side):
    image = _picture(384, 640)
    parts = _tiled(slim, image, side=side, scale=scale)
    once = _tiled(slim, image, side=4096, scale=scale)
    assert torch.allclose(parts, once, atol=1e-4)
    assert once.std() > 0.05


def test_it_is_near_to_what_is_painted_at_once():
    known = trained.bundled()
    image = from_array(draw("knife", width=640, height=448))
    row = known.mixed(known.styles[:1], torch.ones(1), strength=0.5)
    out = Held(torch.zeros_like(image))
    painting = Painting(known.network, (448, 640), rows=lambda _: [row], finish=lambda _, p: p[0])
    tiled([painting], Held(image), out, side=256)
    difference = out.image - paint(known.network, image, row)
    assert float(difference.square().mean().sqrt()) < 0.05


def test_every_window_is_looked_at_once_and_in_its_place(slim):
    image = _picture(200, 520)
    each = _painting(slim, (200, 520))
    alone = each.gather(Frame(image), Box(0, 0, 200, 520))["windows"]
    total = torch.zeros_like(alone)
    for left in (0, 256):
        begin, end = max(0, left - each.margin), min(520, left + 256 + each.margin)
        frame = Frame(image[..., begin:end], place=Box(0, begin, 200, end - begin))
        inside = Box(0, left - begin, 200, 256 if left == 0 else 264)
        total += each.gather(frame, inside)["windows"]
    assert torch.equal(total, alone)
    assert len(alone) >= 3
    top, left = each.places[-1]
    assert torch.equal(alone[-1], image[0, :, top : top + SIDE, left : left + SIDE])
