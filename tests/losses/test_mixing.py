"""What each style gives, by words and by numbers."""

import pytest

from impasto.core.errors import OptionError
from impasto.losses.loss import PIXELS
from impasto.losses.mixing import fineness, mixes

LAYERS = ("relu1_1", "relu2_1", "relu3_1")


def test_fine_and_coarse_share_every_scale() -> None:
    fine, coarse = mixes(("fine", "coarse"), LAYERS, count=2)
    for scale in (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 64.0):
        assert fine("relu1_1", scale) + coarse("relu1_1", scale) == pytest.approx(1)
    assert [fine("relu1_1", scale) for scale in (1.0, 2.0, 4.0, 8.0, 16.0)] == [1, 1, 0.5, 0, 0]
    assert fineness(3.0) > fineness(5.0)


def test_numbers_are_for_the_layers_in_their_order_and_the_grain_goes_with_the_finest() -> None:
    (mix,) = mixes(("1/0.5/0",), LAYERS, count=1)
    assert [mix(layer, 4.0) for layer in (*LAYERS, PIXELS)] == [1, 0.5, 0, 1]


def test_without_words_every_style_gives_all() -> None:
    assert [mix("relu2_1", 4.0) for mix in mixes(None, LAYERS, count=3)] == [1, 1, 1]


@pytest.mark.parametrize("word", ["coars", "1/1", "1/1/1/1", "1/-1/0", "0/0/0", "1/inf/0", ""])
def test_other_words_are_refused(word: str) -> None:
    with pytest.raises(OptionError, match="style_mix must be all, fine, coarse or a weight for"):
        mixes((word,), LAYERS, count=1)


def test_there_is_one_word_a_style() -> None:
    with pytest.raises(OptionError, match="one for each of the 2 styles; got fine"):
        mixes(("fine",), LAYERS, count=2)
