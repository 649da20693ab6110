"""Networks that paint: their norms, their rows, and the weights of others."""

from itertools import pairwise

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from impasto.core.errors import WeightsError
from impasto.nets.trained import ROW, build, load, paint
from impasto.nets.transformer import PERIOD, SMOOTH, Paper, Slim


def _picture(*, seed=0, size=(32, 48)):
    return torch.rand((1, 3, *size), generator=torch.Generator().manual_seed(seed))


def _random(network, *, seed=1):
    generator = torch.Generator().manual_seed(seed)
    for value in network.parameters():
        value.data += 0.1 * torch.randn(value.shape, generator=generator)
    return network.requires_grad_(False)


@pytest.mark.parametrize("kind", [Slim, Paper])
def test_every_picture_of_a_batch_is_painted_as_alone(kind):
    network = _random(kind(3))
    x = torch.cat([_picture(seed=0), _picture(seed=1)])
    both = network(x, network.rows[[2, 0]])
    alone = network(x[1:], network.rows[:1])
    assert both.shape == x.shape
    assert torch.allclose(both[1:], alone, atol=1e-5)


@pytest.mark.parametrize("kind", [Slim, Paper])
def test_the_exported_norm_is_the_same(kind, monkeypatch):
    network = _random(kind(1))
    plain = network(_picture(), network.rows)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    assert torch.allclose(network(_picture(), network.rows), plain, atol=1e-4)


def test_a_norm_is_what_the_formula_says():
    network = _random(Slim(2))
    norm = network.down[1]
    x = torch.randn((1, 64, 5, 7), generator=torch.Generator().manual_seed(3))
    row = network.rows[1:]
    gain, shift = row[0, norm.begin : norm.begin + 64], row[0, norm.begin + 64 : norm.end]
    mean, deviation = x.mean((2, 3)), (x.var((2, 3), correction=0) + 1e-5).sqrt()
    expected = (x - mean[..., None, None]) / deviation[..., None, None]
    expected = expected * gain[:, None, None] + shift[:, None, None]
    assert torch.allclose(norm(x, row), expected, atol=1e-5)


def test_rows_hold_the_parameters_of_all_norms_once():
    network = Slim(1)
    ends = sorted((m.begin, m.end) for m in network.modules() if hasattr(m, "begin"))
    assert ends[0][0] == 0
    assert all(a[1] == b[0] for a, b in pairwise(ends))
    assert ends[-1][1] == network.rows.shape[1] - 6 == 1200


class _Others(nn.Module):
    """The network of PyTorch's examples, written down from its description."""

    def __init__(self):
        super().__init__()
        wide = [(3, 32, 9, 1), (32, 64, 3, 2), (64, 128, 3, 2)]
        for i, (seen, given, side, stride) in enumerate(wide, 1):
            self._layer(f"conv{i}", f"in{i}", nn.Conv2d(seen, given, side, stride))
        for i in range(1, 6):
            for k in (1, 2):
                self._layer(f"res{i}_conv{k}", f"res{i}_in{k}", nn.Conv2d(128, 128, 3))
        self._layer("deconv1", "in4", nn.Conv2d(128, 64, 3))
        self._layer("deconv2", "in5", nn.Conv2d(64, 32, 3))
        self.add_module("deconv3", nn.Conv2d(32, 3, 9))

    def _layer(self, conv, norm, module):
        self.add_module(conv, module)
        self.add_module(norm, nn.InstanceNorm2d(module.out_channels, affine=True))

    def _at(self, name, x):
        conv = self.get_submodule(name)
        edge = conv.kernel_size[0] // 2
        return conv(F.pad(x, (edge,) * 4, mode="reflect"))

    def forward(self, x):
        for i in (1, 2, 3):
            x = self.get_submodule(f"in{i}")(self._at(f"conv{i}", x)).relu()
        for i in range(1, 6):
            h = self.get_submodule(f"res{i}_in1")(self._at(f"res{i}_conv1", x)).relu()
            x = x + self.get_submodule(f"res{i}_in2")(self._at(f"res{i}_conv2", h))
        for i in (1, 2):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = self.get_submodule(f"in{i + 3}")(self._at(f"deconv{i}", x)).relu()
        return self._at("deconv3", x)

    def saved(self):
        """Its state under the names of the files that people have."""
        state = {}
        for key, value in self.state_dict().items():
            module, part = key.split(".")
            name = module.replace("_", ".")
            state[f"{name}.{part}" if ".in" in f".{name}" else f"{name}.conv2d.{part}"] = value
        return state


def test_weights_of_others_paint_the_same_picture():
    others = _random(_Others())
    trained = build(others.saved() | {"in1.running_mean": torch.zeros(32)})
    x = _picture()
    made = trained.network(x, trained.network.rows)
    assert torch.allclose(255 * made, others(255 * x), atol=1e-2, rtol=1e-4)


def test_a_state_comes_back():
    network = _random(Slim(3, widths=(8, 24, 32), blocks=2))
    trained = build(network.state_dict(), names=["a", "b"])
    assert torch.equal(trained.known("b")[ROW], network.rows[2])
    assert torch.equal(trained.network(_picture(), trained.network.rows[:1]),
                       network(_picture(), network.rows[:1]))  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda s: s | {"rows": s["rows"][:, :-1]}, "no network"),
        (lambda s: {k: v for k, v in s.items() if k != "paint.weight"}, "no network"),
        (lambda s: s | {"rows": s["rows"] * torch.inf}, "not finite"),
        (lambda s: s | {"rows": s["rows"].repeat(5, 1)}, "rows for"),
        (lambda _: {"conv1.conv2d.weight": torch.zeros(1)}, "lack"),
        (lambda _: {}, "no network"),
    ],
)
def test_other_weights_are_refused(damage, words):
    with pytest.raises(WeightsError, match=words):
        build(damage(Slim(2).state_dict()), names=["a"])


def test_half_paints_nearly_the_same():
    network = _random(Slim(1))
    plain = network(_picture(), network.rows)
    again = network.half()(_picture(), network.rows)
    assert again.dtype == torch.float32
    assert float((plain - again).square().mean().sqrt()) < 0.05 * float(plain.std())


def test_a_strength_of_0_is_the_row_that_returns_the_picture_and_1_the_style():
    trained = build(_random(Slim(3)).state_dict(), names=["a", "b"])
    weights = torch.tensor([3.0, 1.0])
    rows = trained.network.rows
    back = trained.network.returning()[None]
    assert torch.equal(trained.mixed(rows[1:], weights, strength=0.0), back)
    expected = 0.75 * rows[1] + 0.25 * rows[2]
    assert torch.allclose(trained.mixed(rows[1:], weights, strength=1.0)[0], expected, atol=1e-6)
    alone = trained.mixed(trained.styles[1:], torch.ones(1), strength=1.0)
    assert torch.allclose(alone[0], rows[2], atol=1e-6)


@pytest.mark.parametrize("size", [(16, 16), (17, 33), (40, 200)])
def test_pictures_of_any_size_are_painted(size):
    network = _random(Slim(1))
    made = paint(network, _picture(size=size), network.rows)
    assert made.shape == (1, 3, *size)
    assert 0 <= made.min() <= made.max() <= 1


def test_networks_are_read_from_files(tmp_path):
    others = _random(_Others())
    torch.save(others.saved(), tmp_path / "candy.pth")
    state = {k: v.contiguous() for k, v in build(others.saved()).network.state_dict().items()}
    save_file(state, tmp_path / "candy.safetensors", {"names": '["candy"]'})
    one, two = load(tmp_path / "candy.pth"), load(tmp_path / "candy.safetensors")
    assert two.names == ("candy",)
    assert torch.equal(one.styles, two.styles)
    assert len(two.sha256) == 32


def test_a_file_that_is_no_network_is_refused(tmp_path):
    for name in ("a.pth", "a.safetensors"):
        (tmp_path / name).write_bytes(b"no network")
        with pytest.raises(WeightsError, match=name):
            load(tmp_path / name)


@pytest.mark.parametrize("kind", [Slim, Paper])
def test_one_row_returns_the_picture_bit_for_bit(kind):
    network = _random(kind(2))
    assert torch.equal(network(_picture(), network.returning()[None]), _picture())


@pytest.mark.parametrize("size", [(6, 5), (1, 4), (1, 1)])
def test_a_doubled_map_is_one_whose_pixels_are_repeated(size):
    conv = _random(Slim(1)).unfold[0]
    x = torch.randn((2, 24, *size), generator=torch.Generator().manual_seed(3))
    assert torch.allclose(conv.doubled(x), conv(F.interpolate(x, scale_factor=2.0)), atol=1e-5)


def test_a_flat_picture_is_painted_with_strokes_that_do_not_repeat():
    flat = torch.full((1, 3, 64, 96), 0.5)
    without = _random(Slim(1, noise=0))
    assert float(without(flat, without.rows).std((2, 3)).max()) < 1e-4
    network = _random(Slim(1))
    painted = network(flat, network.rows)
    assert float(painted.std((2, 3)).min()) > 0.01
    # A weave would come back after a few positions.
    fine = painted[0] - painted[0].mean((1, 2), keepdim=True)
    for shift in (4, 8, 16):
        likeness = (fine[..., shift:] * fine[..., :-shift]).mean() / fine.square().mean()
        assert float(likeness) < 0.7


def test_noise_is_always_the_same_and_laid_side_by_side_shows_no_seam():
    noise = Slim(1).noise
    assert noise.shape == (len(SMOOTH), PERIOD, PERIOD)
    assert torch.equal(noise, Slim(2, blocks=1).noise)
    assert torch.allclose(noise.std((1, 2), correction=0), torch.ones(len(SMOOTH)), atol=1e-5)
    # The first numbers that this generator of numpy is known for, scaled.
    first = noise[0, 0, :2] / noise[0, 0, 0]
    assert torch.allclose(first, torch.tensor([1.0, 0.4001572 / 1.7640523]), atol=1e-5)
    steps = (noise - noise.roll(1, 2)).square().mean(1)
    assert torch.allclose(steps[:, 0], steps[:, 1:].mean(1), rtol=0.5)


@pytest.mark.parametrize("noise", [0, 2, len(SMOOTH)])
def test_networks_that_are_shown_less_noise_are_read_too(noise):
    network = _random(Slim(2, noise=noise))
    again = build(network.state_dict(), names=["a"]).network
    assert torch.equal(again(_picture(), again.rows[:1]), network(_picture(), network.rows[:1]))


def test_a_network_that_is_shown_more_noise_than_there_is_is_refused():
    state = Slim(2).state_dict()
    wide = torch.zeros((48, 48 + len(SMOOTH) + 1, 3, 3))
    with pytest.raises(WeightsError, match="channels of noise"):
        build(state | {"fold.0.weight": wide}, names=["a"])


def test_a_tile_is_shown_the_noise_of_its_place():
    network = _random(Slim(1))
    x = torch.rand((1, 48, 20, 24), generator=torch.Generator().manual_seed(0))
    whole = network._beside_noise(x, (1000, 40))
    part = network._beside_noise(x[:, :, 8:, 6:], (1000 + 32, 40 + 24))
    assert torch.equal(whole[:, :, 8:, 6:], part)
