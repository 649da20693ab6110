"""Losses of the picture itself, by hand."""

import numpy as np
import pytest
import torch

from impasto.losses.pixels import outside, total_variation, unit_gradient


def draw(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_total_variation_by_hand() -> None:
    image = torch.zeros(1, 3, 2, 3)
    image[0, 0] = torch.tensor([[0.0, 0.5, 0.5], [1.0, 0.5, 0.0]])
    down, across = (1 + 0 + 0.25) / 9, (0.25 + 0 + 0.25 + 0.25) / 12
    assert float(total_variation(image)) == pytest.approx(down + across)
    assert float(total_variation(torch.full((1, 3, 5, 6), 0.7))) == 0


@pytest.mark.parametrize("size", [(1, 8), (8, 1), (1, 1)])
def test_total_variation_of_a_line(size: tuple[int, int]) -> None:
    image = draw(1, 3, *size)
    pixels = image.numpy().reshape(3, -1)
    expected = (np.diff(pixels) ** 2).mean() if pixels.shape[1] > 1 else 0
    assert float(total_variation(image)) == pytest.approx(expected)


def test_outside_is_the_squared_distance_to_the_box() -> None:
    image = torch.tensor([-0.5, 0.0, 0.3, 1.0, 1.25, 0.9]).expand(1, 3, 2, 6)
    assert float(outside(image)) == pytest.approx((0.25 + 0.0625) / 6)
    assert float(outside(draw(1, 3, 4, 4))) == 0


def test_a_unit_gradient_changes_nothing_but_the_length_of_the_gradient() -> None:
    f = draw(1, 5, 6, 7).requires_grad_()
    seen = unit_gradient({"a": f, "b": f * 2}, "a")["a"]
    assert torch.equal(seen, f)
    (plain,) = torch.autograd.grad((f**3).sum(), f)
    (gradient,) = torch.autograd.grad((seen**3).sum(), f)
    assert float(gradient.abs().sum()) == pytest.approx(1)
    torch.testing.assert_close(gradient, plain / plain.abs().sum())


def test_a_unit_gradient_has_the_length_that_is_asked() -> None:
    f = draw(1, 5, 6, 7).requires_grad_()
    (seen,) = unit_gradient({"a": f}, "a", length=0.3).values()
    (gradient,) = torch.autograd.grad(20 * (seen**3).sum(), f)
    assert float(gradient.abs().sum()) == pytest.approx(0.3)


def test_a_unit_gradient_of_nothing_is_nothing() -> None:
    f = draw(1, 2, 3, 3).requires_grad_()
    (gradient,) = torch.autograd.grad((0 * unit_gradient({"a": f}, "a")["a"]).sum(), f)
    assert not gradient.any()
