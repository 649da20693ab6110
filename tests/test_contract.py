"""What holds of every method in the folder, whatever it does inside."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from impasto import methods
from impasto.core.contract import Frame, Method, Style
from impasto.core.errors import OptionError
from impasto.core.options import build
from impasto.nets import trained, zoo
from impasto.nets.vgg import VGG

# Options that make a method fast enough for small pictures; one that is fast by itself needs none.
# The first step of L-BFGS at each size is tiny, so a few more are taken.
FAST: dict[str, dict[str, Any]] = {"gatys": {"iterations": 10, "coarsest": 24}}

# The bundled weights without which a method cannot work, by the names of their files.
NEEDS = {
    "adain": ("adain",),
    "auto": ("adain",),
    "wct": ("wct",),
    "johnson": ("multistyle",),
    "multistyle": ("multistyle",),
}

# What works with styles that its network was trained for.
LEARNT = ("johnson", "multistyle")

pytestmark = pytest.mark.usefixtures("random_weights")
every_method = pytest.mark.parametrize("name", methods.names())


def draw(height: int, width: int, *, seed: int = 1) -> Tensor:
    return torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(seed))


CONTENT, STYLE = draw(36, 48), draw(40, 32, seed=2) ** 2


def method(name: str, eyes: VGG, **options: Any) -> Any:
    model: Any = methods.load(name)
    looks = {"network": eyes} if "network" in model.model_fields else {}
    return build(model, looks | FAST.get(name, {}) | options)


def imitated(chosen: Method, image: Tensor) -> Style:
    """A picture as a style; to a method whose networks are trained, one that its network knows."""
    name = type(chosen).__name__.lower()
    if name not in LEARNT:
        return Style(image)
    known = trained.bundled()
    if name == "multistyle":
        return Style(image, measured=known.known(known.names[1]))
    state = known.network.state_dict()
    return Style(image, measured=state | {"rows": state["rows"][:2]})


def paint(
    chosen: Method, *, content: Tensor = CONTENT, style: Tensor = STYLE, seed: int = 3
) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    out = chosen.prepare([imitated(chosen, style)], generator=generator)(Frame(content))
    assert out.dtype == torch.float32
    assert out.shape == content.shape
    assert out.isfinite().all()
    assert 0 <= out.min() <= out.max() <= 1
    assert not out.requires_grad
    return out


@every_method
def test_the_result_is_a_new_picture_in_the_size_of_the_content(name: str, eyes: VGG) -> None:
    before = CONTENT.clone(), STYLE.clone()
    out = paint(method(name, eyes))
    assert (out - CONTENT).abs().mean() > 5e-3
    assert torch.equal(CONTENT, before[0])
    assert torch.equal(STYLE, before[1])


@every_method
def test_a_seed_gives_the_same_bytes_and_the_global_seed_has_no_say(name: str, eyes: VGG) -> None:
    chosen = method(name, eyes)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one = paint(chosen)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(paint(chosen), one)


@every_method
def test_what_is_prepared_once_gives_the_same_picture_again(name: str, eyes: VGG) -> None:
    chosen = method(name, eyes)
    stylizer = chosen.prepare([imitated(chosen, STYLE)], generator=torch.Generator())
    one = stylizer(Frame(CONTENT))
    stylizer(Frame(draw(40, 30)))
    assert torch.equal(stylizer(Frame(CONTENT)), one)


@every_method
def test_noise_is_drawn_from_the_seed(name: str, eyes: VGG) -> None:
    field = methods.load(name).model_fields.get("start")  # type: ignore[attr-defined]
    if field is None or "noise" not in str(field.annotation):
        pytest.skip("nothing in this method is drawn by chance")
    chosen = method(name, eyes, start="noise")
    one = paint(chosen, seed=1)
    assert torch.equal(paint(chosen, seed=1), one)
    assert not torch.equal(paint(chosen, seed=2), one)


@every_method
@pytest.mark.parametrize("size", [(17, 17), (30, 400), (33, 47), (400, 16), (64, 16)])
def test_odd_sizes(name: str, eyes: VGG, size: tuple[int, int]) -> None:
    paint(method(name, eyes), content=draw(*size))
    paint(method(name, eyes), style=draw(*size))


GREY = draw(36, 48, seed=5).mean(1, keepdim=True).expand(1, 3, -1, -1)
PLAIN = {
    "grey": GREY,
    "black": torch.zeros(1, 3, 36, 48),
    "white": torch.ones(1, 3, 36, 48),
    "red": torch.tensor([0.9, 0.1, 0.1]).view(1, 3, 1, 1).expand(1, 3, 36, 48),
}


@every_method
@pytest.mark.parametrize(
    ("content", "style"), [*itertools.product([*PLAIN, "colourful"], repeat=2)]
)
def test_plain_pictures_stay_finite(name: str, eyes: VGG, content: str, style: str) -> None:
    paint(method(name, eyes), content=PLAIN.get(content, CONTENT), style=PLAIN.get(style, STYLE))


@every_method
def test_strength_0_is_the_content(name: str, eyes: VGG) -> None:
    if "strength" not in methods.load(name).model_fields:  # type: ignore[attr-defined]
        pytest.skip("this method has no strength")
    assert torch.equal(paint(method(name, eyes, strength=0)), CONTENT)


@every_method
def test_a_style_of_which_nothing_is_known_is_refused(name: str, eyes: VGG) -> None:
    with pytest.raises(OptionError, match="style"):
        method(name, eyes).prepare([Style(None)], generator=torch.Generator())


@every_method
def test_regions_hold_or_are_refused(name: str, eyes: VGG) -> None:
    mask = torch.zeros(1, 1, 36, 48)
    mask[..., :24] = 1
    chosen = method(name, eyes)
    stylizer = chosen.prepare([imitated(chosen, STYLE)], generator=torch.Generator())
    try:
        out = stylizer(Frame(CONTENT, regions=[mask]))
    except OptionError as refusal:
        assert "regions" in str(refusal)  # noqa: PT017 - either will do
    else:
        assert torch.equal(out[..., 24:], CONTENT[..., 24:])
        assert (out[..., :24] - CONTENT[..., :24]).abs().mean() > 1e-3


@every_method
def test_options_survive_json(name: str) -> None:
    model: Any = methods.load(name)
    chosen = build(model, FAST.get(name, {}))
    again = model.model_validate_json(chosen.model_dump_json())
    assert again == chosen
    assert model.model_json_schema()["properties"].keys() == model.model_fields.keys()


@every_method
def test_unknown_options_are_refused_with_those_there_are(name: str) -> None:
    model: Any = methods.load(name)
    with pytest.raises(OptionError) as refusal:
        build(model, {"shrength": 1})
    sentence = str(refusal.value)
    assert sentence.startswith("there is no option shrength; the options are ")
    assert all(option in sentence for option in model.model_fields)


@every_method
def test_it_works_with_what_the_package_brings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # No random weights here.
    for file in ("petit", *NEEDS.get(name, ())):
        if not (zoo.WEIGHTS / f"{file}.safetensors").is_file():
            pytest.skip(f"{file} is not bundled yet")
    paint(build(methods.load(name), FAST.get(name, {})))  # type: ignore[type-var]


def test_the_folder_is_the_registry() -> None:
    assert "gatys" in methods.names()
    assert methods.DEFAULT in methods.names()
    for name in methods.names():
        assert isinstance(methods.load(name)(), Method)
    with pytest.raises(OptionError, match=r"method must be one of .*gatys.*; got 'gaty'"):
        methods.load("gaty")
