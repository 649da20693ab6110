"""What auto makes of its methods."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage import data

from impasto.core.contract import Frame, Style
from impasto.methods import load
from impasto.methods.auto import bolder
from impasto.methods.gatys import CONTENT_TRACE, content_weight
from impasto.ops.resample import resize


def _picture(source, size):
    return resize(torch.from_numpy(source()).permute(2, 0, 1)[None].float() / 255, size)


@given(st.floats(0.05, 1), st.floats(0.5, 1))
def test_the_content_weighs_so_much_less(strength, lighter):
    before, after = content_weight(strength), content_weight(bolder(strength, lighter))
    assert after - CONTENT_TRACE == pytest.approx(lighter * (before - CONTENT_TRACE), abs=1e-9)


def test_nothing_and_all_stay_nothing_and_all():
    assert [bolder(strength, 0.8) for strength in (0.0, 1.0)] == [0.0, 1.0]


def test_each_quality_comes_nearer_to_what_gatys_asks():
    content, style = (
        _picture(data.chelsea, (96, 144)),
        _picture(data.immunohistochemistry, (144,) * 2),
    )

    def prepared(name, **options):
        generator = torch.Generator().manual_seed(0)
        return load(name)(**options).prepare([Style(style)], generator=generator)

    asked = prepared("gatys").objective(Frame(content), (96, 144))

    def loss(image):
        with torch.no_grad():
            return float(sum(asked(image).values()))

    drafted, normal, best = (
        loss(prepared("auto", quality=quality)(Frame(content)))
        for quality in ("draft", "normal", "best")
    )
    # A descent of as many steps from the content, by L-BFGS alone.
    plain = loss(prepared("gatys", iterations=11, coarsest=512)(Frame(content)))
    assert best < normal < 0.7 * drafted
    assert normal < 0.8 * plain
