import pytest

from impasto.core.contract import Cost, Stylizer, Task
from impasto.core.errors import OptionError
from impasto.core.options import Options
from impasto.jobs import memory
from impasto.jobs.memory import Budget, RoomError
from impasto.methods import load
from impasto.ops.resample import fit


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


class Flat(Options):
    """A method that takes 1000 bytes a pixel, half of that in tiles, and a microsecond."""

    def cost(self, task: Task) -> Cost:
        return Cost((500.0 if task.tile else 1000.0) * task.pixels, 1e-6 * task.pixels)

    def prepare(self, *_: object, **__: object) -> Stylizer:
        raise AssertionError("what a run takes is told before it is prepared")


def budget(room: float, method: object = None, **more: int) -> Budget:
    return Budget("flat", method or Flat(), room, **more)


def test_what_fits_is_told_by_the_cost_of_the_method():
    assert budget(12e9).fits((3000, 4000))
    assert not budget(11.9e9).fits((3000, 4000))


def test_a_content_that_is_decoded_whole_needs_room_as_well():
    small = (30, 40)
    assert budget(1e9, decoded=100_000_000).fits(small)
    assert not budget(1e9, decoded=200_000_000).fits(small)


def test_the_size_that_is_offered_is_the_largest_that_fits():
    for room in (0.3e9, 1e9, 5e9):
        said = str(budget(room).refusal((3000, 4000)))
        offered = int(said.split()[5])
        assert said.startswith(f"size must be at most {offered} for flat within ")
        assert said.endswith("4000 needs about 12.3 GB")
        assert budget(room).fits(fit(3000, 4000, long_side=offered))
        assert not budget(room).fits(fit(3000, 4000, long_side=offered + 2))
    said = str(budget(0.1e6).refusal((48, 64)))
    assert said == "max_memory must be at least 0.4 GB for flat at this size"


def test_of_a_method_that_does_not_tell_as_much_as_of_gatys_is_assumed():
    class Silent:
        def prepare(self) -> None: ...

    for side in (300, 3000):
        own = budget(1e9, Silent()).whole((side, side))
        gatys = budget(1e9, load("gatys")()).whole((side, side))
        assert own.memory == pytest.approx(gatys.memory, rel=0.4)


def test_tiles_are_as_large_as_there_is_room():
    def side(width: int, room: float, margin: int = 112) -> int:
        return budget(room).side((3000, width), margin=margin)

    sides = [side(4000, room) for room in (9e9, 0.8e9, 0.6e9, 0.48e9)]
    assert sides == sorted(sides, reverse=True)
    assert sides[0] == max(memory.SIDES)
    assert len(set(sides)) > 2
    assert side(40_000, 0.8e9) < side(4000, 0.8e9) < side(4000, 0.8e9, margin=0)
    with pytest.raises(RoomError, match=r"max_memory must be at least 0\.\d GB for this picture"):
        side(4000, 0.1e9)


def test_tiles_take_the_memory_of_one_and_the_time_of_all_with_what_surrounds_them():
    # Two rows of three tiles, which share the sides evenly.
    tiled = budget(9e9).tiled((1800, 3000), side=1000, margin=100)
    rows = memory.ROW_PIXEL * 3000 * (900 + 2 * 1100)
    assert tiled.memory == 500 * 1100 * 1200 + memory.TILED + rows
    assert tiled.seconds == pytest.approx(1e-6 * 6 * 1100 * 1200)
    assert memory.tiles((2000, 3001), 1000) == 2 * 4
    # Four pixels that are seen as one take the memory and the time of one, but rows are of all.
    halved = budget(9e9).tiled((1800, 3000), side=500, margin=100, scale=2)
    rows = memory.ROW_PIXEL * 3000 * 2 * (450 + 2 * 650)
    assert halved.memory == 500 * 650 * 700 + memory.TILED + rows
    assert halved.seconds == pytest.approx(1e-6 * 6 * (2 * 650) * (2 * 700))
