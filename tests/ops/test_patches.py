from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F

from impasto.core.errors import OptionError
from impasto.ops.patches import BAND, nearest, patchmatch
from impasto.ops.resample import resize


def draw(*shape, seed=0):
    return torch.rand((1, *shape), generator=torch.Generator().manual_seed(seed))


def smooth(height, width, *, seed):
    """Blobs in three colours, in which neighbours resemble each other as in pictures."""
    return resize(draw(3, height // 8, width // 8, seed=seed), (height, width))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def patches(image, patch):
    """All patches, row by row, cut out one after the other."""
    rows, columns = (side - patch + 1 for side in image.shape[2:])
    return [
        image[0, :, y : y + patch, x : x + patch].flatten()
        for y in range(rows)
        for x in range(columns)
    ]


@pytest.mark.parametrize("by", ["distance", "correlation"])
@pytest.mark.parametrize("shape", [(3, 9, 12), (5, 7, 8)])
def test_nearest_is_the_best_of_all_one_by_one(by, shape):
    target, source = draw(*shape).double(), draw(shape[0], 10, 9, seed=1).double() ** 2
    found = nearest(target, source, patch=4, by=by)
    assert found.index.shape == found.distance.shape == (shape[1] - 3, shape[2] - 3)
    index, distance = found.index.flatten().tolist(), found.distance.flatten().tolist()
    theirs = patches(source, 4)
    for p, i, d in zip(patches(target, 4), index, distance, strict=True):
        if by == "distance":
            best = min(range(len(theirs)), key=lambda j: float((p - theirs[j]).square().sum()))
        else:
            best = max(range(len(theirs)), key=lambda j: float(p @ theirs[j] / theirs[j].norm()))
        assert i == best
        assert d == pytest.approx(float((p - theirs[best]).square().sum()))


def test_the_index_is_the_column_of_unfold():
    target, source = draw(4, 12, 9), draw(4, 10, 11, seed=1)
    ours, theirs = F.unfold(target, 3)[0], F.unfold(source, 3)[0]
    for found in (
        nearest(target, source, patch=3),
        patchmatch(target, source, patch=3, generator=seeded()),
    ):
        away = (ours - theirs[:, found.index.flatten()]).square().sum(0)
        torch.testing.assert_close(found.distance.flatten(), away)


def test_a_large_table_is_worked_on_in_parts(monkeypatch):
    target, source = draw(3, 20, 21), draw(3, 19, 17, seed=1)
    whole = nearest(target, source, patch=5)
    monkeypatch.setattr("impasto.ops.patches._ENTRIES", 100)
    assert torch.equal(nearest(target, source, patch=5).index, whole.index)


@pytest.mark.parametrize(("patch", "iterations"), [(7, 5), (3, 15)])
def test_patchmatch_comes_near_to_the_nearest(patch, iterations):
    target, source = smooth(96, 120, seed=1), smooth(104, 88, seed=2)
    exact = nearest(target, source, patch=patch).distance
    options = {"patch": patch, "generator": seeded()}
    found = patchmatch(target, source, iterations=iterations, **options).distance
    assert (found >= exact - 1e-4).all()
    assert found.sqrt().mean() <= 1.1 * exact.sqrt().mean()
    guessed = patchmatch(target, source, iterations=0, **options).distance
    assert guessed.sqrt().mean() > 2 * exact.sqrt().mean()


def test_no_match_gets_worse():
    target, source = smooth(72, 80, seed=1), smooth(80, 64, seed=2)
    steps = [
        patchmatch(target, source, iterations=n, generator=seeded()).distance for n in range(5)
    ]
    for before, after in pairwise(steps):
        assert (after <= before).all()
        assert after.mean() < before.mean()


def test_a_piece_of_a_picture_is_found_in_it():
    source = draw(3, 64, 72)
    target = source[:, :, 9:50, 17:60]
    found = patchmatch(target, source, generator=seeded())
    rows, columns = found.index // (72 - 6) - 9, found.index % (72 - 6) - 17
    right = (rows == torch.arange(35)[:, None]) & (columns == torch.arange(37))
    assert right.float().mean() > 0.98
    assert (found.distance[right] == 0).all()


def test_a_start_that_is_perfect_stays():
    picture = draw(3, 40, 44)
    identity = torch.arange(34 * 38).view(34, 38)
    found = patchmatch(picture, picture, start=identity, generator=seeded())
    assert torch.equal(found.index, identity)


def test_chance_is_that_of_the_seed_and_threads_have_no_say():
    target, source = smooth(BAND + 40, 48, seed=1), smooth(64, 56, seed=2)
    one = patchmatch(target, source, generator=seeded())
    torch.set_num_threads(2)
    try:
        again = patchmatch(target, source, generator=seeded())
    finally:
        torch.set_num_threads(1)
    assert torch.equal(again.index, one.index)
    other = patchmatch(target, source, generator=seeded(1))
    assert not torch.equal(other.index, one.index)


@pytest.mark.parametrize("patch", [0, 9])
def test_a_patch_that_does_not_fit_is_refused(patch):
    target, source = draw(3, 20, 8), draw(3, 30, 30)
    with pytest.raises(OptionError, match=f"patch must be .* from 1 to 8; got {patch}"):
        nearest(target, source, patch=patch)
    with pytest.raises(OptionError, match=f"patch must be .* from 1 to 8; got {patch}"):
        patchmatch(target, source, patch=patch, generator=seeded())
