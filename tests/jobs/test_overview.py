from itertools import pairwise

import torch

from impasto.core.progress import Progress
from impasto.jobs.overview import SIDE, Overview
from impasto.ops.resample import resize
from impasto.tiles import Held


def test_rows_are_handed_on_and_shown_small_as_far_as_they_have_come():
    down, across = torch.linspace(0, 1, 1536), torch.linspace(0, 0.9, 2048)
    picture = torch.stack([down[:, None].expand(-1, 2048), across.expand(1536, -1)])
    picture = torch.cat([picture, picture[:1] * 0 + 0.25])[None]
    out, seen = Held(torch.empty_like(picture)), []
    overview = Overview(out, size=(1536, 2048), report=seen.append)
    overview.told(Progress("looking", 0.3))
    assert seen[-1].image is None
    tops = (0, 500, 1000, 1536)
    for top, end in pairwise(tops):
        overview.write(picture[:, :, top:end])
        overview.told(Progress("painting", 0.5))
        shown, done = seen[-1].image(), round(end / 4)
        assert shown.shape == (1, 3, 384, SIDE)
        expected = resize(picture, (384, SIDE))
        assert (shown[:, :, :done] - expected[:, :, :done]).abs().max() < 0.01
        assert (shown[:, :, done:] == 0.5).all()
    assert torch.equal(out.image, picture)


def test_a_small_picture_is_shown_as_it_is():
    picture = torch.rand((1, 3, 30, 40))
    overview = Overview(Held(torch.empty_like(picture)), size=(30, 40), report=lambda _: None)
    overview.write(picture)
    assert torch.equal(overview.image, picture)
