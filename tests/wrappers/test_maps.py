from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from impasto.core.contract import Style
from impasto.core.errors import OptionError
from impasto.media.image import from_array, read
from impasto.wrappers.maps import by_kinds, by_maps, palette

RED, BLUE, GREEN = (255, 0, 0), (0, 0, 255), (0, 160, 60)


def bands(*colors, height=90, width=120):
    """Flat colours from left to right."""
    parts = np.array_split(np.zeros((height, width, 3), np.uint8), len(colors), axis=1)
    for part, color in zip(parts, colors, strict=True):
        part[:] = color
    return np.concatenate(parts, 1)


def jpeg(pixels, tmp_path, quality=40):
    """As a JPEG would have it, colours at half the size."""
    encoded = BytesIO()
    Image.fromarray(pixels).save(encoded, "JPEG", quality=quality)
    (tmp_path / "map.jpg").write_bytes(encoded.getvalue())
    return read(tmp_path / "map.jpg")


STYLE = Style(from_array(bands((9, 9, 9), (200, 90, 10))))


def test_every_colour_pairs_a_part_of_the_style_with_its_place(tmp_path):
    content = jpeg(bands(RED, BLUE, GREEN), tmp_path)
    style = jpeg(bands(GREEN, RED, BLUE), tmp_path)
    styles, places = by_maps([STYLE], content_map=content, style_maps=[style])
    assert len(styles) == len(places) == 3
    third = {name: slice(40 * i, 40 * i + 40) for i, name in enumerate("abc")}
    for own, place in zip(styles, places, strict=True):
        assert own.image is STYLE.image
        assert own.region is not None
        at = place[0, 0].mean(0) > 0.5
        there = own.region[0, 0].mean(0) > 0.5
        # Red is the first of the content and the second of the style, and so on around.
        assert torch.equal(there.roll(-40), at)
        assert at[third["a"]].all() or at[third["b"]].all() or at[third["c"]].all()
        assert at.sum() == 40
    assert torch.equal(sum(places[1:], places[0]), torch.ones(1, 1, 90, 120))


def test_several_styles_share_a_colour_or_have_it_alone():
    content = from_array(bands(RED, BLUE))
    maps = [from_array(bands(RED, GREEN)), from_array(bands(BLUE, RED))]
    other = Style(from_array(bands((1, 2, 3), (3, 2, 1))), weight=2.0)
    styles, places = by_maps([STYLE, other], content_map=content, style_maps=maps)
    found = [
        (style.weight, place[..., 0].mean().item())
        for style, place in zip(styles, places, strict=True)
    ]
    assert sorted(found) == [(1.0, 1.0), (2.0, 0.0), (2.0, 1.0)]


def test_a_colour_that_no_style_has_is_named():
    maps = [from_array(bands(RED, BLUE))]
    with pytest.raises(OptionError, match=r"every colour of content_map; there is no #00a03c"):
        by_maps([STYLE], content_map=from_array(bands(RED, GREEN)), style_maps=maps)


def test_a_photograph_is_no_map():
    noise = np.random.default_rng(0).integers(0, 5, (6, 8, 3), np.uint8) * 63
    noise = noise.repeat(15, 0).repeat(15, 1)
    with pytest.raises(OptionError, match="16 flat colours at most"):
        by_maps([STYLE], content_map=from_array(noise), style_maps=[from_array(noise)])


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_the_palette_has_as_many_colours_as_were_painted(count, tmp_path):
    cube = [(r, g, b) for r in (0, 128, 255) for g in (0, 255) for b in (0, 255)][:count]
    found = palette([jpeg(bands(*cube), tmp_path, quality=60)])
    assert len(found) == count
    wanted = torch.tensor(cube).float() / 255
    assert torch.cdist(wanted, found).amin(1).max() < 0.1


@pytest.mark.usefixtures("random_weights")
def test_kinds_are_found_on_both_sides_and_cover_the_content():
    rng = np.random.default_rng(1)
    calm, busy = np.full((90, 60, 3), 120, np.uint8), rng.integers(0, 256, (90, 60, 3), np.uint8)
    content = from_array(np.concatenate([calm, busy], 1))
    style = Style(from_array(np.concatenate([busy, calm + 40], 1)))
    styles, places = by_kinds([style], content, count=2, seed=0)
    assert len(places) == 2
    assert torch.equal(places[0] + places[1], torch.ones_like(places[0]))
    for own, place in zip(styles, places, strict=True):
        assert own.region is not None
        width = place.shape[3]
        left = place[..., : width // 2 - 2].mean() > 0.5
        # What is on the left here is on the right there.
        assert (own.region[..., width // 2 + 2 :].mean() > 0.5) == left
    again = by_kinds([style], content, count=2, seed=0)[1]
    assert all(torch.equal(a, b) for a, b in zip(places, again, strict=True))
