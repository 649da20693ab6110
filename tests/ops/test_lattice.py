import pytest
import torch

from impasto.ops.lattice import Lattice, squares

SHAPES = [((40, 60), 12, 2), ((7, 90), 9, 4), ((64, 5), 8, 1), ((10, 10), 30, 5)]


@pytest.mark.parametrize(("size", "block", "overlap"), SHAPES)
def test_blocks_cover_the_picture_and_none_is_beside_it(size, block, overlap) -> None:
    lattice = Lattice(size, block, overlap)
    grown = lattice.grown(torch.rand(2, *size))
    for count, side, reach in zip(lattice.shape, size, grown.shape[1:], strict=True):
        assert reach == (count - 1) * lattice.step + block >= side
        assert count == 1 or (count - 1) * lattice.step + overlap < side


@pytest.mark.parametrize(("size", "block", "overlap"), SHAPES)
def test_each_block_comes_once_and_after_those_it_leans_on(size, block, overlap) -> None:
    lattice = Lattice(size, block, overlap)
    lying: set[tuple[int, int]] = set()
    for row, column in lattice.waves():
        wave = list(zip(row.tolist(), column.tolist(), strict=True))
        for r, c in wave:
            around = {(r, c - 1), (r - 1, c - 1), (r - 1, c), (r - 1, c + 1)}
            there = {(a, b) for a, b in around if a >= 0 and 0 <= b < lattice.shape[1]}
            assert there <= lying
        lying.update(wave)
    rows, columns = lattice.shape
    assert len(lying) == rows * columns


def test_what_a_block_leans_on() -> None:
    none, left, top, both = Lattice((9, 9), 5, 2).leaning()
    assert float(none.sum()) == 0
    assert left.tolist() == [[1, 1, 0, 0, 0]] * 5
    assert torch.equal(top, left.T)
    assert torch.equal(both, torch.maximum(left, top))


def test_squares_name_pixels() -> None:
    pixels = torch.arange(6 * 7).view(6, 7)
    found = pixels.flatten()[squares(torch.tensor([[1, 2], [3, 4]]), 3, width=7)]
    assert torch.equal(found[0], pixels[1:4, 2:5])
    assert torch.equal(found[1], pixels[3:6, 4:7])
