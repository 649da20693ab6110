"""What holds of every loss, whatever it compares."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from impasto.losses.content import Content, SelfSimilarity
from impasto.losses.distributions import Histogram, Sliced
from impasto.losses.loss import Loss
from impasto.losses.patches import Patches
from impasto.losses.statistics import Covariance, Grain, Gram, Moments

METRIC = torch.rand((5, 5), generator=torch.Generator().manual_seed(4)) - 0.5
STYLES: dict[str, Callable[..., Loss]] = {
    "gram": Gram,
    "moments": Moments,
    "covariance": Covariance,
    "sliced": partial(Sliced, seed=3),
    "histogram": Histogram,
    "patches": Patches,
}
CONTENTS: dict[str, Callable[..., Loss]] = {"features": Content, "self-similarity": SelfSimilarity}
EVERY = STYLES | CONTENTS
every_loss = pytest.mark.parametrize("name", EVERY)
every_style = pytest.mark.parametrize("name", STYLES)
every_statistic = pytest.mark.parametrize("name", [name for name in STYLES if name != "patches"])


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


# Sides whose product is a multiple of the quantiles and not, and activations as they are: half 0.
A, B = (draw(1, 5, 24, 32, seed=seed).sub(0.5).relu() + 0.1 * seed for seed in (1, 2))


def made(name: str, **options: Any) -> Loss:
    return EVERY[name]("a", METRIC, **options)


def distance(loss: Loss, features: Tensor, other: Tensor, guide: Tensor | None = None) -> float:
    target = loss.measure({"a": other})
    return float(loss({"a": features}, target, guide))


@every_loss
def test_a_picture_is_at_0_from_itself_and_nothing_is_at_1(name: str) -> None:
    loss = made(name)
    assert distance(loss, B, B) == pytest.approx(0, abs=2e-5)
    assert distance(loss, A, B) > 0.003
    if name != "features":  # It is 1 for the mean of the content.
        assert distance(loss, 0 * B, B) == pytest.approx(1, rel=0.02)


@every_loss
def test_the_scale_of_a_layer_does_not_count(name: str) -> None:
    loss = made(name)
    assert distance(loss, 30 * A, 30 * B) == pytest.approx(distance(loss, A, B), rel=2e-3)


@every_loss
def test_the_gradient_is_that_of_the_loss(name: str) -> None:
    """Along a random direction, by differences; so near that nearest patches stay the same."""
    loss, near = made(name), torch.lerp(B, A, 0.3)
    target = loss.measure({"a": B})
    step = 1e-3 * draw(*A.shape, seed=7).sub(0.5)
    f = near.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss({"a": f}, target), f)
    rise = [float(loss({"a": near + sign * step}, target)) for sign in (-1, 1)]
    assert rise[1] - rise[0] == pytest.approx(2 * float((gradient * step).sum()), rel=0.05)


@every_loss
def test_descending_along_the_gradient_comes_closer(name: str) -> None:
    loss = made(name)
    target = loss.measure({"a": B})
    f = A.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss({"a": f}, target), f)
    closer = A - 0.05 * A.norm() * gradient / gradient.norm()
    assert distance(loss, closer, B) < distance(loss, A, B)


@every_statistic
def test_statistics_do_not_know_where_things_are(name: str) -> None:
    loss = made(name)
    order = torch.randperm(24 * 32, generator=torch.Generator().manual_seed(2))
    shuffled = A.flatten(2)[:, :, order].view(1, 5, 16, 48)
    assert distance(loss, shuffled, B) == pytest.approx(distance(loss, A, B), rel=1e-3)


@every_statistic
def test_pictures_of_other_sizes_compare(name: str) -> None:
    loss = made(name)
    twice = B.repeat(1, 1, 2, 1)[:, :, :, : 2 * B.shape[3]]
    assert distance(loss, twice, B) == pytest.approx(0, abs=1e-4)


@every_statistic
def test_a_guide_looks_at_a_part_only(name: str) -> None:
    loss = made(name)
    left = torch.zeros(1, 1, 24, 32)
    left[..., :16] = 1
    whole, part = loss.measure({"a": A}, left), loss.measure({"a": A[..., :16].contiguous()})
    torch.testing.assert_close(whole, part, rtol=2e-3, atol=2e-3)
    target = loss.measure({"a": B})
    there = loss({"a": A}, target, left)
    torch.testing.assert_close(
        there, loss({"a": A[..., :16].contiguous()}, target), rtol=5e-3, atol=1e-4
    )
    f = A.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss({"a": f}, target, left), f)
    assert not gradient[..., 16:].any()
    assert gradient[..., :16].any()


@every_loss
def test_a_guide_of_ones_is_no_guide(name: str) -> None:
    loss, ones = made(name), torch.ones(1, 1, 24, 32)
    target = loss.measure({"a": B})
    torch.testing.assert_close(loss.measure({"a": B}, ones), target, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(
        loss({"a": A}, target, ones), loss({"a": A}, target), rtol=1e-3, atol=1e-5
    )


@every_statistic
def test_blended_targets_lie_between(name: str) -> None:
    loss = made(name)
    one, other = (loss.measure({"a": f}) for f in (A, B))
    ends = [float(loss({"a": A}, share * one + (1 - share) * other)) for share in (1, 0.5, 0)]
    assert ends[0] < ends[1] < ends[2]


@every_loss
@pytest.mark.parametrize("value", [0.0, 0.4])
def test_flat_features_give_finite_losses_and_gradients(name: str, value: float) -> None:
    flat, loss = {"a": torch.full((1, 5, 6, 7), value)}, made(name)
    assert float(loss(flat, loss.measure(flat))) == pytest.approx(0, abs=2e-5)
    varied = {"a": draw(1, 5, 6, 7)}
    for features, target in ((varied, flat), (flat, varied)):
        f = features["a"].clone().requires_grad_()
        there = loss({"a": f}, loss.measure(target))
        (gradient,) = torch.autograd.grad(there, f)
        assert there.isfinite()
        assert gradient.isfinite().all()


@every_loss
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3)])
def test_small_maps(name: str, size: tuple[int, int]) -> None:
    f, loss = draw(1, 5, *size), made(name)
    assert distance(loss, f, f) == pytest.approx(0, abs=2e-5)


@every_loss
def test_half_precision_is_close(name: str) -> None:
    loss = made(name)
    full = distance(loss, A, B)
    assert distance(loss, A.bfloat16(), B.bfloat16()) == pytest.approx(full, rel=0.1)


@pytest.mark.parametrize("name", ["sliced", "histogram"])
def test_chance_comes_from_the_seed_alone(name: str) -> None:
    kind = {"sliced": Sliced, "histogram": Histogram}[name]
    large = draw(1, 2, 300, 300)  # So large that positions are drawn.
    one, same, other = (kind("a", seed=seed).measure({"a": large}) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_grain_takes_a_guide_too() -> None:
    image, loss = draw(1, 3, 24, 32), Grain("a")
    image[..., 16:] = 0.5
    left = torch.zeros(1, 1, 24, 32)
    left[..., :15] = 1
    torch.testing.assert_close(
        loss.measure({"a": image}, left), loss.measure({"a": image[..., :15]}), rtol=0.1, atol=0.01
    )
