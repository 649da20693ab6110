"""Each loss against its formula, written out in numpy."""

import numpy as np
import pytest
import torch

from impasto.losses.content import Content
from impasto.losses.statistics import Gram
from impasto.ops.stats import gram


def draw(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def by_hand(f: torch.Tensor) -> np.ndarray:
    """The Gram matrix in float64."""
    flat = f[0].double().numpy().reshape(f.shape[1], -1)
    return flat @ flat.T / flat.shape[1]


A, B = draw(1, 5, 6, 7, seed=1), draw(1, 5, 9, 4, seed=2)
SAME = draw(1, 5, 6, 7, seed=3)
METRIC = draw(5, 5, seed=4) - 0.5


def mapped(f: torch.Tensor) -> torch.Tensor:
    return torch.einsum("ij,njhw->nihw", METRIC, f)


def test_gram_loss_is_the_squared_distance_over_the_squared_target() -> None:
    loss = Gram("a")
    target = loss.measure({"a": B})
    expected = ((by_hand(A) - by_hand(B)) ** 2).sum() / (by_hand(B) ** 2).sum()
    assert float(loss({"a": A, "b": B}, target)) == pytest.approx(expected, rel=1e-5)
    assert float(loss({"a": B}, target)) == 0
    assert float(loss({"a": 0 * A}, target)) == pytest.approx(1)


def test_content_loss_is_the_squared_distance_over_the_variance() -> None:
    loss = Content("a")
    target = loss.measure({"a": A})
    a, b = A.double().numpy(), SAME.double().numpy()
    variance = ((a - a.mean((2, 3), keepdims=True)) ** 2).sum()
    expected = ((a - b) ** 2).sum() / (variance + 0.01 * (a**2).sum())
    assert float(loss({"a": SAME}, target)) == pytest.approx(expected, rel=1e-5)
    assert float(loss({"a": A}, target)) == 0


@pytest.mark.parametrize("kind", [Gram, Content])
def test_losses_do_not_depend_on_the_scale_of_a_layer(kind: type[Gram | Content]) -> None:
    loss = kind("a")
    plain = loss({"a": SAME}, loss.measure({"a": A}))
    scaled = loss({"a": 30 * SAME}, loss.measure({"a": 30 * A}))
    torch.testing.assert_close(scaled, plain)


@pytest.mark.parametrize("kind", [Gram, Content])
def test_a_metric_measures_mapped_features(kind: type[Gram | Content]) -> None:
    plain, identity, metric = kind("a"), kind("a", torch.eye(5)), kind("a", METRIC)
    torch.testing.assert_close(identity.measure({"a": A}), plain.measure({"a": A}))
    torch.testing.assert_close(metric.measure({"a": A}), plain.measure({"a": mapped(A)}))
    torch.testing.assert_close(
        metric({"a": SAME}, metric.measure({"a": A})),
        plain({"a": mapped(SAME)}, plain.measure({"a": mapped(A)})),
    )


def test_blending_targets_is_blending_styles() -> None:
    loss = Gram("a", METRIC)
    blend = 0.3 * loss.measure({"a": A}) + 0.7 * loss.measure({"a": B})
    together = METRIC @ (0.3 * gram(A)[0] + 0.7 * gram(B)[0]) @ METRIC.mT
    torch.testing.assert_close(blend, together)
    # A picture that is A in three tenths of its positions and B in the others has that Gram matrix.
    both = torch.cat([A.flatten(2)[..., :3], B.flatten(2)[..., :7]], 2).unsqueeze(2)
    parts = [loss.measure({"a": f.flatten(2)[..., :n].unsqueeze(2)}) for f, n in ((A, 3), (B, 7))]
    assert float(loss({"a": both}, 0.3 * parts[0] + 0.7 * parts[1])) < 1e-10


@pytest.mark.parametrize("value", [0.0, 0.4])
def test_flat_features_give_finite_losses_and_gradients(value: float) -> None:
    flat = {"a": torch.full((1, 5, 6, 7), value)}
    for loss in (Content("a"), Gram("a")):
        f = SAME.clone().requires_grad_()
        there = loss({"a": f}, loss.measure(flat))
        (gradient,) = torch.autograd.grad(there, f)
        assert there.isfinite()
        assert gradient.isfinite().all()
        assert float(loss(flat, loss.measure(flat))) == 0


def test_losses_of_half_precision_features_are_close() -> None:
    for loss in (Content("a", METRIC), Gram("a", METRIC)):
        full = loss({"a": SAME}, loss.measure({"a": A}))
        half = loss({"a": SAME.bfloat16()}, loss.measure({"a": A.bfloat16()}))
        assert half.dtype == torch.float32
        torch.testing.assert_close(half, full, rtol=0.03, atol=0)
