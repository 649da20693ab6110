import numpy as np
import torch
from PIL import Image, ImageDraw

from impasto.media.contact import EMPTY, GAP, _font, _lines, contact


def flat(value: float, height: int, width: int) -> torch.Tensor:
    return torch.full((1, 3, height, width), value)


def test_pictures_lie_in_the_middle_of_their_places_and_what_is_missing_is_grey():
    out = contact([[flat(0.2, 10, 20), flat(0.4, 6, 8)], [None]], size=(10, 20))
    assert out.shape == (1, 3, 2 * 10 + 3 * GAP, 2 * 20 + 3 * GAP)
    expected = np.ones(out.shape[2:])
    expected[GAP : GAP + 10, GAP : GAP + 20] = 0.2
    expected[GAP + 2 : GAP + 8, 2 * GAP + 26 : 2 * GAP + 34] = 0.4
    expected[2 * GAP + 10 : 2 * GAP + 20, GAP : GAP + 20] = EMPTY
    for channel in out[0]:
        np.testing.assert_allclose(channel, expected, atol=1e-6)


def test_labels_are_the_letters_of_their_font_below_the_picture():
    words = ["strength 0.2", "color style"]
    out = contact([[flat(0.5, 64, 480)]], [[words]], size=(64, 480))
    drawn = out[0, 0, GAP + 64 : -GAP, GAP:-GAP]
    font = _font(20)
    canvas = Image.new("L", (480, 400), 255)
    ImageDraw.Draw(canvas).text((1, 4), "  ·  ".join(words), fill=40, font=font)
    np.testing.assert_allclose(drawn, np.asarray(canvas)[: len(drawn)] / 255, atol=1e-6)


def test_lines_are_broken_between_settings_and_long_words_lose_their_middle():
    font = _font(20)
    words = ["strength 0.2", "color luminance", f"style {'x' * 90}.jpg", "a\nb"]
    lines = _lines(words, font, 300)
    assert lines[:2] == ["strength 0.2", "color luminance"]
    assert lines[2].startswith("style xx")
    assert lines[2].endswith("x.jpg")
    assert "…" in lines[2]
    assert lines[3] == "a?b"
    assert all(font.getlength(line) <= 300 for line in lines)
