"""Quilting against a plain implementation, and by what it promises of pieces of the style."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from impasto.core.contract import Frame, Style
from impasto.core.errors import OptionError
from impasto.core.options import build
from impasto.core.progress import Progress
from impasto.methods.quilting import Quilting, quilt
from impasto.ops.color import luma
from impasto.ops.lattice import Lattice
from impasto.ops.resample import resize
from impasto.ops.seams import kept


def draw(*size: int, seed: int = 1) -> Tensor:
    return torch.rand((1, 3, *size), generator=torch.Generator().manual_seed(seed))


def smooth(height: int, width: int, *, seed: int = 1) -> Tensor:
    """Shapes of some size with grain on them."""
    return 0.8 * resize(draw(5, 7, seed=seed), (height, width)) + 0.2 * draw(
        height, width, seed=seed + 1
    )


CONTENT, STYLE = smooth(40, 56), smooth(48, 60, seed=5)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def paint(*styles: Style, content: Tensor = CONTENT, **options: Any) -> Tensor:
    regions = options.pop("regions", ())
    stylizer = build(Quilting, options).prepare(styles or [Style(STYLE)], generator=seeded())
    return stylizer(Frame(content, regions=regions))


def plain(
    texture: Tensor, lattice: Lattice, *, alpha: float, maps: tuple[Tensor, Tensor], first: int
) -> Tensor:
    """The paper's algorithm without tolerance, block by block in raster order, in float64."""
    wanted, own = maps
    side, step, width = lattice.block, lattice.step, texture.shape[2]
    canvas = lattice.grown(torch.zeros(3, *lattice.size)).double()
    wanted = lattice.grown(wanted).double()
    origin = torch.zeros(canvas.shape[1:], dtype=torch.long)
    blocks = texture.double().unfold(1, side, 1).unfold(2, side, 1).permute(1, 2, 0, 3, 4)
    looks = own.double().unfold(1, side, 1).unfold(2, side, 1).permute(1, 2, 0, 3, 4)
    numbers = torch.arange(texture[0].numel()).view(texture.shape[1:])
    for row, column in product(*map(range, lattice.shape)):
        here = (slice(row * step, row * step + side), slice(column * step, column * step + side))
        lying = torch.zeros(side, side)
        lying[: lattice.overlap] += row > 0
        lying[:, : lattice.overlap] += column > 0
        error = ((blocks - canvas[:, *here]) ** 2 * (lying > 0)).mean(2).sum((2, 3)) * alpha
        error += ((looks - wanted[:, *here]) ** 2).sum((2, 3, 4)) * (1 - alpha)
        best = first if alpha == 1 and row == column == 0 else int(error.argmin())
        y, x = divmod(best, width - side + 1)
        difference = (blocks[y, x] - canvas[:, *here]).square().sum(0)[None].float()
        left, top = torch.tensor([column > 0]), torch.tensor([row > 0])
        new = kept(difference, lattice.overlap, left=left, top=top)[0]
        canvas[:, *here] = torch.where(new, blocks[y, x], canvas[:, *here])
        origin[here] = torch.where(new, numbers[y : y + side, x : x + side], origin[here])
    return origin[: lattice.size[0], : lattice.size[1]]


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
@pytest.mark.parametrize(("block", "overlap"), [(9, 3), (12, 2)])
def test_without_tolerance_it_is_the_plain_algorithm(alpha, block, overlap) -> None:
    lattice = Lattice((40, 56), block, overlap)
    maps = luma(CONTENT)[0], luma(STYLE)[0]
    found = quilt(STYLE[0], lattice, tolerance=0.0, generator=seeded(), alpha=alpha, maps=maps)
    first = int(found[0, 0]) // 60 * (60 - block + 1) + int(found[0, 0]) % 60
    assert torch.equal(found, plain(STYLE[0], lattice, alpha=alpha, maps=maps, first=first))


def test_alpha_1_knows_no_content_and_alpha_0_no_neighbours() -> None:
    lattice, own = Lattice((40, 56), 10, 2), luma(STYLE)[0]

    def sewn(content: Tensor, alpha: float) -> Tensor:
        maps = luma(content)[0], own
        generator = seeded()
        return quilt(STYLE[0], lattice, tolerance=0.0, generator=generator, alpha=alpha, maps=maps)

    assert torch.equal(sewn(CONTENT, 1.0), sewn(1 - CONTENT, 1.0))
    half = torch.cat([CONTENT[..., :28], 1 - CONTENT[..., 28:]], 3)
    changed = sewn(CONTENT, 0.0) != sewn(half, 0.0)
    assert not changed[:, :24].any()  # Blocks that lie on the left half alone.
    assert changed[:, 28:].float().mean() > 0.5


def test_a_later_pass_keeps_to_the_one_before() -> None:
    lattice, before = Lattice((38, 50), 8, 2), STYLE[0, :, 5:43, 7:57]
    found = quilt(STYLE[0], lattice, tolerance=0.0, generator=seeded(), before=before)
    assert torch.equal(STYLE[0].flatten(1)[:, found], before)


def threes(picture: Tensor) -> set[bytes]:
    """All 3 × 3 squares of an 8-bit picture (H, W, 3)."""
    windows = picture.unfold(0, 3, 1).unfold(1, 3, 1).flatten(0, 1).flatten(1)
    return {bytes(row.tolist()) for row in windows}


def test_a_texture_consists_of_pieces_of_the_sample() -> None:
    sample = STYLE.mul(255).round() / 255
    out = Quilting(block=16, overlap=0.25).synthesize(sample, (70, 90), generator=seeded())
    assert out.shape == (1, 3, 70, 90)
    bits, known = (
        image[0].mul(255).round().to(torch.uint8).permute(1, 2, 0) for image in (out, sample)
    )
    there = threes(known)
    for top, left in product(range(0, 66, 12), range(0, 86, 12)):
        # Beyond the first four rows and columns, in which it is cut, and before the next block's.
        inside = bits[top + 4 : top + 12, left + 4 : left + 12]
        if min(inside.shape[:2]) >= 3:
            assert threes(inside) <= there
    colors = {bytes(pixel) for pixel in known.flatten(0, 1).tolist()}
    assert {bytes(pixel) for pixel in bits.flatten(0, 1).tolist()} <= colors


def test_a_periodic_texture_goes_on_as_it_should() -> None:
    tile = draw(8, 8)
    sample = tile.tile(1, 1, 5, 5)[..., :37, :39]
    out = Quilting(block=14, tolerance=0.0).synthesize(sample, (60, 80), generator=seeded())
    torch.testing.assert_close(out[..., 8:, :], out[..., :-8, :])
    torch.testing.assert_close(out[..., 8:], out[..., :-8])


def test_a_seed_decides_about_a_texture() -> None:
    def made(seed: int) -> Tensor:
        return Quilting(block=12).synthesize(STYLE, (50, 50), generator=seeded(seed))

    assert torch.equal(made(1), made(1))
    assert not torch.equal(made(1), made(2))


def test_strength_scales_the_odds_of_the_papers_alpha() -> None:
    assert Quilting(passes=5).alphas() == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])
    assert Quilting(passes=1).alphas() == [0.5]
    few, many = Quilting(strength=0.2).alphas(), Quilting(strength=0.8).alphas()
    for a, b, plain_alpha in zip(few, many, (0.1, 0.5, 0.9), strict=True):
        assert a / (1 - a) == pytest.approx(plain_alpha / (1 - plain_alpha) / 4)
        assert b / (1 - b) == pytest.approx(plain_alpha / (1 - plain_alpha) * 4)
    assert max(Quilting(strength=1).alphas()) < 1


def test_blocks_shrink_by_a_third() -> None:
    found = Quilting(block=27, overlap=0.34).lattices((40, 90), STYLE)
    assert [lattice.block for lattice in found] == [27, 18, 12]
    assert [lattice.overlap for lattice in found] == [9, 6, 4]


def test_more_strength_is_further_from_the_content() -> None:
    away = [
        float((paint(strength=s, tolerance=0.0) - CONTENT).square().mean())
        for s in (0.05, 0.2, 0.5, 1.0)
    ]
    assert away == sorted(away)
    assert away[0] < 0.02 * away[2]


def test_numbers_painted_by_hand_say_what_belongs_where() -> None:
    # Left of the style is red, its right is blue; the content wants it the other way round.
    style = torch.zeros(1, 3, 48, 64)
    style[:, 0, :, :32], style[:, 2, :, 32:] = 0.9, 0.9
    numbers = torch.zeros(1, 1, 48, 64)
    numbers[..., 32:] = 1
    wanted = 1 - numbers[..., :24, :].contiguous()
    out = paint(
        Style(style),
        content=draw(24, 64),
        guide=lambda *_: (wanted, numbers),
        block=8,
        strength=0.5,
    )
    assert bool((out[:, 2, :, :28] == 0.9).all())
    assert bool((out[:, 0, :, 36:] == 0.9).all())


def test_regions_of_contents_and_of_styles() -> None:
    regions = [torch.zeros(1, 1, 40, 56) for _ in range(2)]
    regions[0][..., :20], regions[1][..., 36:] = 1, 1
    half = torch.zeros(1, 1, 48, 60)
    half[..., 30:] = 1
    red = STYLE * torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)
    mixed = torch.cat([STYLE[..., :30] * 0, STYLE[..., 30:]], 3)
    styles = [Style(red), Style(mixed, region=half)]
    out = paint(*styles, regions=regions, block=8, style_scale=60 / 56)
    assert float(out[:, 1:, :, :20].max()) == 0
    assert torch.equal(out[..., 20:36], CONTENT[..., 20:36])
    assert float(out[..., 36:].amin(1).min()) > 0  # No black of the left half.


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"block": 60}, "block must be at most 45, the short side of the style at this size"),
        ({"guide": lambda *_: (CONTENT, STYLE[:, :1])}, "guide must give two maps"),
        ({"guide": "dark"}, "guide must be one of luminance, blurred; got 'dark'"),
    ],
)
def test_refusals(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        paint(**options)


def test_several_styles_need_regions() -> None:
    with pytest.raises(OptionError, match="quilting takes one style, or several with regions"):
        paint(Style(STYLE), Style(STYLE))


def test_progress_ends_at_1_with_the_picture() -> None:
    heard: list[Progress] = []
    stylizer = Quilting(block=12).prepare([Style(STYLE)], generator=seeded())
    out = stylizer(Frame(CONTENT), report=heard.append)
    done = [event.done for event in heard]
    assert done == sorted(done)
    assert done[-1] == 1
    assert heard[-1].image is not None
    assert torch.equal(heard[-1].image(), out)
