"""Decoders against their formulas, with random weights."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from impasto.core.errors import WeightsError
from impasto.nets import decoder, zoo
from impasto.nets.decoder import (
    FLOOR,
    PERIOD,
    ROUGH,
    STATISTICS,
    Decoder,
    StyledDecoder,
    initial_state,
    initial_styled_state,
    roughened,
    statistics,
)
from impasto.nets.fetch import digest

WIDTHS = (4, 6, 8, 10, 12)


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=source(seed))


def plain(level: int) -> dict[str, Tensor]:
    state = initial_state(WIDTHS[:level], source())
    return {k: v + 0.05 * (noise(*v.shape, seed=3) - 0.5) for k, v in state.items()}


def told() -> dict[str, Tensor]:
    state = initial_styled_state(WIDTHS[:4], source())
    state["modulate.weight"] = 0.1 * torch.randn(state["modulate.weight"].shape, generator=source())
    state["scale"] = 0.5 + noise(*state["scale"].shape)
    return state


def features(*, count: int = 1, side: int = 8, seed: int = 1) -> dict[str, Tensor]:
    """As `petit` would give them of a picture of this side."""
    return {
        f"relu{k}_1": noise(count, WIDTHS[k - 1], side >> (k - 1), side >> (k - 1), seed=seed + k)
        for k in range(1, 5)
    }


def convolved(h: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    mode = "reflect" if min(h.shape[2:]) > 1 else "replicate"
    padded = F.pad(h, (1, 1, 1, 1), mode=mode)
    return F.conv2d(padded, state[f"{name}.weight"], state[f"{name}.bias"])


def doubled(h: Tensor) -> Tensor:
    return h.repeat_interleave(2, 2).repeat_interleave(2, 3)


@pytest.mark.parametrize("level", range(1, 6))
def test_a_decoder_is_its_formula(level: int):
    state, net = plain(level), Decoder(plain(level))
    f = noise(2, WIDTHS[level - 1], 3, 5)
    kept, h = f.clone(), f
    for stage in range(level, 0, -1):
        h = convolved(h, state, f"conv{stage}_2").relu()
        h = convolved(h, state, f"conv{stage}_1")
        h = h if stage == 1 else doubled(h.relu())
    made = net(f)
    assert net.tap == f"relu{level}_1"
    assert made.shape == (2, 3, 3 * 2 ** (level - 1), 5 * 2 ** (level - 1))
    torch.testing.assert_close(made, h, rtol=0, atol=1e-5)
    assert torch.equal(f, kept)


def by_hand(
    seen: dict[str, Tensor],
    state: dict[str, Tensor],
    changes: list[Tensor],
    *,
    third: Tensor | float = 0.0,
) -> Tensor:
    h = seen["relu4_1"]
    for stage, change in zip((4, 3, 2, 1), changes, strict=True):
        if stage == 3:
            h = h + convolved(seen["relu3_1"], state, "skip3") + third
        first, shift, second, lift = (
            x if x.ndim == 4 else x[..., None, None] for x in change.chunk(4, 1)
        )
        h = convolved(h * (1 + first) + shift, state, f"conv{stage}_2").relu()
        h = convolved(h * (1 + second) + lift, state, f"conv{stage}_1")
        h = h if stage == 1 else doubled(h.relu())
    return h


@pytest.mark.parametrize("count", [1, 2])
def test_a_styled_decoder_is_its_formula(count: int):
    state, net, seen = told(), StyledDecoder(told()), features(count=count, side=24)
    known = statistics(seen)
    hidden = F.linear(known / state["scale"], state["read.weight"], state["read.bias"]).relu()
    both = F.linear(hidden, state["modulate.weight"], state["modulate.bias"])
    changes = net.modulation(known)
    assert [change.shape for change in changes] == [(count, 4 * WIDTHS[k]) for k in (3, 2, 1, 0)]
    torch.testing.assert_close(torch.cat(changes, 1), both)
    kept = {tap: f.clone() for tap, f in seen.items()}
    made = net(seen, changes)
    assert made.shape == (count, 3, 24, 24)
    torch.testing.assert_close(made, by_hand(seen, state, changes), rtol=0, atol=1e-5)
    assert all(torch.equal(seen[tap], kept[tap]) for tap in seen)


def test_a_modulation_may_differ_from_place_to_place():
    state, net, seen = told(), StyledDecoder(told()), features(side=16)
    one, other = (net.modulation(statistics(features(side=16, seed=s))) for s in (1, 50))
    maps = [noise(1, a.shape[1], 2 << i, 2 << i) for i, a in enumerate(one)]
    torch.testing.assert_close(net(seen, maps), by_hand(seen, state, maps), rtol=0, atol=1e-5)
    even = [a[..., None, None].expand(-1, -1, 2 << i, 2 << i) for i, a in enumerate(one)]
    torch.testing.assert_close(net(seen, even), net(seen, one), rtol=0, atol=1e-5)
    assert (net(seen, one) - net(seen, other)).abs().max() > 1e-3


def test_what_is_missed_is_fed_in_before_a_stage_and_nothing_is_like_zeros():
    state, seen = told(), features(side=16)
    for stage, width in ((4, WIDTHS[3]), (3, WIDTHS[2])):
        state[f"told{stage}.weight"] = noise(width, width, 1, 1, seed=stage)
        state[f"told{stage}.bias"] = noise(width, seed=stage + 2)
    state["missed"] = torch.tensor([0.5, 2.0])
    net = StyledDecoder(state)
    changes = net.modulation(statistics(seen))
    errors = {tap: noise(*seen[tap].shape, seed=7) - 0.5 for tap in net.taps}

    def fed(stage: int, usual: float) -> Tensor:
        weight, bias = (state[f"told{stage}.{part}"] for part in ("weight", "bias"))
        error = errors[f"relu{stage}_1"] / usual
        return torch.einsum("oi,nihw->nohw", weight[..., 0, 0], error) + bias[:, None, None]

    deep = seen["relu4_1"] + fed(4, 0.5)
    h = by_hand({**seen, "relu4_1": deep}, state, changes, third=fed(3, 2.0))
    torch.testing.assert_close(net(seen, changes, errors), h, rtol=0, atol=1e-4)
    nothing = {tap: torch.zeros_like(error) for tap, error in errors.items()}
    torch.testing.assert_close(net(seen, changes), net(seen, changes, nothing))
    assert (net(seen, changes) - h).abs().max() > 1e-2


def test_the_gram_matrices_of_adapted_activations_are_known_before_they_are_made():
    net, seen = StyledDecoder(told()), features(count=2, side=32)
    style = {tap: 3 * f + 1 for tap, f in features(count=2, side=16, seed=9).items()}
    own, wanted = statistics(seen), statistics(style)
    covariances = {
        tap: torch.stack([f.flatten(1).cov(correction=0) for f in seen[tap]]) for tap in net.taps
    }
    grams = net.grams(covariances, own, wanted)
    for tap, f in net.adapted(seen, own, wanted).items():
        flat = f.flatten(2)
        torch.testing.assert_close(grams[tap], flat @ flat.mT / flat.shape[2], rtol=1e-3, atol=1e-4)


def test_untrained_it_is_told_nothing():
    net = StyledDecoder(initial_styled_state(WIDTHS[:4], source()))
    assert all(not change.any() for change in net.modulation(noise(1, 2 * sum(WIDTHS[:4]))))


def test_statistics_are_means_and_deviations_side_by_side():
    seen = features(count=2)
    expected = []
    for tap in STATISTICS:
        expected += [seen[tap].mean((2, 3)), seen[tap].flatten(2).std(2, correction=0)]
    torch.testing.assert_close(statistics(seen), torch.cat(expected, 1))


def test_adapted_activations_have_the_wanted_statistics():
    net = StyledDecoder(told() | {"scale": torch.full((2 * sum(WIDTHS[:4]),), 1e-4)})
    seen, style = features(side=32), features(side=16, seed=9)
    style = {tap: 3 * f + 1 for tap, f in style.items()}
    wanted = statistics(style)
    made = net.adapted(seen, statistics(seen), wanted)
    assert tuple(made) == net.taps == ("relu4_1", "relu3_1")
    torch.testing.assert_close(statistics(seen | style | made), wanted, rtol=1e-4, atol=1e-5)


def test_own_statistics_change_nothing_and_flat_activations_are_not_blown_up():
    net, seen = StyledDecoder(told()), features(side=32)
    own = statistics(seen)
    for tap, f in net.adapted(seen, own, own).items():
        torch.testing.assert_close(f, seen[tap])
    flat = {tap: 1 + 1e-4 * f for tap, f in seen.items()}
    usual = net.scale[-WIDTHS[3] :]
    made = net.adapted(flat, statistics(flat), own)["relu4_1"]
    allowed = (own[:, -WIDTHS[3] :] / (FLOOR * usual)).square().add(1).sqrt()
    grown = statistics(flat | {"relu4_1": made})[:, -WIDTHS[3] :]
    before = statistics(flat)[:, -WIDTHS[3] :]
    assert (grown <= 1.01 * allowed * before).all()
    assert (grown > 2 * before).any()


@torch.no_grad()
@pytest.mark.parametrize("level", range(1, 6))
def test_the_margin_is_the_reach_of_a_decoder(level: int):
    net = Decoder(plain(level))
    position = 2 ** (level - 1)
    cells = net.margin // position
    assert net.margin % position == 0
    # A tile of two positions, seen whole and with no more around it than the margin.
    around = cells + 3
    f = noise(1, WIDTHS[level - 1], 2 * around + 2, 5)
    whole = net(f)[:, :, around * position : (around + 2) * position]
    for less, same in ((0, True), (1, False)):
        reach = cells - less
        cut = net(f[:, :, around - reach : around + 2 + reach])
        tile = cut[:, :, reach * position : (reach + 2) * position]
        assert ((tile - whole).abs().max() < 1e-5) == same


@torch.no_grad()
def test_a_pixel_beyond_the_margin_does_not_matter_to_a_styled_decoder():
    net, seen = StyledDecoder(told()), features(side=128)
    changes = net.modulation(statistics(seen))
    before = net(seen, changes)
    at = 64
    for tap, size in (("relu4_1", 8), ("relu3_1", 4)):
        seen[tap][:, :, at // size :] += 1
    moved = (net(seen, changes) - before).abs().amax((0, 1, 3)) > 1e-6
    assert not moved[: at - net.margin].any()
    assert moved[at - net.margin + 8 :].all()


def test_half_precision_is_nearly_the_same_and_finer_than_eight_bits_around_grey():
    state = plain(2)
    f = noise(1, WIDTHS[1], 32, 32)
    exact, half = Decoder(state)(f), Decoder(state).half()
    rough = half(f.bfloat16())
    assert rough.dtype == torch.float32
    assert half.get_parameter("conv2_2.weight").dtype == torch.bfloat16
    assert 0 < (rough - exact).abs().max() < 0.01
    levels = rough[(rough - 0.5).abs() < 0.1].unique()
    assert levels.diff().min() < 1 / 1000


def test_a_missing_part_is_refused():
    state = plain(3)
    del state["conv2_1.bias"]
    with pytest.raises(WeightsError, match=r"a decoder must hold conv2_1\.bias"):
        Decoder(state)
    with pytest.raises(WeightsError, match=r"a decoder must hold skip3\.weight"):
        StyledDecoder(plain(4))


# --- those that come with the package ------------------------------------------------------------


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Bundle random decoders that say they are of this petit."""

    def bundle(eyes: str = "") -> None:
        petit = zoo.models()["petit"]
        said = {"eyes": json.dumps(eyes or petit.sha256)}
        table = [petit]
        for name, state in (
            ("wct", {f"relu{k}_1.{key}": v for k in (1, 2) for key, v in plain(k).items()}),
            ("adain", told()),
        ):
            path = tmp_path / f"{name}.safetensors"
            save_file(state, path, said)
            own = {"name": name, "file": path.name, "sha256": digest(path), "role": "decoder"}
            table.append(replace(petit, **own))
        monkeypatch.setattr(zoo, "WEIGHTS", tmp_path)
        monkeypatch.setattr(zoo, "_table", lambda: tuple(table))

    return bundle


def test_bundled_decoders_are_those_of_the_files(bundled):
    bundled()
    found = decoder.decoders()
    assert list(found) == ["relu1_1", "relu2_1"]
    assert [net.tap for net in found.values()] == list(found)
    f = noise(1, WIDTHS[1], 4, 4)
    assert torch.equal(found["relu2_1"](f), Decoder(plain(2))(f))
    styled = decoder.styled()
    assert not any(p.requires_grad for p in styled.parameters())
    assert torch.equal(styled.scale, told()["scale"])


def test_decoders_are_known_but_are_no_networks(bundled):
    bundled()
    assert list(zoo.decoders()) == ["wct", "adain"]
    assert list(zoo.models()) == ["petit"]


def test_a_decoder_of_another_petit_is_refused(bundled):
    bundled(eyes="0" * 64)
    with pytest.raises(WeightsError, match=r"wct\.safetensors was trained for another version"):
        decoder.decoders()
    with pytest.raises(WeightsError, match=r"adain\.safetensors was trained for another version"):
        decoder.styled()


def test_a_damaged_decoder_is_refused(bundled, tmp_path: Path):
    bundled()
    path = tmp_path / "adain.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(WeightsError, match=r"adain\.safetensors is damaged .* install impasto"):
        decoder.styled()


def test_without_decoders_the_sentence_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(zoo, "_table", tuple)
    with pytest.raises(WeightsError, match="no decoder for wct comes with this version"):
        decoder.decoders()


def test_encoders_are_shown_a_little_noise_that_belongs_to_the_place():
    image = torch.full((2, 3, 96, 128), 0.5)
    shown = roughened(image)
    assert float((shown - image).std()) == pytest.approx(ROUGH, rel=0.1)
    assert torch.equal(shown[0], shown[1])
    assert torch.equal(shown[:, 0], shown[:, 2])
    place = PERIOD - 10, 3 * PERIOD + 7
    far = roughened(image, at=place)
    assert torch.equal(far[:, :, 10:, :57], shown[:, :, :86, 7:64])
