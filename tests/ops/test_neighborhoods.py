import numpy as np
import pytest
import torch

from impasto.ops.neighborhoods import CAUSAL, COARSE, FINE, gathered, gaussian_pyramid, steered


@pytest.mark.parametrize("window", [FINE, COARSE, CAUSAL])
def test_a_row_holds_what_surrounds_its_pixel(window):
    image = np.random.default_rng(0).random((2, 5, 7), np.float32)
    rows = gathered(image, window)
    assert rows.shape == (35, 2 * len(window))
    furthest = max(y * y + x * x for y, x in window)
    bell = np.array([np.exp(-(y * y + x * x) / furthest) for y, x in window])
    root = np.sqrt(bell / bell.sum() / 2)
    for v, u in ((0, 0), (2, 3), (4, 6)):
        places = [(min(max(v + y, 0), 4), min(max(u + x, 0), 6)) for y, x in window]
        expected = np.array([image[:, y, x] for y, x in places]) * root[:, None]
        np.testing.assert_allclose(rows[v * 7 + u], expected.ravel(), rtol=1e-5)


def test_the_causal_window_is_what_comes_before():
    assert len(CAUSAL) == 12
    assert sorted([*CAUSAL, (0, 0), *((-y, -x) for y, x in CAUSAL)]) == sorted(FINE)
    assert all(y < 0 or (y == 0 and x < 0) for y, x in CAUSAL)


def test_a_pyramid_keeps_ramps_and_halves_sizes():
    ramp = torch.arange(33.0).expand(1, 1, 17, 33)
    pyramid = gaussian_pyramid(ramp, 3)
    assert [tuple(level.shape[2:]) for level in pyramid] == [(17, 33), (9, 17), (5, 9)]
    torch.testing.assert_close(pyramid[1][..., 2:-2], ramp[..., ::2, ::2][..., 2:-2])


def test_steered_filters_answer_to_their_direction():
    y, x = torch.meshgrid(torch.arange(21.0), torch.arange(21.0), indexing="ij")
    half = 0.5**0.5
    directions = [(0, 1), (half, half), (1, 0), (half, -half)]
    for number, (down, across) in enumerate(directions):
        answers = steered((down * y + across * x)[None, None])[0, :, 10, 10]
        assert answers[number] == pytest.approx(1, abs=1e-4)
        assert answers[(number + 2) % 4] == pytest.approx(0, abs=1e-4)
