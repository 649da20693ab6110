"""Gram matrices against loops."""

import pytest
import torch

from impasto.ops.stats import gram, relative


def draw(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_gram_is_the_mean_product_of_two_channels() -> None:
    f = draw(2, 3, 4, 5)
    expected = torch.zeros(2, 3, 3)
    for n in range(2):
        for i in range(3):
            for j in range(3):
                products = [
                    float(f[n, i, y, x] * f[n, j, y, x]) for y in range(4) for x in range(5)
                ]
                expected[n, i, j] = sum(products) / 20
    torch.testing.assert_close(gram(f), expected)


def test_gram_does_not_know_where_things_are() -> None:
    f = draw(1, 8, 6, 7)
    order = torch.randperm(42, generator=torch.Generator().manual_seed(2))
    shuffled = f.flatten(2)[:, :, order].view(1, 8, 14, 3)
    torch.testing.assert_close(gram(shuffled), gram(f))
    torch.testing.assert_close(gram(f.repeat(1, 1, 2, 3)), gram(f))


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_does_not_overflow(kind: torch.dtype) -> None:
    f = 1e4 * draw(1, 4, 16, 16)
    found = gram(f.to(kind))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, gram(f), rtol=0.02, atol=0)
    assert found.max() > 2e7


def test_gram_of_any_memory_layout() -> None:
    f = draw(1, 4, 5, 6)
    torch.testing.assert_close(gram(f.contiguous(memory_format=torch.channels_last)), gram(f))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_gradient_of_gram_is_that_of_its_formula(layout: torch.memory_format) -> None:
    f = draw(2, 4, 5, 6).to(memory_format=layout).requires_grad_()
    weights = draw(2, 4, 4, seed=2)  # Not symmetric, so that both factors are told apart.
    flat = f.flatten(2)
    (expected,) = torch.autograd.grad((weights * (flat @ flat.mT / 30)).sum(), f)
    (found,) = torch.autograd.grad((weights * gram(f)).sum(), f)
    torch.testing.assert_close(found, expected)


def test_relative_is_a_ratio_of_squared_norms() -> None:
    difference, reference = torch.tensor([3.0, 4.0]), torch.tensor([[1.0, 2.0], [2.0, 4.0]])
    assert float(relative(difference, reference)) == 1.0
    assert relative(difference, torch.zeros(2)).isfinite()
    assert float(relative(torch.zeros(2), torch.zeros(2))) == 0
