import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, make_dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from impasto.core.errors import ImpastoError, OptionError
from impasto.jobs import plain as plain_data
from impasto.jobs import recipe as recipes
from impasto.jobs.recipe import LIMIT, Recipe, current, parse, plain
from impasto.jobs.spec import Job
from impasto.media.image import Source
from impasto.nets.gallery import works

MADE = current(tiles=None, cramped=False)


def recipe(job: Job, folder: Path) -> Recipe:
    shaped = plain(job, folder=folder)
    assert shaped is not None
    return Recipe(shaped, {"petit": "0" * 64}, MADE)


@pytest.fixture
def photo(tmp_path):
    (tmp_path / "home").mkdir()
    Image.new("RGB", (20, 20)).save(tmp_path / "home" / "photo.png")
    return tmp_path / "home" / "photo.png"


def test_a_recipe_holds_the_whole_job(photo):
    job = Job(photo, [(photo, 2.0), (":swirl@3", 1.0)], "gatys", 99, 7, options={"iterations": 3})
    text = recipe(job, photo.parent).text()
    found = json.loads(text)["job"]
    data = photo.read_bytes()
    file = {"name": "photo.png", "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    assert found["content"] == file
    assert found["styles"] == [[file, 2.0], [":swirl@3", 1.0]]
    assert (found["method"], found["size"], found["seed"]) == ("gatys", 99, 7)
    # Defaults too.
    assert found["options"]["iterations"] == 3
    assert found["options"]["strength"] == 0.5
    assert set(found) == set(Job.__dataclass_fields__)


def test_it_comes_back_as_it_was(photo):
    job = Job(photo, [(photo, 2.0), (":swirl@3", 1.0)], "wct", 99, 7, options={"levels": (3, 1)})
    one = recipe(job, photo.parent)
    again = parse(one.text(), name="a.png")
    assert again == one
    assert again.text() == one.text()
    back = again.as_job(lambda each: photo.parent / each.name)
    assert plain(back, folder=photo.parent) == one.job
    assert again.asks_for(plain(replace(job, content=str(photo)), folder=Path("/")))
    for other in ({"seed": 8}, {"styles": [(":swirl@3", 1.0)]}, {"options": {"levels": (3,)}}):
        assert not again.asks_for(plain(replace(job, **other), folder=photo.parent))


def test_a_recipe_tells_nothing_of_folders_above_the_picture(photo, tmp_path):
    job = Job(photo, [(photo, 1.0)])
    assert recipe(job, tmp_path).job.content.name == "home/photo.png"
    for folder in (photo.parent / "out", tmp_path / "elsewhere", Path("/")):
        folder.exists() or folder.mkdir()
        text = recipe(job, folder).text()
        if folder != Path("/"):
            assert str(tmp_path) not in text
            assert "home" not in text


def test_a_network_in_a_file_is_known_by_its_digest(photo, tmp_path):
    network = tmp_path / "own.safetensors"
    network.write_bytes(b"weights")
    job = Job(photo, [(photo, 1.0)], "gatys", options={"network": str(network)})
    found = recipe(job, photo.parent)
    assert found.job.options["network"].sha256 == hashlib.sha256(b"weights").hexdigest()
    assert str(tmp_path) not in found.text()
    back = parse(found.text(), name="a.png").as_job(lambda each: f"/found/{each.name}")
    assert back.options["network"] == "/found/own.safetensors"


def test_pictures_in_memory_have_no_recipe(photo):
    pixels = np.zeros((20, 20, 3), np.uint8)
    assert plain(Job(pixels, [(photo, 1.0)]), folder=photo.parent) is None
    assert plain(Job(photo, [(pixels, 1.0)]), folder=photo.parent) is None


@dataclass(frozen=True)
class Region:
    mask: Source
    mode: Literal["in", "out"] = "in"


def test_new_fields_of_a_job_travel_by_their_types(photo):
    kind = make_dataclass(
        "Wider",
        [
            ("mask", Source | None, None),
            ("masks", Sequence[Source | None], ()),
            ("regions", Sequence[Region], field(default=())),
            ("by_name", Mapping[str, Source], field(default_factory=dict)),
            ("color", Literal["style", "luminance"], "style"),
            ("words", tuple[str, ...] | None, None),
            ("smooth", float, 0.0),
            ("free", Any, None),
        ],
        bases=(Job,),
        frozen=True,
    )
    job = kind(
        photo,
        [(photo, 1.0)],
        mask=str(photo),
        masks=[None, photo],
        regions=[Region(photo, "out")],
        by_name={"sky": photo},
        color="luminance",
        words=("photo.png", "b"),
        free={"a": 1, "b": (True, None)},
    )
    stored = plain_data.stored(job, kind, folder=photo.parent)
    assert stored["mask"] == stored["masks"][1] == stored["regions"][0]["mask"]
    assert stored["mask"] == stored["by_name"]["sky"] == stored["content"]
    assert stored["words"] == ("photo.png", "b")
    model = plain_data.shape(kind)
    text = model.model_validate(stored).model_dump_json()
    back = plain_data.changed(model.model_validate_json(text), lambda each: photo)
    assert back.regions == (Region(photo, "out"),)
    assert (back.mask, back.masks, back.by_name) == (photo, (None, photo), {"sky": photo})
    assert (back.color, back.words, back.smooth) == ("luminance", ("photo.png", "b"), 0.0)


GOOD = Recipe(
    plain(Job(":swirl", [(":dabs@4", 1.0)]), folder=Path()), {"petit": "0" * 64}, MADE
).text()
FILE = {"name": "a.png", "sha256": "0" * 64, "bytes": 5}
HOSTILE = {
    "no JSON": "Dear diary",
    "empty": "",
    "cut": GOOD[:-30],
    "deep lists": "[" * 20_000,
    "deep": '{"recipe":' * 4000,
    "long": GOOD + " " * 100_000_000,
    "long number": GOOD.replace('"seed":0', f'"seed":{"9" * 9000}'),
    "lone surrogate": GOOD.replace("swirl", "\udc80"),
    "another form": GOOD.replace('"recipe":1', '"recipe":2'),
    "unknown": GOOD.replace('"seed"', '"sead"'),
    "wrong type": GOOD.replace('"seed":0', '"seed":"0"'),
    "not finite": GOOD.replace("1.0", "NaN"),
    "infinite": GOOD.replace("1.0", "1e999"),
    "threads": GOOD.replace('"threads":', '"threads":100000'),
    "a path as a word": GOOD.replace('"auto"', '"../../auto"'),
    "a terminal's words": GOOD.replace('"auto"', '"\\u001b[2J"'),
}
NAMES = (
    "/etc/passwd",
    "../a.png",
    "a/../../b",
    "C:\\a.png",
    "\\\\server\\a",
    "a\0b",
    "",
    ".",
    "a//b",
)


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_recipe_is_refused_in_one_sentence(what):
    with pytest.raises(OptionError, match=r"^the recipe in a\.png is ") as refusal:
        parse(HOSTILE[what], name="a.png")
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 400


@pytest.mark.parametrize("name", [*NAMES, "x" * 2000, "\x1b[31m"])
def test_names_lead_nowhere_else(name):
    text = json.loads(GOOD)
    text["job"]["content"] = FILE | {"name": name}
    with pytest.raises(OptionError, match=r"^the recipe in a\.png is not accepted: job\.content"):
        parse(json.dumps(text), name="a.png")
    text["job"]["content"] = FILE
    parse(json.dumps(text), name="a.png")


def test_a_style_that_is_known_by_name_stays_a_name():
    name = next(iter(works()))
    text = recipe(Job(":dabs", [(name, 1.0)]), Path()).text()
    assert json.loads(text)["job"]["styles"] == [[name, 1.0]]
    assert parse(text, name="a.png").as_job(str).styles == ((name, 1.0),)
    with pytest.raises(OptionError, match="not accepted"):
        parse(text.replace(name, "photo"), name="a.png")


def test_a_path_in_place_of_a_file_is_refused():
    for path in ("/dev/zero", "a.png", "~/a.png"):
        with pytest.raises(OptionError, match="not accepted"):
            parse(GOOD.replace(":swirl", path), name="a.png")
    job = json.loads(GOOD)
    for path in ("/dev/zero.pth", "\\\\server\\a.pth", "net.safetensors", "~x"):
        job["job"]["options"]["network"] = path
        with pytest.raises(OptionError, match="not accepted"):
            parse(json.dumps(job), name="a.png")


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_subnormal=False)
    | st.text(max_size=20)
)
values = st.recursive(
    leaves | st.sampled_from([FILE, ":swirl", *NAMES]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)


def spots(tree: Any, path: tuple = ()) -> list[tuple]:
    below = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    return [path, *(spot for key, part in below for spot in spots(part, (*path, key)))]


SPOTS = spots(json.loads(GOOD))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SPOTS[1:]), values)
def test_whatever_stands_in_a_recipe_it_is_taken_whole_or_refused(spot, value):
    tree = json.loads(GOOD)
    at = tree
    for key in spot[:-1]:
        at = at[key]
    at[spot[-1]] = value
    _taken_or_refused(json.dumps(tree))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300) | values.map(json.dumps))
def test_any_text_is_taken_or_refused(text):
    _taken_or_refused(text)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD)), st.integers(0, 40), st.text(max_size=5))
def test_any_damage_is_taken_or_refused(start, length, inserted):
    _taken_or_refused(GOOD[:start] + inserted + GOOD[start + length :])


def _taken_or_refused(text: str) -> None:
    try:
        found = parse(text, name="a.png")
    except ImpastoError as refusal:
        assert str(refusal).isprintable()  # noqa: PT017 - either will do
        return
    again = found.text()
    assert again is not None
    assert len(again) <= LIMIT
    assert parse(again, name="a.png") == found
    for each in found.inputs():
        assert not Path(each.name).is_absolute()
        assert ".." not in Path(each.name).parts


def test_a_recipe_that_would_be_too_long_is_none(photo):
    styles = [(photo, float(weight)) for weight in range(1, 500)]
    assert recipe(Job(photo, styles), photo.parent).text() is None


def test_the_limit_is_what_a_file_can_hold():
    from impasto.media.metadata import RECIPE_LIMIT

    assert recipes.LIMIT <= RECIPE_LIMIT
