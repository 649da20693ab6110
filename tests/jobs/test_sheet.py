"""Sheets of settings: what varies where, and recipes that come back."""

import json

import numpy as np
import pytest
from PIL import Image

from impasto.core.errors import OptionError
from impasto.jobs.perform import perform
from impasto.jobs.recipe import LIMIT
from impasto.jobs.sheet import _changes, _merged, axis, check_all, paint, parse, text, varied


@pytest.fixture(autouse=True)
def _here(tint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    Image.fromarray(pixels).save("photo.png")
    for name, color in (("red", (255, 0, 0)), ("blue", (0, 0, 255))):
        Image.new("RGB", (32, 32), color).save(f"{name}.png")


def said(**more):
    return {"method": "tint", "style": ["red.png"], "options": {}, **more}


def test_the_first_axis_goes_along_the_rows_and_the_others_down():
    axes = [axis("strength=0.2,0.8"), axis("mode=plain,noisy"), axis("seed=1,2")]
    rows = varied("photo.png", said(), axes)
    found = [[[*cell.words.values()] for cell in row] for row in rows]
    assert found == [
        [["0.2", "plain", "1"], ["0.8", "plain", "1"]],
        [["0.2", "plain", "2"], ["0.8", "plain", "2"]],
        [["0.2", "noisy", "1"], ["0.8", "noisy", "1"]],
        [["0.2", "noisy", "2"], ["0.8", "noisy", "2"]],
    ]
    job = rows[2][1].job
    assert (job.seed, job.options) == (1, {"strength": "0.8", "mode": "noisy"})


def test_lists_and_names_with_commas_are_parted_by_semicolons():
    assert axis("layers=a,b;c") == ("layers", ["a,b", "c"])
    assert axis("style=a,b.jpg;") == ("style", ["a,b.jpg"])
    assert axis("--style-mask=a.png, b.png") == ("style_mask", ["a.png", "b.png"])
    (row,) = varied("photo.png", said(), [axis("layers=a,b;c")])
    assert [cell.job.options["layers"] for cell in row] == [["a", "b"], ["c"]]


def test_method_style_preset_and_size_vary_too():
    axes = [axis("style=red.png,blue.png:2"), axis("size=24,32")]
    rows = varied("photo.png", said(style=[]), axes)
    assert [cell.job.styles for cell in rows[1]] == [[("red.png", 1.0)], [("blue.png", 2.0)]]
    assert [row[0].job.size for row in rows] == [24, 32]
    (row,) = varied("photo.png", said(method=None), [axis("method=tint,adain")])
    assert [cell.job.method for cell in row] == ["tint", "adain"]
    (row,) = varied("photo.png", said(method=None), [axis("preset=quick-look,collage")])
    assert [cell.job.method for cell in row] == ["auto", "quilting"]


def test_one_axis_is_broken_into_rows():
    values = ",".join(map(str, range(8)))
    rows = varied("photo.png", said(), [axis(f"seed={values}")])
    assert [len(row) for row in rows] == [4, 4]


@pytest.mark.parametrize(
    ("axes", "sentence"),
    [
        (["strength=0.2", "strength=0.8"], "strength is given twice"),
        (["careful=yes"], "careful is given twice"),
        (["shrength=1,2"], "there is no option shrength"),
        (["strength=0.2,high"], "strength must be a number from 0 to 1; got 'high'"),
        (["seed=x"], "seed must be a whole number; got 'x'"),
        (["size=3"], "size must be a whole number of at least 16; got 3"),
        (["method=adain"], "method is given twice"),
        (["preset=nothing"], "preset must be one of"),
        (["iterations=3"], "tint has no option iterations; gatys has it"),
        ([f"seed={','.join(['1'] * 300)}"], "225 pictures at most; these would be 300"),
        (["size=20000,20001"], "40 million pixels at most"),
    ],
)
def test_what_cannot_vary_is_refused_before_any_work(tint, axes, sentence):
    def work():
        rows = varied("photo.png", said(options={"careful": True}), [axis(each) for each in axes])
        check_all([cell for row in rows for cell in row])

    with pytest.raises(OptionError, match=sentence):
        work()
    assert not tint


@pytest.mark.parametrize("words", ["strength", "=1,2", "strength=", "strength=1,,2"])
def test_an_axis_looks_like_name_and_values(words):
    with pytest.raises(OptionError, match="vary must be NAME=VALUE,VALUE"):
        axis(words)


def test_the_recipe_of_every_cell_comes_back_from_the_text_of_a_sheet(tmp_path):
    axes = [axis("strength=0.2,0.8"), axis("method=tint,adain"), axis("size=24,32")]
    rows = varied("photo.png", said(method=None), axes)
    cells = [cell for row in rows for cell in row if cell.job.method == "tint"]
    painted = list(paint(cells, folder=tmp_path))
    kept = text(painted)
    assert kept
    assert parse(kept, name="sheet.png") == [(each.cell.words, each.recipe) for each in painted]
    # The first is whole, the others say little.
    stored = json.loads(kept)["cells"]
    assert len(json.dumps(stored[1])) < len(json.dumps(stored[0])) / 4
    for each in painted:
        assert (perform(each.cell.job) == each.image).all()


def test_changes_and_merging_are_inverse():
    base = {"a": 1, "b": {"c": [1], "d": None}, "e": {"x": 1}}
    for own in (
        base,
        {"a": None, "b": {"c": [2], "d": {"f": 1}}, "e": {"x": 1}},
        {"a": 1, "b": {"other": 2}, "e": {}},
        {"a": {"=": 3}, "b": {"c": [1], "d": 0}, "e": {"x": 1}},
    ):
        assert _merged(base, _changes(base, own)) == own


@pytest.mark.parametrize(
    "said",
    [
        '{"sheet":1}',
        '{"sheet":1,"cells":[]}',
        '{"sheet":2,"cells":[{"words":{},"recipe":{}}]}',
        '{"sheet":1,"cells":[{"words":{"a":"\\u001b"},"recipe":{}}]}',
        '{"sheet":1,"cells":[{"words":{},"recipe":{"recipe":1}}]}',
        '{"sheet":1,"cells":[{"words":{},"recipe":' + '{"a":' * 500 + "1" + "}" * 500 + "}]}",
        '{"sheet":1,"x":"' + "x" * LIMIT + '"}',
    ],
)
def test_recipes_of_strangers_are_refused(said):
    with pytest.raises(OptionError, match=r"s\.png (is|are) (not accepted|too long)"):
        parse(said, name="s.png")
