"""Sheets between styles, with a method whose pictures are known."""

import pytest
import torch

from impasto.core.errors import OptionError
from impasto.core.progress import Progress
from impasto.jobs.blend import blended, shares
from impasto.jobs.sheet import drawn, paint
from impasto.jobs.spec import Job
from impasto.media.contact import GAP

COLORS = ((0.9, 0.1, 0.1), (0.1, 0.8, 0.2), (0.2, 0.1, 0.9), (0.9, 0.9, 0.1))


def flat(color: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(color).view(1, 3, 1, 1).expand(1, 3, 24, 20).contiguous()


def test_a_row_goes_evenly_from_one_style_to_the_other():
    assert shares(2, steps=5) == [[(1, 0), (0.75, 0.25), (0.5, 0.5), (0.25, 0.75), (0, 1)]]


def test_a_square_has_one_style_in_each_corner_and_all_in_its_middle():
    rows = shares(4, steps=3)
    corners = [rows[0][0], rows[0][2], rows[2][0], rows[2][2]]
    assert corners == [(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)]
    assert rows[1][1] == (0.25,) * 4
    assert rows[0][1] == (0.5, 0.5, 0, 0)
    assert all(sum(cell) == pytest.approx(1) for row in rows for cell in row)


@pytest.mark.parametrize(
    ("styles", "steps", "sentence"),
    [
        (3, 5, "a blend needs 2 styles for a row or 4 for a square; got 3"),
        (2, 1, "steps must be a whole number from 2 to 15; got 1"),
        (2, 16, "steps must be a whole number from 2 to 15; got 16"),
    ],
)
def test_other_numbers_are_refused(styles: int, steps: int, sentence: str):
    with pytest.raises(OptionError) as refusal:
        shares(styles, steps=steps)
    assert str(refusal.value) == sentence


def test_every_cell_is_the_job_with_its_shares(tint, tmp_path):
    heard: list[Progress] = []
    styles = [(flat(color), 7.0) for color in COLORS]
    job = Job(flat((0.5, 0.5, 0.5)), styles, "tint", options={"strength": 1.0})
    rows = blended(job, steps=3)
    cells = [cell for row in rows for cell in row]
    painted = list(paint(cells, folder=tmp_path, report=heard.append))
    out = drawn(rows, painted)
    assert out.shape == (1, 3, 3 * 24 + 4 * GAP, 3 * 20 + 4 * GAP)
    colors = torch.tensor(COLORS)
    for row, line in enumerate(shares(4, steps=3)):
        for column, cell in enumerate(line):
            top, left = GAP + row * (24 + GAP), GAP + column * (20 + GAP)
            found = out[0, :, top : top + 24, left : left + 20]
            expected = (torch.tensor(cell) @ colors).view(3, 1, 1).expand(3, 24, 20)
            torch.testing.assert_close(found, expected)
    assert bool((out[:, :, :GAP] == 1).all())
    done = [event.done for event in heard]
    assert done == sorted(done)
    assert {round(n / 9, 6) for n in range(1, 10)} <= {round(each, 6) for each in done}
