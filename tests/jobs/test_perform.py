import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import impasto
from impasto.core.errors import Interrupted, MediaError, OptionError
from impasto.jobs.perform import Job, opened, perform, stylize, weighed
from impasto.media.image import from_array, read
from impasto.ops.resample import resize
from impasto.painted import names


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (30, 48, 3), dtype=np.uint8)


@pytest.fixture
def photo(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def red(tmp_path):
    Image.new("RGB", (20, 20), (255, 0, 0)).save(tmp_path / "red.png")
    return tmp_path / "red.png"


@pytest.mark.parametrize(
    ("words", "source", "weight"),
    [
        ("a.jpg", "a.jpg", 1),
        ("a.jpg:2.5", "a.jpg", 2.5),
        ("a.jpg:1e-3", "a.jpg", 0.001),
        (":swirl", ":swirl", 1),
        (":swirl:2", ":swirl", 2),
        (":swirl@7", ":swirl@7", 1),
        (":swirl@7:2", ":swirl@7", 2),
        (r"C:\art\a.jpg", r"C:\art\a.jpg", 1),
        (r"C:\art\a.jpg:3", r"C:\art\a.jpg", 3),
        ("day:night.jpg", "day:night.jpg", 1),
        ("at 10:30:1", "at 10:30", 1),
    ],
)
def test_a_weight_is_a_number_after_the_last_colon(words, source, weight):
    assert weighed(words) == [(source, weight)]
    assert weighed([words, words]) == [(source, weight)] * 2


paths = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@given(paths, st.floats(min_value=1e-300, max_value=1e300))
def test_any_path_and_weight_come_back(path, weight):
    assert weighed(f"{path}:{weight!r}") == [(path, weight)]
    assert weighed((path, weight)) == [(path, weight)]


@given(paths.filter(lambda path: ":" not in path))
def test_a_path_without_colon_has_weight_one(path):
    assert weighed(path) == [(path, 1.0)]


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf", "-inf", "0.0", "1e999"])
def test_weights_that_are_no_weights_are_refused(weight):
    for style in (f"a.jpg:{weight}", [("a.jpg", float(weight))]):
        with pytest.raises(OptionError, match=r"weight of style a.jpg must be a number above 0"):
            weighed(style)


def test_styles_may_be_one_or_several_of_any_kind(pixels):
    picture = Image.fromarray(pixels)
    assert weighed(picture) == [(picture, 1.0)]
    assert weighed((picture, 2.0)) == [(picture, 2.0)]
    assert weighed((picture, ("b.jpg", 3.0))) == [(picture, 1.0), ("b.jpg", 3.0)]


@pytest.mark.parametrize(
    ("side", "size", "expected"),
    [
        ((30, 48), None, (30, 48)),
        ((1500, 2048), None, (750, 1024)),
        ((2048, 20), None, (1024, 10)),
        ((30, 48), 96, (60, 96)),
        ((30, 48), 16, (10, 16)),
        ((16, 4000), 100, (1, 100)),
    ],
)
def test_size_is_the_long_side(tmp_path, side, size, expected):
    Image.new("L", side[::-1]).save(tmp_path / "a.png")
    assert Job(tmp_path / "a.png", [], size=size).result_size() == expected


@pytest.mark.parametrize("size", [15, 0, -3, True, 10**6])
def test_other_sizes_are_refused(photo, size):
    with pytest.raises(OptionError, match="size must"):
        perform(Job(photo, [(photo, 1.0)], size=size))


@pytest.mark.parametrize("seed", [-1, 2**63, True])
def test_other_seeds_are_refused(photo, seed):
    with pytest.raises(OptionError, match="seed must be a whole number"):
        stylize(photo, photo, seed=seed)


def test_all_kinds_of_content_give_the_same_picture(tint, photo, pixels, red):
    expected = perform(Job(photo, [(red, 1.0)], "tint"))
    assert expected.shape == (1, 3, 30, 48)
    content = read(photo)
    goal = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)
    assert torch.allclose(expected, (content + goal) / 2, atol=1e-6)
    tensor = stylize(content, red, method="tint")
    assert torch.equal(tensor, expected)
    for kind in (photo, str(photo), Image.fromarray(pixels), pixels):
        picture = stylize(kind, red, method="tint")
        assert isinstance(picture, Image.Image)
        assert torch.equal(from_array(np.asarray(picture)), (expected * 255).round() / 255)


def test_styles_are_blended_by_their_weights(tint, photo, red):
    blue = np.zeros((16, 16, 3), np.uint8)
    blue[..., 2] = 255
    out = perform(Job(photo, weighed([f"{red}:3", blue]), "tint", options={"strength": 1.0}))
    assert torch.allclose(out.mean((2, 3)), torch.tensor([[0.75, 0, 0.25]]), atol=1e-6)


def test_nothing_is_changed_at_its_own_size_and_strength_0(tint, photo):
    assert torch.equal(stylize(read(photo), photo, method="tint", strength=0.0), read(photo))


def test_a_large_content_is_brought_to_the_size(tint, tmp_path, red):
    y, x = np.mgrid[0:900, 0:1201]
    pixels = np.stack([x * 255 / 1201, y * 255 / 900, 0 * x], -1).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "large.png")
    out = perform(Job(tmp_path / "large.png", [(red, 1.0)], "tint", 100, options={"strength": 0.0}))
    assert out.shape == (1, 3, 75, 100)
    assert (out - resize(from_array(pixels), (75, 100))).abs().max() < 0.01


def test_painted_styles_are_drawn_at_the_size_of_the_strokes(tint, photo, monkeypatch):
    def flat(name: str, *, width: int, height: int, seed: int) -> np.ndarray:
        return np.full((height, width, 3), {"swirl": 100}[name] + seed, np.uint8)

    monkeypatch.setattr("impasto.jobs.perform.paint", flat)
    for scale, (height, width) in {1.0: (48, 64), 0.1: (48, 64), 1.5: (72, 96)}.items():
        tint.clear()
        perform(Job(photo, [(":swirl@3", 1.0)], "tint", 64, options={"style_scale": scale}))
        (_, (style,)), frame = tint
        assert style.image.shape == (1, 3, height, width)
        assert (style.image * 255 == 103).all()
        assert frame.content.shape == (1, 3, 40, 64)


def test_a_picture_painted_by_code_may_be_the_content(tint, red):
    assert Job(f":{names()[0]}", []).result_size() == (768, 1024)
    assert opened(f":{names()[0]}", long_side=32).shape == (1, 3, 24, 32)


@pytest.mark.parametrize("source", [":no-such", ":", ":@1", ":swirl@x", ":swirl@-1", ":swirl@1.5"])
def test_painted_pictures_that_do_not_exist_are_refused(source):
    with pytest.raises(OptionError):
        opened(source, long_side=32)


def test_the_start_picture_is_brought_to_the_size(tint, photo, red):
    out = perform(
        Job(photo, [(photo, 1.0)], "tint", 64, start_picture=red, options={"strength": 0.0})
    )
    assert out.shape == (1, 3, 40, 64)
    assert torch.allclose(out.mean((2, 3)), torch.tensor([[1.0, 0, 0]]))


def test_the_seed_decides_all_randomness(tint, photo, red):
    def made(seed: int) -> torch.Tensor:
        return perform(Job(photo, [(red, 1.0)], "tint", seed=seed, options={"mode": "noisy"}))

    state = torch.random.get_rng_state()
    assert torch.equal(made(4), made(4))
    assert not torch.equal(made(4), made(5))
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("step", [1, 4])
def test_an_interrupt_keeps_the_picture_so_far(tint, photo, red, step):
    events = []
    with pytest.raises(Interrupted) as caught:
        perform(Job(photo, [(red, 1.0)], "tint", options={"stop_at": step}), report=events.append)
    assert len(events) == step
    kept = caught.value.image
    assert kept.shape == (1, 3, 30, 48)
    assert torch.equal(kept, resize(events[-1].image(), (30, 48)))


def test_an_interrupt_before_the_first_step_keeps_nothing(tint, photo, red):
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        perform(Job(photo, [(red, 1.0)], "tint"), report=stop)
    assert caught.value.image is not None
    with pytest.raises(MediaError):
        perform(Job(photo.with_name("none.png"), [(red, 1.0)], "tint"), report=stop)


def test_unknown_methods_and_options_are_refused(tint, photo):
    with pytest.raises(OptionError, match=r"method must be one of .*tint"):
        stylize(photo, photo, method="tnit")
    with pytest.raises(OptionError, match="there is no option strenght; the options are strength"):
        stylize(photo, photo, method="tint", strenght=1)
    with pytest.raises(OptionError, match="strength must be a number from 0 to 1; got 2"):
        stylize(photo, photo, method="tint", strength=2)


def test_denormal_numbers_are_zero_afterwards(tint, photo):
    stylize(photo, photo, method="tint")
    assert (torch.tensor(1e-40) * 1).item() == 0 or not torch.set_flush_denormal(True)


def test_the_door_is_the_same_function():
    assert impasto.stylize is stylize
