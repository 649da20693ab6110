"""Any module as named feature maps: against running it by hand."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from impasto.core.errors import OptionError
from impasto.features import Hooked, Network, choose, coded


class Trap(nn.Module):
    """Must not be reached."""

    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("too deep")


def stack() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.ReLU(inplace=True),
        nn.Sequential(nn.Conv2d(4, 5, 3), nn.Sigmoid()),
        nn.Dropout(0.5),
        nn.Conv2d(5, 6, 1),
        Trap(),
        nn.Conv2d(6, 7, 1),
    )


IMAGE = torch.rand((1, 3, 12, 10), generator=torch.Generator().manual_seed(2))
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)


def hooks(module: nn.Module) -> int:
    return sum(len(part._forward_hooks) for part in module.modules())


def test_taps_are_what_the_submodules_give_by_hand() -> None:
    module = stack()
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    first = module[0]((IMAGE - mean) / std)
    inner = module[2][0](first.relu())
    expected = {"0": first, "1": first.relu(), "2.0": inner, "4": module[4](inner.sigmoid())}
    found = Hooked(module, mean=MEAN, std=STD)(IMAGE, list(expected))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        # The ReLU after "0" works in place and must not reach what was kept of "0".
        torch.testing.assert_close(found[name], value, msg=name)
    assert (found["0"] < 0).any()


def test_pictures_are_not_normalised_unless_asked() -> None:
    module = stack()
    torch.testing.assert_close(Hooked(module)(IMAGE, ["0"])["0"], module[0](IMAGE))


def test_a_hooked_module_is_a_network_with_all_its_layers() -> None:
    hooked = Hooked(stack())
    assert isinstance(hooked, Network)
    assert hooked.layers == ("0", "1", "2", "2.0", "2.1", "3", "4", "5", "6")
    assert hooked.metric("0") is None


def test_nothing_runs_after_the_last_tap_and_hooks_are_removed() -> None:
    module = stack()
    hooked = Hooked(module)
    for taps in (["4"], ["4", "0"], ["0", "4", "4"]):
        assert hooked(IMAGE, taps).keys() == set(taps)
        assert hooks(module) == 0
    with pytest.raises(RuntimeError, match="too deep"):
        hooked(IMAGE, ["6"])
    with pytest.raises(AttributeError):
        hooked(IMAGE, ["0", "missing"])
    assert hooks(module) == 0


def test_gradients_reach_the_picture_and_not_the_module() -> None:
    module = stack()
    picture = IMAGE.clone().requires_grad_()
    hooked = Hooked(module, mean=MEAN, std=STD)
    sum(f.square().sum() for f in hooked(picture, ["0", "1", "4"]).values()).backward()
    assert picture.grad is not None
    assert picture.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in module.parameters())


def test_a_submodule_that_runs_twice_gives_its_first_output() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.twice, self.last = nn.Upsample(scale_factor=2), nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.twice(self.twice(x)))

    found = Hooked(Twice())(IMAGE, ["last", "twice"])
    assert found["twice"].shape[2:] == (24, 20)
    assert found["last"].shape[2:] == (48, 40)


def test_layers_that_give_no_maps_are_refused() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Identity())
    with pytest.raises(OptionError, match="layer 1 of the network gives no feature maps"):
        Hooked(module)(IMAGE, ["0", "1"])
    idle = nn.Conv2d(3, 4, 3)
    idle.add_module("idle", nn.ReLU())
    with pytest.raises(OptionError, match="the network never runs its layer idle"):
        Hooked(idle)(IMAGE, ["idle"])


def test_the_usual_layers_of_any_network_are_the_first_activations_of_its_scales() -> None:
    body = nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU()),  # 0 to 3
        *(nn.MaxPool2d(2), nn.BatchNorm2d(4), nn.SiLU()),  # 4 to 6
        *(nn.Conv2d(4, 4, 3, stride=2), nn.BatchNorm2d(4)),  # 7 and 8
        *(nn.Flatten(), nn.Linear(7, 2)),  # Does not fit.
    )
    hooked = Hooked(body)
    assert hooked.usual() == ("1", "6", "7")
    assert choose(hooked, None, option="style_layers") == ("1", "6", "7")
    assert choose(hooked, None, option="content_layers") == ("7",)
    assert choose(hooked, ["3"], option="content_layers") == ("3",)
    assert hooks(body) == 0


def test_content_is_seen_at_the_fourth_of_five_scales() -> None:
    blocks = [
        nn.Sequential(nn.Conv2d(3 if not i else 4, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2))
        for i in range(7)
    ]
    hooked = Hooked(nn.Sequential(*blocks))
    assert hooked.usual() == ("0.1", "1.1", "2.1", "3.1", "4.1")
    assert choose(hooked, None, option="content_layers") == ("3.1",)


class Named:
    """A network with these layers."""

    def __init__(self, *layers: str) -> None:
        self.layers = layers

    def __call__(self, image: Tensor, taps: list[str]) -> dict[str, Tensor]:
        return {}

    def metric(self, tap: str) -> None: ...


DEEP = Named("relu1_1", "relu1_2", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1")


@pytest.mark.parametrize(
    ("network", "style", "content"),
    [
        (DEEP, ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"), ("relu4_2",)),
        (Named("relu1_1", "relu3_1", "relu4_1"), ("relu1_1", "relu3_1", "relu4_1"), ("relu4_1",)),
    ],
)
def test_the_usual_layers_that_a_network_has(
    network: Named, style: tuple[str, ...], content: tuple[str, ...]
) -> None:
    assert choose(network, None, option="style_layers") == style
    assert choose(network, None, option="content_layers") == content
    assert choose(network, ["relu3_1", "relu1_1"], option="style_layers") == ("relu3_1", "relu1_1")


@pytest.mark.parametrize(
    ("asked", "got"), [(["a", "c", "d"], "c, d"), ([], "none"), (None, "none"), (["c"], "c")]
)
def test_other_layers_are_refused_with_those_that_are_there(
    asked: list[str] | None, got: str
) -> None:
    with pytest.raises(OptionError) as refusal:
        choose(Named("a", "b"), asked, option="content_layers")
    assert str(refusal.value) == f"content_layers must be among a, b; got {got}"


MODULE = "import torch\nnetwork = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.ReLU())\n"
HOOKED = (
    "from impasto.features import Hooked\n"
    f"{MODULE}"
    "network = Hooked(network, mean=(1.0, 1.0, 1.0))\n"
)
NONE = (
    "{} must define network: a torch.nn.Module with layers, an impasto.features.Hooked, or a "
    "function that returns one"
)
FUNCTION = MODULE + "made = network\ndef network():\n    return made\n"


@pytest.mark.parametrize("text", [MODULE, HOOKED, FUNCTION])
def test_a_file_of_python_makes_a_network(tmp_path: Path, text: str) -> None:
    (tmp_path / "eyes.py").write_text(text)
    network = coded(tmp_path / "eyes.py", torch.device("cpu"))
    assert isinstance(network, Hooked)
    seen = IMAGE - 1 if text == HOOKED else IMAGE
    torch.testing.assert_close(network(IMAGE, ["0"])["0"], network.module[0](seen))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "network must be a file that is there; {} is not"),
        ("network = 1 / 0", "{} makes no network: division by zero"),
        ("def network():\n    raise KeyError", "{} makes no network: KeyError"),
        ("raise SystemExit(3)", "{} makes no network: 3"),
        ("eyes = 3", NONE),
        ("import torch\nnetwork = torch.nn.Linear(3, 3)", NONE),
    ],
)  # fmt: skip
def test_a_file_that_makes_none_is_refused_in_one_sentence(
    tmp_path: Path, text: str | None, sentence: str
) -> None:
    path = tmp_path / "eyes.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(OptionError) as refusal:
        coded(path, torch.device("cpu"))
    assert str(refusal.value) == sentence.format(path)
