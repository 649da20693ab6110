import pytest

from impasto.core.errors import OptionError
from impasto.jobs import memory


@pytest.mark.parametrize(
    ("words", "size"),
    [
        ("2GB", 2e9),
        ("1500MB", 1.5e9),
        ("1.5 gb", 1.5e9),
        ("2", 2e9),
        (2, 2e9),
        (0.5, 5e8),
        (" 800mb ", 8e8),
    ],
)
def test_sizes_of_memory(words, size):
    assert memory.parse(words) == size


@pytest.mark.parametrize(
    "words", ["", "much", "2TB", "-1", "0", "0GB", "1.2.3", "inf", "nan", "GB"]
)
def test_other_sizes_are_refused(words):
    with pytest.raises(OptionError, match=r"max_memory must be a size such as 2GB or 1500MB"):
        memory.parse(words)


def test_a_limit_is_of_the_process_and_the_default_a_share_of_what_is_free(monkeypatch):
    monkeypatch.setattr(memory, "free", lambda: 10e9)
    assert memory.room(None) == 6e9
    assert memory.room(2e9) == 2e9 - memory.LOADED


def test_what_is_free_is_some_but_not_more_than_there_is():
    import psutil

    there = psutil.virtual_memory()
    assert 0 < memory.free() <= there.total
    assert abs(memory.free() - there.available) < 0.3 * there.total


def test_without_the_list_of_linux_half_of_the_memory_is_taken_for_free(monkeypatch):
    import psutil

    def missing(_: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(memory.Path, "read_text", missing)
    total = psutil.virtual_memory().total
    assert memory.free() == pytest.approx(total / 2, rel=0.1)
    monkeypatch.delattr(memory.os, "sysconf")
    assert memory.free() == 4e9


@pytest.mark.parametrize(
    ("size", "peak"), [((384, 512), 0.50e9), ((768, 1024), 1.07e9), ((1536, 2048), 2.40e9)]
)
def test_the_estimate_is_near_the_peaks_that_were_measured(size, peak):
    # Bytes of the whole process with Gatys' method.
    assert memory.whole_fits(size, room=1.5 * peak - memory.LOADED)
    assert not memory.whole_fits(size, room=0.9 * peak - memory.LOADED)


def test_the_size_that_is_offered_fits_and_is_not_much_smaller_than_the_largest_that_does():
    for room in (0.3e9, 1e9, 5e9):
        said = str(memory.refusal((3000, 4000), room=room, method="gatys"))
        offered = int(said.split()[5])
        assert said.startswith(f"size must be at most {offered} for gatys within ")
        assert said.endswith("4000 needs about 8.3 GB")
        for side, fits in ((offered, True), (1.02 * offered, False)):
            assert memory.whole_fits((int(side * 0.75), int(side)), room=room) is fits
    said = str(memory.refusal((48, 64), room=0.1e9, method="gatys"))
    assert said == "max_memory must be at least 0.5 GB for gatys at this size"


def test_tiles_are_as_large_as_there_is_room():
    def side(width: int, room: float) -> int:
        return memory.tile_side(width, margin=112, room=room)

    sides = [side(4000, room) for room in (9e9, 0.8e9, 0.6e9, 0.48e9)]
    assert sides == sorted(sides, reverse=True)
    assert sides[0] == max(memory.SIDES)
    assert len(set(sides)) > 2
    assert side(40_000, 0.9e9) < side(4000, 0.9e9) < memory.tile_side(4000, margin=0, room=0.9e9)
    with pytest.raises(OptionError, match=r"max_memory must be at least 0\.\d GB for this picture"):
        side(4000, 0.3e9)
