"""What AdaIN and WCT promise alike, with random weights; and .style files."""

from collections.abc import Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from impasto.core.contract import Box, Frame, InPasses, Measuring, Style
from impasto.core.errors import ImpastoError, MediaError, OptionError, WeightsError
from impasto.methods.adain import AdaIN
from impasto.methods.wct import WCT
from impasto.nets import petit, zoo
from impasto.nets.vgg import VGG
from impasto.ops.resample import resize
from impasto.ops.smooth import blurred
from impasto.ops.stats import moments, products
from impasto.tiles import Held, tiled
from impasto.universal.matching import confined, radius
from impasto.universal.method import Universal
from impasto.universal.palette import Palette, load_style, save_style
from impasto.universal.refining import colors, evened, following

pytestmark = pytest.mark.usefixtures("random_weights")

both = pytest.mark.parametrize("kind", [AdaIN, WCT])


def draw(height: int = 64, width: int = 96, *, seed: int = 1) -> Tensor:
    """Colours that vary slowly, and grain."""
    generator = torch.Generator().manual_seed(seed)
    slow = torch.rand((1, 3, 5, 6), generator=generator)
    grain = torch.rand((1, 3, height, width), generator=generator)
    return (0.7 * resize(slow, (height, width)) + 0.3 * grain).clamp(0, 1)


# With the content's long side, so that styles are looked at as they are.
CONTENT, STYLE, OTHER = draw(seed=1), draw(96, 64, seed=2) ** 2, 1 - draw(48, 96, seed=3)


def prepared(kind: type[Universal], styles: Sequence[Style], **options: Any) -> Any:
    method: Any = kind(**{"precision": "float32", "strength": 1.0, **options})
    return method.prepare(styles, generator=torch.Generator().manual_seed(5))


def paint(
    kind: type[Universal],
    *,
    styles: Sequence[Style] = (Style(STYLE),),
    regions: Sequence[Tensor] = (),
    content: Tensor = CONTENT,
    **options: Any,
) -> Tensor:
    return prepared(kind, styles, **options)(Frame(content, regions=regions))


def difference(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max())


# --- strength ------------------------------------------------------------------------------------


def test_alpha_rises_from_0_to_1() -> None:
    found = [Universal(strength=s / 20).alpha for s in range(21)]
    assert all(after > before for before, after in pairwise(found))
    assert (found[0], found[-1]) == (0, 1)


@both
def test_strength_0_returns_the_content_bit_for_bit(kind: type[Universal]) -> None:
    for start in ("content", "noise"):
        out = paint(kind, strength=0, start=start)
        assert torch.equal(out, CONTENT)
        assert out.data_ptr() != CONTENT.data_ptr()


@both
def test_little_strength_changes_little(kind: type[Universal]) -> None:
    full = difference(paint(kind), CONTENT)
    found = [difference(paint(kind, strength=s), CONTENT) for s in (1e-6, 1e-3, 0.1)]
    assert found[0] < 1e-4 * full
    assert found[0] < found[1] < 0.1 * full
    assert found[1] < found[2] < full


# --- several styles ------------------------------------------------------------------------------


@both
def test_a_style_of_no_weight_changes_nothing(kind: type[Universal]) -> None:
    alone = paint(kind)
    assert difference(paint(kind, styles=[Style(STYLE), Style(OTHER, 1e-12)]), alone) < 1e-4
    assert difference(paint(kind, styles=[Style(STYLE), Style(OTHER)]), alone) > 1e-2


@both
def test_two_half_weights_of_a_style_are_the_style(kind: type[Universal]) -> None:
    assert (
        difference(paint(kind, styles=[Style(STYLE, 0.5), Style(STYLE, 0.5)]), paint(kind)) < 1e-4
    )


@both
def test_only_shares_of_weights_count(kind: type[Universal]) -> None:
    some = paint(kind, styles=[Style(STYLE, 1.0), Style(OTHER, 3.0)])
    assert torch.equal(some, paint(kind, styles=[Style(STYLE, 2.0), Style(OTHER, 6.0)]))


def test_a_palette_gives_each_region_its_style_or_all_the_blend() -> None:
    values = torch.tensor([[1.0, 2.0], [3.0, 6.0]], dtype=torch.float64)
    palette = Palette(torch.tensor([1.0, 0.0], dtype=torch.float64), {})
    assert torch.equal(palette.mixed(values, regions=2), values)
    assert torch.equal(palette.mixed(values, regions=1), values[:1])
    palette = Palette(torch.tensor([0.25, 0.75], dtype=torch.float64), {})
    assert palette.mixed(values, regions=1).tolist() == [[2.5, 5.0]]


# --- regions -------------------------------------------------------------------------------------

EMPTY, FULL = torch.zeros(1, 1, 64, 96), torch.ones(1, 1, 64, 96)


def columns(begin: int, end: int) -> Tensor:
    mask = EMPTY.clone()
    mask[..., begin:end] = 1
    return mask


@both
def test_a_region_of_everything_is_no_region(kind: type[Universal]) -> None:
    assert difference(paint(kind, regions=[FULL]), paint(kind)) < 1e-5
    styles = [Style(STYLE), Style(OTHER)]
    assert difference(paint(kind, styles=styles, regions=[FULL, EMPTY]), paint(kind)) < 5e-3


@both
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_the_content_stays_beyond_all_regions(kind: type[Universal], strength: float) -> None:
    styles, regions = [Style(STYLE), Style(OTHER)], [columns(0, 20), columns(70, 96)]
    out = paint(kind, styles=styles, regions=regions, strength=strength)
    assert torch.equal(out[..., 20:70], CONTENT[..., 20:70])
    assert difference(out[..., :20], CONTENT[..., :20]) > 0.05
    assert difference(out[..., 70:], CONTENT[..., 70:]) > 0.05


@both
def test_a_region_has_its_own_style(kind: type[Universal]) -> None:
    def halves(left: Tensor, right: Tensor) -> Tensor:
        # 384 pixels wide, so that neither end sees the middle.
        content = draw(32, 384, seed=7)
        mask = torch.zeros(1, 1, 32, 384)
        mask[..., :192] = 1
        options: dict[str, Any] = {"levels": (3, 1)} if kind is WCT else {}
        return paint(
            kind,
            styles=[Style(left), Style(right)],
            regions=[mask, 1 - mask],
            content=content,
            **options,
        )

    one, other, same = halves(STYLE, OTHER), halves(STYLE, STYLE), halves(OTHER, OTHER)
    apart = difference(other, same)
    assert apart > 0.05
    assert difference(one[..., :100], other[..., :100]) < 0.15 * apart
    assert difference(one[..., 284:], same[..., 284:]) < 0.15 * apart


@both
def test_regions_that_are_not_one_for_each_style_are_refused(kind: type[Universal]) -> None:
    with pytest.raises(OptionError, match="regions must be one for each of the 1 styles; got 2"):
        paint(kind, regions=[FULL, EMPTY])


def test_confined_is_exact_within_and_beyond() -> None:
    soft = columns(0, 48) + 0.5 * columns(48, 64)
    frame = Frame(CONTENT, regions=[soft, columns(0, 10)])
    out = confined(STYLE_SIZED, frame)
    assert torch.equal(out[..., :48], STYLE_SIZED[..., :48])
    assert torch.equal(out[..., 64:], CONTENT[..., 64:])
    torch.testing.assert_close(out[..., 48:64], (CONTENT + STYLE_SIZED)[..., 48:64] / 2)


def test_the_content_shows_through_several_passes_as_through_one() -> None:
    frame = Frame(CONTENT, regions=[0.3 * FULL])
    first = confined(STYLE_SIZED, frame, passes=3)
    second = confined(STYLE_SIZED, Frame(first, regions=frame.regions), passes=3)
    third = confined(STYLE_SIZED, Frame(second, regions=frame.regions), passes=3)
    torch.testing.assert_close(third, confined(STYLE_SIZED, frame))


STYLE_SIZED = draw(seed=8)


# --- styles as data ------------------------------------------------------------------------------


@both
def test_what_was_measured_serves_in_place_of_the_picture(
    kind: type[Universal], tmp_path: Path
) -> None:
    method = kind(precision="float32", style_scale=0.8)
    assert isinstance(method, Measuring)
    path = tmp_path / "a.style"
    save_style(path, method.measure(STYLE), name="a picture")
    out = paint(kind, styles=[Style(None, measured=load_style(path))])
    assert difference(out, paint(kind, style_scale=0.8)) < 0.05 * difference(out, paint(kind))


@both
def test_the_style_scale_is_that_of_the_style_beside_the_result(kind: type[Universal]) -> None:
    large = draw(200, 150, seed=2)
    out = paint(kind, styles=[Style(large)], style_scale=0.5)
    assert torch.equal(out, paint(kind, styles=[Style(resize(large, (48, 36)))], style_scale=0.5))
    # However large the result, strokes grow no further than those of the longest.
    stylizer = prepared(kind, [Style(large)])
    assert stylizer.passes((2000, 64)) is stylizer.passes((64, 1024))
    assert stylizer.passes((2000, 64)) is not stylizer.passes((64, 1000))


def test_a_style_file_holds_mean_and_covariance_of_every_tap_and_is_small(tmp_path: Path) -> None:
    measured = AdaIN(precision="float32").measure(draw(96, 128, seed=4))
    path = tmp_path / "a.style"
    save_style(path, measured)
    assert path.stat().st_size < 400_000
    assert measured["size"].tolist() == [96, 128]
    network, picture = zoo.load("petit"), draw(96, 128, seed=4)
    loaded = load_style(path)
    assert loaded.keys() == measured.keys()
    half = picture.unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5))
    for size, looked in (("", picture), ("half.", half)):
        for tap, f in network(looked, petit.TAPS).items():
            flat, name = f[0].flatten(1), f"{size}{tap}"
            torch.testing.assert_close(loaded[f"{name}.mean"], flat.mean(1), rtol=1e-3, atol=1e-5)
            covariance = flat.cov(correction=0)
            most = 1e-5 * float(covariance.max())
            torch.testing.assert_close(
                loaded[f"{name}.covariance"], covariance, rtol=1e-3, atol=most
            )


def test_large_styles_are_looked_at_in_a_smaller_size() -> None:
    measured = AdaIN(precision="float32", style_scale=10).measure(draw(40, 128))
    assert measured["size"].tolist() == [320, 1024]


def test_the_region_of_a_style_is_where_it_is_measured() -> None:
    wide = torch.cat([STYLE, 0 * STYLE], 3)  # Its left half is the style, but for what lies beside.
    half = torch.cat([torch.ones(1, 1, 96, 64), torch.zeros(1, 1, 96, 64)], 3)
    there, beside = (
        paint(WCT, styles=[Style(wide, region=mask)], levels=(1,), refine=0)
        for mask in (half, None)
    )
    expected = paint(WCT, levels=(1,), refine=0)
    assert difference(there, expected) < 0.3 * difference(beside, expected)


def rewritten(path: Path, **changes: Any) -> None:
    save_file({**load_file(path), **changes}, path, {"petit": zoo.models()["petit"].sha256})


def test_damaged_and_hostile_files_are_refused_in_one_sentence(tmp_path: Path) -> None:
    good = tmp_path / "good.style"
    save_style(good, AdaIN(precision="float32").measure(STYLE))
    data = good.read_bytes()
    bad = tmp_path / "bad.style"
    deep = b'{"a":' * 5000
    for content in (
        b"",
        data[:1000],
        data[:-1],
        b"\xff" * 8 + data[8:],
        b"\x00" * 64,
        data + bytes(1 << 20),
        len(deep).to_bytes(8, "little") + deep,
        b"\x02" + bytes(7) + b"{}",
    ):
        bad.write_bytes(content)
        with pytest.raises(MediaError, match=r"bad\.style .*\.style|bad\.style does not hold"):
            load_style(bad)
    for key, value in {
        "relu3_1.mean": torch.zeros(5),
        "relu3_1.covariance": torch.full((64, 64), float("nan")),
    }.items():
        bad.write_bytes(data)
        rewritten(bad, **{key: value})
        with pytest.raises(MediaError, match="does not hold the statistics of a style"):
            load_style(bad)
    for missing in (tmp_path, tmp_path / "none.style"):
        with pytest.raises(MediaError, match="cannot be read"):
            load_style(missing)


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.style"
    save_style(path, AdaIN(precision="float32").measure(STYLE))
    rewritten(path)
    measured = load_style(path)
    in_full = {key: value for key, value in measured.items() if not key.startswith("half.")}
    for found, network in ((measured, "0" * 64), (in_full, zoo.models()["petit"].sha256)):
        save_file(found, path, {"petit": network})
        with pytest.raises(WeightsError, match="another version of impasto; measure it again"):
            load_style(path)


@both
@pytest.mark.parametrize(
    "styles", [[], [Style(None)], [Style(None, measured={})], [Style(STYLE), Style(None)]]
)
def test_styles_that_say_nothing_are_refused(
    kind: type[Universal], styles: Sequence[Style]
) -> None:
    with pytest.raises(ImpastoError, match=r"style|measured"):
        paint(kind, styles=styles)


# --- where it begins -----------------------------------------------------------------------------


@both
def test_it_begins_at_the_picture_it_is_given(kind: type[Universal]) -> None:
    stylizer = prepared(kind, [Style(STYLE)])
    picture = draw(30, 40, seed=9)
    out = stylizer(Frame(CONTENT, start=picture))
    assert torch.equal(out, stylizer(Frame(resize(picture, (64, 96)))))


@both
def test_a_texture_knows_nothing_of_the_content_but_its_size(kind: type[Universal]) -> None:
    one, other = (
        paint(kind, start="noise", strength=0.3, content=content)
        for content in (CONTENT, STYLE_SIZED)
    )
    assert torch.equal(one, other)
    assert not isinstance(prepared(kind, [Style(STYLE)], start="noise"), InPasses)


# --- tile by tile --------------------------------------------------------------------------------


def test_the_radius_is_how_far_a_layer_sees(eyes: VGG) -> None:
    image = draw(160, 160)
    # A position of relu5_1 is 16 pixels wide; this one begins at 64.
    reach = radius(eyes, ["relu1_1", "relu5_1"])
    far, near = image.clone(), image.clone()
    far[:, :, :, : 64 - reach] = 0
    near[:, :, :, : 64 - reach + 1] = 0
    seen = [eyes(picture, ["relu5_1"])["relu5_1"][..., 4] for picture in (image, far, near)]
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])


@both
@pytest.mark.parametrize("regions", [(), (columns(0, 50), columns(40, 70))])
def test_sums_over_tiles_are_those_of_the_whole(
    kind: type[Universal], regions: Sequence[Tensor]
) -> None:
    styles = [Style(STYLE), Style(OTHER)]
    content, origin = draw(256, 320, seed=6), draw(256, 320, seed=7)
    masks = [torch.nn.functional.interpolate(mask, (256, 320)) for mask in regions]
    for each in prepared(kind, styles).passes((256, 320)):
        whole = each.gather(Frame(content, regions=masks, origin=origin), Box(0, 0, 256, 320))
        total = dict.fromkeys(whole, 0)
        for top, left in product((0, 128), (0, 160)):
            first, start = max(0, top - each.margin), max(0, left - each.margin)
            rows, wide = (
                slice(first, top + 128 + each.margin),
                slice(start, left + 160 + each.margin),
            )
            part = content[:, :, rows, wide]
            tile = Frame(
                part,
                regions=[m[:, :, rows, wide] for m in masks],
                place=Box(first, start, *part.shape[2:]),
                origin=origin[:, :, rows, wide],
            )
            part = each.gather(tile, Box(top - first, left - start, 128, 160))
            total = {name: total[name] + part[name] for name in total}
        for name in whole:
            torch.testing.assert_close(total[name], whole[name], rtol=1e-6, atol=0)


@both
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_tiled_is_untiled(kind: type[Universal], strength: float) -> None:
    content = draw(202, 235, seed=6)
    masks = [torch.zeros(1, 1, 202, 235) for _ in range(2)]
    masks[0][..., :120], masks[1][:, :, 100:, 80:] = 1, 0.8
    options: dict[str, Any] = {"levels": (3, 1)} if kind is WCT else {}
    stylizer = prepared(kind, [Style(STYLE), Style(OTHER)], strength=strength, **options)
    assert isinstance(stylizer, InPasses)
    for regions in ((), masks):
        sink = Held(torch.zeros_like(content))
        sources = [Held(mask) for mask in regions]
        tiled(stylizer.passes((202, 235)), Held(content), sink, side=112, regions=sources)
        assert difference(sink.image, stylizer(Frame(content, regions=regions))) < 1e-4


def test_what_is_broad_in_a_move_follows_the_content() -> None:
    """A halo about what stands before a flat sky goes; what the content has, and strokes, stay."""
    content = torch.full((1, 3, 128, 128), 0.6)
    content[..., 48:80, 48:80] = torch.tensor([0.9, 0.2, 0.1])[:, None, None]
    place = torch.arange(128) - 63.5
    away = (torch.maximum(place.abs()[:, None], place.abs()[None]) - 16).clamp_min(0)
    inside = away == 0
    halo = 0.3 * torch.exp(-away / 5) * ~inside
    strokes = 0.1 * (torch.arange(128) % 4 < 2)
    move = (halo + strokes + 0.2 * inside).expand(1, 3, -1, -1)
    out = evened(move, content, reach=12)

    def broad(image: Tensor, where: Tensor) -> Tensor:
        return blurred(image, sigma=3.0)[0, 0][where]

    near, beyond = (away > 6) & (away < 12), (away > 24) & (away < 32)
    before, after = (
        float(broad(each, near).mean() - broad(each, beyond).mean()) for each in (move, out)
    )
    assert before > 0.03
    assert after < 0.25 * before
    assert float(broad(out, (away == 0) & (place.abs() < 4)).mean()) > 0.2
    grain = out - blurred(out, sigma=3.0)
    wanted = move - blurred(move, sigma=3.0)
    torch.testing.assert_close(grain[..., :20, :20], wanted[..., :20, :20], atol=5e-3, rtol=0)


def test_what_is_broad_follows_the_colours_of_the_content() -> None:
    """A linear function of them comes back; what only the picture has does not, near or far."""
    content = draw(64, 96, seed=6)
    matrix = torch.tensor([[0.5, 0.2, 0.0], [-0.3, 0.4, 0.1], [0.0, 0.2, 0.6]])
    picture = torch.einsum("ij,njhw->nihw", matrix, content) + 0.1
    light = torch.zeros_like(picture)
    light[..., :48] = 0.2
    wanted = F.avg_pool2d(picture, 4)

    def found(picture: Tensor, masks: Tensor | None = None) -> Tensor:
        both = colors(content, picture)
        weights = None if masks is None else F.avg_pool2d(masks, 4)
        return following(content, moments(products(both, weights)))

    torch.testing.assert_close(found(picture), wanted, atol=0.01, rtol=0)
    # Of the light what has something to do with the colours stays, and its mean.
    lit, guide = found(picture + light), F.avg_pool2d(content, 4)
    known = torch.cat([guide, torch.ones_like(guide[:, :1])], 1)[0].flatten(1).double()
    fit = torch.linalg.lstsq(known.T, (wanted + F.avg_pool2d(light, 4))[0].flatten(1).double().T)
    torch.testing.assert_close(
        lit[0].flatten(1).T.double(), known.T @ fit.solution, atol=0.01, rtol=0
    )
    # Each region by itself.
    masks = (light[:, :1] > 0).float()
    near, far = found(picture + light, torch.cat([masks, 1 - masks]))
    torch.testing.assert_close(near[..., :12], wanted[0, ..., :12] + 0.2, atol=0.01, rtol=0)
    torch.testing.assert_close(far[..., 12:], wanted[0, ..., 12:], atol=0.01, rtol=0)
    # In front of one colour there is one.
    content = torch.full_like(content, 0.3)
    plain = found(light)
    torch.testing.assert_close(plain, torch.full_like(plain, 0.1))


@both
def test_moves_end_where_the_style_is_met(
    kind: type[Universal], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = draw(64, 80, seed=6)

    def painted(enough: float, refine: int) -> tuple[Tensor, int]:
        monkeypatch.setattr(kind, "enough", {1: (enough,) * 2, 2: (enough,) * 2})
        monkeypatch.setattr(kind, "spared", 0.0)
        stylizer = prepared(kind, [Style(STYLE)], strength=1.0, refine=refine)
        out = stylizer(Frame(content))
        assert isinstance(stylizer, InPasses)
        first: Any = stylizer.passes((64, 80))[0]
        # Another picture begins anew.
        assert torch.equal(stylizer(Frame(content)), out)
        return out, first.noted.moves

    found = [painted(0.0, moves) for moves in (1, 2, 3, 4)]
    assert [moves for _, moves in found] == [1, 2, 3, 4]
    assert all(difference(a, b) > 1e-3 for (a, _), (b, _) in pairwise(found))
    # Where the style is met there is one move at half of the size, and one in full.
    met = found[1][0]
    for most in (3, 6):
        out, moves = painted(1e9, most)
        assert moves == 2
        assert torch.equal(out, met)
    # Or one in full alone.
    for spared, wanted in ((1e9, found[0][0]), (1e-9, met)):
        monkeypatch.setattr(kind, "spared", spared)
        stylizer = prepared(kind, [Style(STYLE)], strength=1.0, refine=3)
        assert torch.equal(stylizer(Frame(content)), wanted)
        sink = Held(torch.zeros_like(content))
        assert isinstance(stylizer, InPasses)
        tiled(stylizer.passes((64, 80)), Held(content), sink, side=32)
        assert difference(sink.image, wanted) < 1e-4
