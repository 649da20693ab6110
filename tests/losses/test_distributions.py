"""The sliced Wasserstein and histogram losses against sorting by hand."""

import numpy as np
import pytest
import torch

from impasto.losses.distributions import QUANTILES, Histogram, Sliced


def draw(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


A, B = draw(1, 4, 32, 32), draw(1, 4, 32, 64, seed=2) ** 2
METRIC = draw(4, 4, seed=3) - 0.5


def rows(f: torch.Tensor) -> np.ndarray:
    return f[0].flatten(1).double().numpy()


def means(values: np.ndarray) -> np.ndarray:
    return np.sort(values, 1).reshape(len(values), QUANTILES, -1).mean(2)


@pytest.mark.parametrize("metric", [None, METRIC])
def test_histogram_moves_sorted_values_to_sorted_values(metric: torch.Tensor | None) -> None:
    loss = Histogram("a", metric)
    matrix = np.eye(4) if metric is None else metric.double().numpy()
    ours, wanted = (means(matrix @ rows(f)) for f in (A, B))
    expected = ((ours - wanted) ** 2).sum() / (wanted**2).sum()
    assert float(loss({"a": A}, loss.measure({"a": B}))) == pytest.approx(expected, rel=1e-4)


def test_sliced_sorts_projections_on_directions_at_right_angles() -> None:
    loss = Sliced("a", METRIC, seed=5)
    # Single spikes show what each channel is multiplied with.
    spikes = torch.zeros(1, 4, 1, QUANTILES)
    directions = []
    for channel in range(4):
        spike = spikes.clone()
        spike[0, channel] = 1
        directions.append(loss.measure({"a": spike})[:, 0])
    drawn = torch.stack(directions, 1).double()
    turned = drawn @ METRIC.double().inverse()
    torch.testing.assert_close(
        turned @ turned.mT, torch.eye(4, dtype=torch.float64), rtol=0, atol=1e-4
    )
    ours, wanted = (means(drawn.numpy() @ rows(f)) for f in (A, B))
    expected = ((ours - wanted) ** 2).sum() / (wanted**2).sum()
    assert float(loss({"a": A}, loss.measure({"a": B}))) == pytest.approx(expected, rel=1e-3)


def test_sliced_sees_what_mean_and_covariance_do_not() -> None:
    """Two values against a bell: the same mean and variance, another distribution."""
    bell = torch.randn((1, 1, 64, 64), generator=torch.Generator().manual_seed(1))
    bell = (bell - bell.mean()) / bell.std(correction=0)
    two = torch.ones(1, 1, 64, 64)
    two[..., ::2] = -1
    loss = Sliced("a")
    assert float(loss({"a": two}, loss.measure({"a": bell}))) > 0.1


def test_what_is_drawn_of_many_positions_stands_for_all() -> None:
    large = draw(1, 2, 400, 400)
    drawn = Histogram("a").measure({"a": large})
    expected = np.sort(rows(large), 1).reshape(2, 1, -1)
    at = ((np.arange(QUANTILES) + 0.5) / QUANTILES * expected.shape[2]).astype(int)
    torch.testing.assert_close(
        drawn, torch.from_numpy(expected[:, 0, at]).float(), rtol=0, atol=0.01
    )
