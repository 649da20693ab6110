from itertools import islice
from pathlib import Path

import pytest

from impasto.core.errors import OptionError
from impasto.jobs import folders
from impasto.jobs.folders import Found, found, is_many, placed, watched


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("in/b.jpg", "in/a.PNG", "in/sub/c.tif", "in/sub/d.txt", "in/.x.png", "one.dat"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"picture")
    Path("in/out").mkdir()
    Path("in/out/made.png").write_bytes(b"picture")
    return tmp_path


@pytest.mark.parametrize(
    ("names", "recursive", "expected"),
    [
        (["in"], False, {"in/a.PNG": "a.PNG", "in/b.jpg": "b.jpg"}),
        (
            ["in"],
            True,
            {"in/a.PNG": "a.PNG", "in/b.jpg": "b.jpg", "in/sub/c.tif": "sub/c.tif"},
        ),
        (["in/*.jpg"], False, {"in/b.jpg": "b.jpg"}),
        (["in/**/*.tif"], False, {"in/sub/c.tif": "sub/c.tif"}),
        (["in/?.???"], False, {"in/a.PNG": "a.PNG", "in/b.jpg": "b.jpg"}),
        (["in/s*/*"], False, {"in/sub/c.tif": "sub/c.tif"}),
        (["one.dat"], False, {"one.dat": "one.dat"}),
        (["none.jpg"], False, {"none.jpg": "none.jpg"}),
        (["in/sub/c.tif", "in"], False, ["c.tif", "a.PNG", "b.jpg"]),
        (["in/b.jpg", "in/b.jpg", "in"], False, ["b.jpg", "a.PNG"]),
        (["in/out/made.png"], False, {"in/out/made.png": "made.png"}),
    ],
)
def test_pictures_are_found(tree, names, recursive, expected):
    contents = found(names, recursive=recursive, beside=Path("in/out"))
    if isinstance(expected, list):
        assert [str(each.below) for each in contents] == expected
    else:
        assert {each.path.as_posix(): each.below.as_posix() for each in contents} == expected


def test_what_means_many(tree):
    assert [is_many(n) for n in ("in", "in/*.jpg", "one.dat", "none.jpg")] == [
        True,
        True,
        False,
        False,
    ]
    Path("a[1].png").write_bytes(b"")
    assert not is_many("a[1].png")


def places(*names: str, ending: str | None = None, suffix: str = "") -> list[str]:
    contents = [Found(Path("in") / name, Path(name)) for name in names]
    last = (lambda path: ending) if ending else (lambda path: path.suffix)
    outs = placed(contents, folder=Path("out"), ending=last, suffix=suffix)
    return [path.as_posix() for path in outs]


def test_the_tree_is_mirrored():
    assert places("a.png", "sub/a.png", "sub/b.jpg") == [
        "out/a.png",
        "out/sub/a.png",
        "out/sub/b.jpg",
    ]
    assert places("a.png", suffix="-oil") == ["out/a-oil.png"]
    assert places("a.jpg", "b.tif", ending=".webp") == ["out/a.webp", "out/b.webp"]


def test_of_two_that_would_have_one_name_the_later_keeps_its_ending():
    assert places("a.jpg", "a.tif", ending=".png") == ["out/a.png", "out/a.tif.png"]
    same = [Found(Path("x/a.png"), Path("a.png")), Found(Path("y/a.png"), Path("a.png"))]
    last = [*same, Found(Path("z/a.png"), Path("a.png"))]
    with pytest.raises(OptionError, match=r"x/a.png and z/a.png would both become out/a.png"):
        placed(last, folder=Path("out"), ending=lambda path: path.suffix, suffix="")


def test_a_watched_folder_gives_what_comes_once_it_has_stopped_growing(tree, monkeypatch):
    looks = 0

    def pause(_: float) -> None:
        nonlocal looks
        looks += 1
        if looks in (2, 3):
            with Path("in/new.png").open("ab") as file:
                file.write(b"more")
        if looks == 6:
            Path("in/b.jpg").write_bytes(b"changed and longer")

    monkeypatch.setattr(folders.time, "sleep", pause)
    coming = watched(["in"], recursive=False, beside=Path("in/out"))
    given: dict[int, list[str]] = {}
    for each in islice(coming, 12):
        if each:
            given.setdefault(looks, []).append(each.path.name)
    assert given == {1: ["a.PNG", "b.jpg"], 4: ["new.png"], 7: ["b.jpg"]}
