import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.core.contract import Box, Frame
from impasto.nets import petit
from impasto.nets.vgg import VGG
from impasto.tiles import Held, Spool, tiled, whole

MARGIN = 32
"""At least what the passes below look at: two convolutions at full size, two at a half, two at a
quarter, and the mirror of it all on the way back."""


@dataclass
class Normalised:
    """Activations brought to no mean and unit deviation over the picture, and back to pixels."""

    eyes: VGG
    back: list[Tensor]
    tap: str = "relu3_1"
    margin: int = MARGIN
    multiple: int = 4
    seen: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)

    def features(self, frame: Frame) -> Tensor:
        return self.eyes(frame.content, [self.tap])[self.tap]

    def gather(self, frame: Frame, inside: Box) -> dict[str, Tensor]:
        self.seen.append(("gather", tuple(frame.content.shape[2:])))
        top, left, height, width = (side // 4 for side in inside)
        found = self.features(frame)[:, :, top : top + height, left : left + width].double()
        return {
            "count": torch.tensor(float(height * width)),
            "sum": found.sum((2, 3)),
            "squares": (found**2).sum((2, 3)),
        }

    def change(self, sums: dict[str, Tensor]):
        mean = sums["sum"] / sums["count"]
        std = (sums["squares"] / sums["count"] - mean**2).sqrt()

        def paint(frame: Frame) -> Tensor:
            self.seen.append(("change", tuple(frame.content.shape[2:])))
            h = self.features(frame)
            h = (h - mean[..., None, None].float()) / (std[..., None, None].float() + 1e-3)
            for kernel in self.back:
                h = F.interpolate(h, scale_factor=2.0)
                h = F.conv2d(F.pad(h, (1, 1, 1, 1), mode="reflect"), kernel)
            mixed = h.sigmoid()
            for mask in frame.regions:
                mixed = mask * mixed + (1 - mask) * frame.content
            return mixed

        return paint


@pytest.fixture(scope="module")
def normalised():
    generator = torch.Generator().manual_seed(3)
    eyes = VGG(petit.initial_state(generator), pooling="both").requires_grad_(requires_grad=False)
    channels = eyes.get_submodule("conv3_1").out_channels
    back = [
        torch.randn((8, channels, 3, 3), generator=generator) / 20,
        torch.randn((3, 8, 3, 3), generator=generator) / 8,
    ]
    return lambda kind=Normalised, **other: kind(eyes, back, **other)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def by_tiles(passes, image, *, side, regions=(), **others) -> Tensor:
    out = Held(torch.full_like(image, torch.nan))
    tiled(passes, Held(image), out, side=side, regions=[*map(Held, regions)], **others)
    return out.image


SIZES = [(96, 160), (97, 161), (131, 70), (16, 203), (129, 18), (64, 64), (65, 65), (1, 90)]


@pytest.mark.parametrize("size", SIZES)
def test_tiles_give_what_the_whole_gives(normalised, size):
    image, each = noise(1, 3, *size), normalised()
    expected = whole([each], Frame(image))
    assert expected.shape == image.shape
    assert expected.std() > 0.05
    for side in (32, 48, 1024):
        assert (by_tiles([each], image, side=side) - expected).abs().max() < 1e-4


def test_a_margin_that_is_too_small_shows(normalised):
    # Or else the test above would hold whatever the tiles did.
    image, each = noise(1, 3, 96, 160), normalised(margin=4)
    difference = (by_tiles([each], image, side=32) - whole([each], Frame(image))).abs()
    assert difference.max() > 1e-3


@dataclass
class Glance(Normalised):
    glance: int = 10


@pytest.mark.parametrize("kind", [Normalised, Glance])
def test_sums_of_tiles_are_those_of_the_whole(normalised, kind: type):
    image, kept = noise(1, 3, 101, 143), []
    each = normalised(kind)
    change = each.change
    each.change = lambda sums: kept.append(sums) or change(sums)
    whole([each], Frame(image))
    by_tiles([each], image, side=32)
    first, second = kept
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-6, atol=1e-6)
    # 101 × 143 brought to multiples of 4.
    assert first["count"] == 26 * 36


def test_no_more_is_looked_at_than_decides_about_the_sums(normalised):
    image, each = noise(1, 3, 160, 160), normalised(Glance)
    expected = whole([normalised()], Frame(image))
    assert (by_tiles([each], image, side=32) - expected).abs().max() < 1e-4
    sizes = {what: max(size for name, size in each.seen if name == what) for what, _ in each.seen}
    # Ten pixels are brought to a multiple of 4.
    assert sizes == {"gather": (32 + 2 * 12,) * 2, "change": (32 + 2 * MARGIN,) * 2}
    each.glance = 2
    assert (by_tiles([each], image, side=32) - expected).abs().max() > 1e-4


def test_no_tile_is_larger_than_asked_and_none_is_a_sliver(normalised):
    each = normalised()
    by_tiles([each], noise(1, 3, 260, 261), side=64)
    sides = {side for _, size in each.seen for side in size}
    assert max(sides) <= 64 + 2 * MARGIN
    assert min(sides) >= 40 + MARGIN


@dataclass
class Halved(Normalised):
    scale: int = 2


def test_of_a_pass_that_sees_pixels_together_tiles_are_so_much_larger(normalised):
    image, each = noise(1, 3, 96, 160), normalised(Halved)
    difference = by_tiles([each], image, side=16) - whole([normalised()], Frame(image))
    assert difference.abs().max() < 1e-4
    assert max(size for _, size in each.seen) == (32 + 2 * MARGIN,) * 2


def test_every_pass_works_on_the_result_of_the_one_before(normalised, tmp_path):
    image = noise(1, 3, 75, 110)
    passes = [normalised(), normalised(multiple=8, margin=30), normalised(), normalised()]
    for count in (2, 3, 4):
        one_by_one = image
        for each in passes[:count]:
            one_by_one = whole([each], Frame(one_by_one))
        assert torch.equal(whole(passes[:count], Frame(image)), one_by_one)
        out = by_tiles(passes[:count], image, side=32, folder=tmp_path)
        # A random network makes more of the rounding of the one before.
        assert (out - one_by_one).abs().max() < 1e-4 * count
    assert list(tmp_path.iterdir()) == []


def test_the_same_pass_may_come_twice(normalised):
    image, each = noise(1, 3, 40, 60), normalised()
    expected = whole([each], whole_frame := Frame(whole([each], Frame(image))))
    assert whole_frame.content is not image
    assert (by_tiles([each, each], image, side=16) - expected).abs().max() < 1e-4


def test_regions_are_cut_like_the_content(normalised):
    image, mask = noise(1, 3, 90, 77), noise(1, 1, 90, 77, seed=1)
    each = normalised()
    expected = whole([each], Frame(image, regions=[mask]))
    out = by_tiles([each], image, side=32, regions=[mask])
    assert (out - expected).abs().max() < 1e-4
    assert torch.equal(whole([each], Frame(image, regions=[0 * mask])), image)
    assert torch.equal(by_tiles([each], image, side=32, regions=[0 * mask]), image)


@dataclass
class Remembering(Normalised):
    """As that, and half of what the first pass was given."""

    recalls = True

    def change(self, sums: dict[str, Tensor]):
        paint = super().change(sums)

        def both(frame: Frame) -> Tensor:
            assert frame.origin is not None
            return 0.5 * paint(frame) + 0.5 * frame.origin

        return both


def test_a_pass_that_recalls_is_told_what_the_first_was_given(normalised):
    image, mask = noise(1, 3, 97, 131, seed=5), noise(1, 1, 97, 131, seed=6).round()
    plain = normalised()
    again = Remembering(plain.eyes, plain.back)
    once = whole([plain], Frame(image, regions=[mask]))
    grown = whole([normalised()], Frame(once, regions=[mask]))
    wanted = 0.5 * grown + 0.5 * image
    found = whole([plain, again], Frame(image, regions=[mask]))
    torch.testing.assert_close(found, wanted)
    tiles = by_tiles([plain, again], image, side=48, regions=[mask])
    torch.testing.assert_close(tiles, wanted, rtol=0, atol=1e-5)


def test_no_pass_is_the_content_bit_for_bit():
    image = noise(1, 3, 150, 33)
    out = whole([], Frame(image))
    assert torch.equal(out, image)
    assert out is not image
    assert torch.equal(by_tiles([], image, side=32), image)


def test_one_frame_is_gathered_and_changed_so_that_a_pass_can_encode_it_once():
    class Once(Plain):
        def gather(self, frame, inside):
            self.frame = frame
            return {"x": torch.zeros(())}

        def change(self, sums):
            return lambda frame: frame.content * (frame is self.frame)

    image = noise(1, 3, 33, 50)
    assert torch.equal(whole([Once()], Frame(image)), image)


@dataclass
class Plain:
    """Adds a half; gathers nothing."""

    margin: int = 0
    multiple: int = 16
    gathered: int = 0

    def gather(self, frame, inside):
        self.gathered += 1
        return {}

    def change(self, sums):
        return lambda frame: frame.content + 0.5


class Counting(Held):
    """A source that insists on the order of its rows."""

    def __init__(self, image: Tensor) -> None:
        super().__init__(image)
        self.next = self.runs = 0

    def strip(self, top: int, height: int) -> Tensor:
        assert height > 0
        assert top in (0, self.next)
        self.runs += top == 0
        self.next = top + height
        assert self.next <= self.height
        return super().strip(top, height)


def test_rows_are_read_in_order_and_once_a_run(normalised):
    for size in SIZES:
        source, out = Counting(noise(1, 3, *size)), Held(torch.empty(1, 3, *size))
        tiled([normalised()], source, out, side=32)
        assert (source.runs, source.next, out.written) == (2, size[0], size[0])


def test_what_gathers_nothing_is_read_once_more_at_most():
    plain, image = Plain(), noise(1, 3, 700, 40)
    source, out = Counting(image), Held(torch.empty_like(image))
    tiled([plain], source, out, side=32)
    assert torch.equal(out.image, image + 0.5)
    assert plain.gathered == 1


def test_without_a_margin_tiles_at_the_mirrored_end_are_right():
    # The last row of tiles has one row of the picture and 15 of its mirror.
    class Seen(Plain):
        def change(self, sums):
            return lambda frame: frame.content.flip(2)

    image = noise(1, 3, 33, 33)
    expected = torch.cat([image[:, :, :16].flip(2), image[:, :, 16:32].flip(2)], 2)
    out = by_tiles([Seen()], image, side=16)
    assert torch.equal(out[:, :, :32, :32], expected[..., :32])
    # Upside down, the last row is the one 15 above it.
    assert torch.equal(out[:, :, 32:], image[:, :, 17:18])


def test_progress_grows_by_cost_and_ends_at_one(normalised):
    events = []
    image = noise(1, 3, 100, 130)
    passes = [normalised(), Plain(), normalised()]
    by_tiles(passes, image, side=32, report=events.append)
    done = [event.done for event in events]
    assert done == sorted(done)
    assert done[-1] == pytest.approx(1)
    assert [event.step for event in events] == list(range(1, len(events) + 1))
    assert {event.size for event in events} == {(100, 130)}
    # One of three passes looks at its twenty tiles first, for a third of its cost.
    assert events[19].done == pytest.approx(1 / 9)
    assert (events[19].stage, events[20].stage) == ("looking", "painting")
    events.clear()
    out = whole(passes, Frame(image), report=events.append)
    assert events[-1].done == pytest.approx(1)
    assert torch.equal(events[-1].image(), out)


@pytest.mark.parametrize("size", [(75, 110), (64, 96)])
@pytest.mark.parametrize("enough", [0, 1, 2, 3])
def test_passes_that_turn_out_to_be_needless_are_left_out(tmp_path, size, enough):
    class Counted(Plain):
        """Darkens; needed until so many were told their sums."""

        told = 0

        @property
        def needed(self):
            return Counted.told < enough

        def gather(self, frame, inside):
            return {"pixels": torch.tensor(float(inside.height * inside.width))}

        def change(self, sums):
            Counted.told += 1
            return lambda frame: frame.content * 0.5

    image, passes, events = noise(1, 3, *size), [Counted() for _ in range(3)], []
    for run in (
        lambda: whole(passes, Frame(image), report=events.append),
        lambda: by_tiles(passes, image, side=32, folder=tmp_path, report=events.append),
    ):
        Counted.told = 0
        events.clear()
        torch.testing.assert_close(run(), image * 0.5**enough)
        assert Counted.told == enough
        done = [event.done for event in events]
        assert done == sorted(done)
        assert not enough or done[-1] == pytest.approx(1)


@pytest.mark.parametrize("size", [(75, 110), (64, 96)])
@pytest.mark.parametrize("idle", [{1}, {2}, {0, 2}, {1, 2}, {0, 1, 2}])
def test_passes_that_find_nothing_to_do_change_nothing(tmp_path, size, idle):
    class Idle(Plain):
        """Darkens; or, once it was told its sums, does nothing."""

        def __init__(self, place):
            self.place = place

        def gather(self, frame, inside):
            return {"pixels": torch.tensor(float(inside.height * inside.width))}

        def change(self, sums):
            return None if self.place in idle else lambda frame: frame.content * 0.5

    image, passes, events = noise(1, 3, *size), [Idle(place) for place in range(3)], []
    for run in (
        lambda: whole(passes, Frame(image), report=events.append),
        lambda: by_tiles(passes, image, side=32, folder=tmp_path, report=events.append),
    ):
        events.clear()
        out = run()
        torch.testing.assert_close(out, image * 0.5 ** (3 - len(idle)))
        assert out.data_ptr() != image.data_ptr()
        done = [event.done for event in events]
        assert done == sorted(done)
        assert done[-1] > 1 / 3


def test_nothing_is_written_or_kept_after_a_failure(normalised, tmp_path):
    def stop(progress):
        if progress.done > 0.5:
            raise KeyboardInterrupt

    image = noise(1, 3, 100, 130)
    out = Held(torch.empty_like(image))
    with pytest.raises(KeyboardInterrupt):
        tiled([normalised()] * 2, Held(image), out, side=32, folder=tmp_path, report=stop)
    assert out.written == 0
    assert list(tmp_path.iterdir()) == []


def test_a_spool_gives_back_what_it_was_given(tmp_path):
    image, other = noise(1, 3, 50, 33), noise(1, 3, 50, 33, seed=1)
    cuts = random.Random(0).sample(range(1, 50), 5)
    with Spool(50, 33, folder=tmp_path) as spool:
        for picture in (image, other):
            for part in picture.tensor_split(sorted(cuts), 2):
                spool.write(part)
            for top, height in ((0, 7), (7, 43), (0, 50), (49, 1)):
                assert torch.equal(spool.strip(top, height), picture[:, :, top : top + height])
        assert not [path for path in Path(tmp_path).iterdir() if path.suffix]
