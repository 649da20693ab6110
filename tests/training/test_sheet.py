from pathlib import Path

import torch
from torch import Tensor

from impasto.media.image import read
from impasto.training.sheet import sheet, squares


def test_a_sheet_shows_every_pair_where_its_row_and_column_meet():
    a, b, c, d = (torch.full((1, 3, 8, 8), value / 10) for value in range(1, 5))
    made = sheet([a, b], [c, d], lambda content, style: content + style)
    assert made.shape == (1, 3, 24, 24)

    def tile(row: int, column: int) -> Tensor:
        return made[:, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8]

    assert torch.equal(tile(0, 0), torch.ones_like(a))
    assert [torch.equal(tile(0, 1), c), torch.equal(tile(2, 0), b)] == [True, True]
    assert torch.equal(tile(1, 2), a + d)
    assert torch.equal(tile(2, 1), b + c)


def test_squares_are_the_middles_of_pictures_far_apart(photos: Path):
    paths = sorted(photos.iterdir())
    made = squares(paths, count=2, side=64)
    assert [image.shape for image in made] == 2 * [(1, 3, 64, 64)]
    # The fourth picture is 72 pixels high and 64 wide.
    assert torch.equal(made[1], read(paths[3])[:, :, 4:68])
