from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import impasto
from impasto import methods
from impasto.core.contract import Box, Cost, Frame
from impasto.core.errors import Interrupted, MediaError, OptionError
from impasto.core.options import Options
from impasto.jobs import memory, sources
from impasto.jobs.perform import carry, perform, stylize
from impasto.jobs.sources import opened, weighed
from impasto.jobs.spec import Job
from impasto.media import large
from impasto.media.image import from_array, read, write
from impasto.ops.resample import resize
from impasto.painted import names
from impasto.universal.method import Painter
from impasto.universal.palette import save_style


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

    monkeypatch.setattr("impasto.jobs.sources.paint", flat)
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


@dataclass
class Spread:
    """Doubles the distance from the mean colour of the whole picture."""

    margin: int = 8
    multiple: int = 16

    def gather(self, frame: Frame, inside: Box) -> dict[str, torch.Tensor]:
        top, left, height, width = inside
        part = frame.content[:, :, top : top + height, left : left + width]
        return {"sum": part.double().sum((2, 3)), "count": torch.tensor(float(height * width))}

    def change(self, sums):
        mean = (sums["sum"] / sums["count"])[..., None, None].float()
        return lambda frame: (2 * frame.content - mean).clamp(0, 1)


class Spreading(Options):
    passes: int = 1

    def prepare(self, styles, *, generator):
        return Painter(lambda _: [Spread()] * self.passes)


@pytest.fixture
def spread(monkeypatch):
    """Enter the method "spread" as a stranger's, a universal one."""
    entry = SimpleNamespace(name="spread", load=lambda: Spreading)
    own = methods._strangers
    monkeypatch.setattr(methods, "_strangers", lambda: [*own(), entry])


@pytest.fixture
def in_tiles(monkeypatch):
    """From now on, every picture goes in tiles of 64 pixels where it can."""

    def begin() -> None:
        monkeypatch.setattr(memory, "WHOLE", 0)
        monkeypatch.setattr(memory, "SIDES", (64,))

    return begin


@pytest.fixture
def scene(tmp_path):
    """A picture of several tiles."""
    y, x = np.mgrid[0:150, 0:101]
    noise = np.random.default_rng(1).integers(0, 60, (150, 101, 3))
    pixels = np.stack([x * 190 / 101, y * 190 / 150, 90 + 0 * x], -1) + noise
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "scene.png")
    return tmp_path / "scene.png"


@pytest.mark.parametrize("passes", [0, 1, 3])
def test_tiles_make_the_picture_that_the_whole_makes(spread, in_tiles, scene, tmp_path, passes):
    job = Job(scene, [(scene, 1.0)], "spread", options={"passes": passes})
    whole = perform(job)
    carry(job, tmp_path / "whole.png")
    in_tiles()
    assert (perform(job) - whole).abs().max() < 1e-5
    carry(job, tmp_path / "tiles.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "scene.png",
        "tiles.png",
        "whole.png",
    ]
    first, second = read(tmp_path / "whole.png"), read(tmp_path / "tiles.png")
    assert (first != second).float().mean() < 1e-3
    assert (first - second).abs().max() < 1.01 / 255
    assert (whole == read(scene)).all() == (passes == 0)


@pytest.mark.usefixtures("random_weights")
@pytest.mark.parametrize(("method", "options"), [("adain", {}), ("wct", {"levels": (3, 2, 1)})])
def test_universal_methods_make_the_same_in_tiles(in_tiles, scene, method, options):
    # The deepest levels of so small a picture have fewer positions than channels.
    job = Job(scene, [(":swirl", 1.0)], method, options={"precision": "float32", **options})
    whole = perform(job)
    assert whole.std() > 0.01
    in_tiles()
    assert (perform(job) - whole).abs().max() < 1e-4


def test_every_kind_of_content_goes_in_tiles(spread, in_tiles, scene, tmp_path):
    in_tiles()
    expected = perform(Job(scene, [(scene, 1.0)], "spread"))
    with Image.open(scene) as picture:
        pixels = np.asarray(picture)
    for content in (str(scene), Image.fromarray(pixels), pixels, from_array(pixels)):
        job = Job(content, [(scene, 1.0)], "spread")
        assert torch.equal(perform(job), expected)
        carry(job, tmp_path / "out.png")
        assert (read(tmp_path / "out.png") - expected).abs().max() < 0.51 / 255
    assert perform(Job(":swirl", [(scene, 1.0)], "spread", 64)).shape == (1, 3, 48, 64)
    begun = Job(pixels[::-1].copy(), [(scene, 1.0)], "spread", start_picture=scene)
    assert torch.equal(perform(begun), expected)


def test_phone_photographs_go_in_tiles_upright_and_at_any_size(spread, in_tiles, scene, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(scene) as picture:
        picture.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "phone.png", exif=exif)
    for size in (150, 75, 300):
        whole = perform(Job(scene, [(scene, 1.0)], "spread", size))
        job = Job(tmp_path / "phone.png", [(scene, 1.0)], "spread", size)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(memory, "WHOLE", 0)
            out = perform(job)
        assert out.shape == whole.shape
        assert (out - whole).abs().mean() < 0.01


def test_an_interrupt_in_tiles_leaves_nothing(spread, in_tiles, scene, tmp_path):
    def stop(progress):
        if progress.done > 0.6:
            raise KeyboardInterrupt

    in_tiles()
    job = Job(scene, [(scene, 1.0)], "spread", options={"passes": 3})
    before = sorted(tmp_path.iterdir())
    with pytest.raises(Interrupted) as caught:
        carry(job, tmp_path / "out.png", report=stop)
    assert caught.value.image is None
    assert sorted(tmp_path.iterdir()) == before


def test_damage_in_tiles_is_refused_and_leaves_nothing(spread, in_tiles, scene, tmp_path):
    cut = tmp_path / "cut.png"
    cut.write_bytes(scene.read_bytes()[:-2000])
    in_tiles()
    with pytest.raises(MediaError, match=r"cut\.png is cut short or damaged"):
        carry(Job(cut, [(scene, 1.0)], "spread"), tmp_path / "out.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.png", "scene.png"]


def test_progress_in_tiles_ends_with_the_writing(spread, in_tiles, scene, tmp_path):
    events = []
    in_tiles()
    carry(Job(scene, [(scene, 1.0)], "spread"), tmp_path / "out.png", report=events.append)
    done = [event.done for event in events]
    assert done == sorted(done)
    assert [event.stage for event in events][-2:] == ["painting", "writing"]


def test_what_has_no_room_is_refused_with_a_size_that_has(tint, scene):
    job = Job(scene, [(scene, 1.0)], "tint", 2000)
    with pytest.raises(OptionError, match=r"size must be at most (\d+) for tint within 1\.0 GB"):
        perform(Job(**{**vars(job), "max_memory": 1e9}))
    assert len(tint) == 1  # Prepared, but shown no frame.
    with pytest.raises(OptionError, match="max_memory must be at least"):
        stylize(scene, scene, method="tint", max_memory="350MB")
    with pytest.raises(OptionError, match="max_memory must be a size such as 2GB"):
        stylize(scene, scene, method="tint", max_memory="some")


def test_what_has_no_room_goes_in_tiles_if_it_can(spread, scene, monkeypatch):
    events = []
    monkeypatch.setattr(memory, "UNKNOWN", (Cost(80e6, 0.0), Cost(60e3, 0.0)))
    monkeypatch.setattr(memory, "SIDES", (32,))
    job = Job(scene, [(scene, 1.0)], "spread", max_memory=1e9)
    perform(job, report=events.append)
    assert len(events) == 2 * 5 * 4
    with pytest.raises(OptionError, match="max_memory must be at least"):
        perform(Job(scene, [(scene, 1.0)], "spread", max_memory=0.4e9))


def test_a_result_in_memory_has_its_own_limit(spread, in_tiles, scene, tmp_path, monkeypatch):
    in_tiles()
    monkeypatch.setattr("impasto.jobs.perform.LIMIT", 10_000)
    job = Job(scene, [(scene, 1.0)], "spread")
    with pytest.raises(OptionError, match="size must keep a result in memory within"):
        perform(job)
    carry(job, tmp_path / "out.png")
    assert read(tmp_path / "out.png").shape == (1, 3, 150, 101)


def test_a_picture_too_large_to_be_decoded_whole_is_reduced_while_it_is_read(
    tint, scene, monkeypatch
):
    monkeypatch.setattr(sources, "LIMIT", 10_000)
    monkeypatch.setattr(large.small, "LIMIT", 10_000)
    seen = opened(scene, long_side=30)
    assert seen.shape == (1, 3, 60, 40)
    perform(Job(scene, [(":swirl", 1.0)], "tint", 30))
    assert tint[-1].content.shape == (1, 3, 30, 20)


@pytest.mark.usefixtures("random_weights")
def test_a_style_file_stands_for_its_picture(scene, tmp_path):
    method = methods.load("adain")()
    save_style(tmp_path / "known.style", method.measure(read(scene)))
    content = np.random.default_rng(5).integers(0, 256, (150, 100, 3), np.uint8)
    for weight in ("", ":2"):
        out = stylize(content, f"{tmp_path / 'known.style'}{weight}", method="adain")
        expected = stylize(content, scene, method="adain")
        assert np.abs(np.asarray(out, int) - np.asarray(expected, int)).max() <= 1
    with pytest.raises(OptionError, match="needs the picture of a style"):
        stylize(content, tmp_path / "known.style", method="gatys")
    (tmp_path / "other.style").write_text("Dear diary")
    with pytest.raises(MediaError, match=r"other\.style is no \.style file"):
        stylize(content, tmp_path / "other.style", method="adain")


def test_a_style_beside_a_huge_result_is_opened_no_larger_than_it_is_looked_at(
    spread, in_tiles, scene, monkeypatch
):
    drawn = []

    def flat(name: str, *, width: int, height: int, seed: int) -> np.ndarray:
        drawn.append((width, height))
        return np.zeros((height, width, 3), np.uint8)

    monkeypatch.setattr("impasto.jobs.sources.paint", flat)
    monkeypatch.setattr("impasto.jobs.prepared.LONGEST", 80)
    monkeypatch.setattr(memory, "UNKNOWN", (Cost(80e6, 0.0), Cost(60e3, 0.0)))
    monkeypatch.setattr(memory, "SIDES", (32,))
    perform(Job(scene, [(":swirl", 1.0)], "spread", max_memory=1e9))
    assert drawn == [(80, 60)]


def test_what_is_carried_in_memory_is_what_is_made(tint, photo, red, tmp_path):
    job = Job(photo, [(red, 1.0)], "tint")
    carry(job, tmp_path / "a.png")
    write(perform(job), tmp_path / "b.png")
    assert torch.equal(read(tmp_path / "a.png"), read(tmp_path / "b.png"))
