"""Gram matrices against loops; moments, whitening and colouring against what they promise."""

import pytest
import torch

from impasto.ops.stats import (
    Moments,
    colouring,
    gaussian,
    gram,
    moments,
    products,
    quantiles,
    relative,
    root,
    transport,
    whitening,
)


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


def test_relative_is_a_ratio_of_squared_norms_matrix_by_matrix() -> None:
    difference, reference = torch.tensor([[3.0, 4.0]]), torch.tensor([[2.0, 4.0], [1.0, 2.0]])
    assert float(relative(difference.expand(2, 2), reference)) == 2.0
    found = relative(torch.stack([reference, 3 * reference]), reference.expand(2, 2, 2))
    assert found.tolist() == [1.0, 9.0]
    assert relative(difference, torch.zeros(1, 2)).isfinite()
    assert float(relative(torch.zeros(1, 2), torch.zeros(1, 2))) == 0


# --- moments -------------------------------------------------------------------------------------


def known(features: torch.Tensor) -> Moments:
    return moments(products(features))


def test_products_are_sums_of_products_and_know_count_and_sums() -> None:
    f, weights = draw(1, 3, 4, 5), draw(2, 1, 4, 5, seed=2)
    found = products(f, weights)
    assert found.dtype == torch.float64
    for r in range(2):
        w = weights[r, 0].double()
        channels = [*f[0].double(), torch.ones(4, 5, dtype=torch.float64)]
        expected = torch.stack(
            [torch.stack([(w * a * b).sum() for a in channels]) for b in channels]
        )
        torch.testing.assert_close(found[r], expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(products(f), products(f, torch.ones(1, 1, 4, 5)))


def test_products_of_parts_are_those_of_the_whole() -> None:
    f = draw(1, 8, 20, 30).to(memory_format=torch.channels_last)
    parts = [f[:, :, :7], f[:, :, 7:, :11], f[:, :, 7:, 11:]]
    torch.testing.assert_close(sum(map(products, parts)), products(f), rtol=1e-7, atol=0)


def test_moments_are_mean_and_covariance() -> None:
    f = draw(1, 6, 9, 11) * 3 + 5
    mean, covariance = known(f)
    flat = f[0].flatten(1).double()
    torch.testing.assert_close(mean[0], flat.mean(1), rtol=1e-6, atol=0)
    torch.testing.assert_close(covariance[0], flat.cov(correction=0), rtol=1e-5, atol=1e-5)


def test_a_weight_of_nothing_gives_zeros() -> None:
    mean, covariance = moments(products(draw(1, 3, 4, 5), torch.zeros(1, 1, 4, 5)))
    assert mean.count_nonzero() == covariance.count_nonzero() == 0


def mix(features: torch.Tensor, *, seed: int) -> torch.Tensor:
    """Channels that depend on each other."""
    channels = features.shape[1]
    return torch.einsum("dc,nchw->ndhw", draw(channels, channels, seed=seed), features)


def test_white_features_have_the_identity_as_covariance_and_coloured_ones_that_of_a_style() -> None:
    content, style = known(mix(draw(1, 8, 20, 20), seed=2)), known(mix(draw(1, 8, 16, 9), seed=3))
    white = whitening(content)
    identity = torch.eye(8, dtype=torch.float64)
    torch.testing.assert_close(
        (white @ content.covariance @ white.mT)[0], identity, rtol=0, atol=1e-3
    )
    root = colouring(style)
    torch.testing.assert_close(root @ root.mT, style.covariance, rtol=1e-5, atol=0)
    torch.testing.assert_close(root, root.mT)
    torch.testing.assert_close(white, white.mT)


def test_directions_without_variance_are_left_out() -> None:
    f = draw(1, 4, 20, 20)
    f[:, 2] = f[:, 1]  # One direction is missing.
    f[:, 3] = 0.7
    content = known(f)
    white = whitening(content)
    values = torch.linalg.eigvalsh(white @ content.covariance @ white)
    expected = torch.tensor([[0, 0, 1, 1]], dtype=torch.float64)
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0, 1e3, 1e-9])
def test_flat_features_become_zero(value: float) -> None:
    assert whitening(known(torch.full((1, 5, 30, 40), value))).count_nonzero() == 0


def test_transport_gives_the_covariance_with_the_least_change() -> None:
    own, wanted = (known(draw(1, 6, 20, 30, seed=seed)) for seed in (1, 2))
    skewed = Moments(own.mean, own.covariance + 0.3 * own.covariance.mean())
    matrix = transport(skewed, wanted)
    torch.testing.assert_close(matrix @ skewed.covariance @ matrix.mT, wanted.covariance)
    torch.testing.assert_close(matrix, matrix.mT)
    eye = torch.eye(6, dtype=torch.float64)[None]
    torch.testing.assert_close(transport(skewed, skewed), eye)

    def change(map_: torch.Tensor) -> float:
        """Mean squared distance by which it moves centred features."""
        moved = (map_ - eye) @ skewed.covariance @ (map_ - eye).mT
        return float(moved[0].trace())

    bound = _bures(skewed.covariance[0], wanted.covariance[0])
    assert change(matrix) == pytest.approx(bound)
    assert change(colouring(wanted) @ whitening(skewed)) > bound * 1.0001


def _bures(one: torch.Tensor, other: torch.Tensor) -> float:
    """The least squared distance between two centred Gaussians, by singular values."""
    roots = [torch.linalg.cholesky(each) for each in (one, other)]
    overlap = torch.linalg.svdvals(roots[0].mT @ roots[1]).sum()
    return float(one.trace() + other.trace() - 2 * overlap)


# --- what losses descend -------------------------------------------------------------------------


def test_a_weighted_gram_is_that_of_positions_that_come_so_often() -> None:
    f, often = draw(1, 4, 2, 3), torch.tensor([1, 2, 0, 3, 1, 1])
    repeated = f.flatten(2).repeat_interleave(often, 2)[..., None]
    pull, found = draw(1, 4, 4, seed=2), []
    for layout in (torch.contiguous_format, torch.channels_last):
        laid = f.contiguous(memory_format=layout).requires_grad_()
        seen = gram(laid, often.float().view(1, 1, 2, 3))
        torch.testing.assert_close(seen, gram(repeated))
        found.append(torch.autograd.grad((pull * seen).sum(), laid)[0])
    torch.testing.assert_close(*found)
    assert not found[0][0, :, 0, 2].any()


def test_gaussian_is_mean_and_covariance() -> None:
    f, often = draw(1, 5, 4, 6) * 2 + 3, torch.randint(0, 4, (24,))
    mean, covariance = gaussian(f)
    torch.testing.assert_close(mean[0], f[0].flatten(1).mean(1))
    expected = f[0].flatten(1).cov(correction=0)
    torch.testing.assert_close(covariance[0], expected, rtol=1e-4, atol=1e-5)
    # Of two regions, the second has nothing.
    weights = torch.stack([often, 0 * often]).float().view(2, 1, 4, 6)
    mean, covariance = gaussian(f, weights)
    repeated = f.flatten(2).repeat_interleave(often, 2)[0]
    torch.testing.assert_close(mean[0], repeated.mean(1))
    torch.testing.assert_close(covariance[0], repeated.cov(correction=0), rtol=1e-4, atol=1e-5)
    assert not mean[1].any()
    assert not covariance[1].any()


@pytest.mark.parametrize("guided", [False, True])
def test_a_small_covariance_beside_a_large_mean_survives_half_precision(guided: bool) -> None:
    f, weights = 100 + draw(1, 3, 40, 50), draw(2, 1, 40, 50, seed=2) if guided else None
    found, expected = (gaussian(x, weights)[1] for x in (f.bfloat16(), f.bfloat16().float()))
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0.01)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_gradient_of_mean_and_covariance_is_that_of_their_formula(
    dtype: torch.dtype, last: bool
) -> None:
    f = draw(1, 5, 4, 6).to(dtype)
    f = f.contiguous(memory_format=torch.channels_last) if last else f
    of_mean, of_covariance = draw(1, 5, seed=2), draw(1, 5, 5, seed=3)
    seen, x = f.clone().requires_grad_(), f.double().requires_grad_()
    mean, covariance = gaussian(seen)
    flat = x.flatten(2) - x.mean((2, 3))[..., None]
    expected = (x.mean((2, 3)) * of_mean).sum() + (flat @ flat.mT / 24 * of_covariance).sum()
    ((mean * of_mean).sum() + (covariance * of_covariance).sum()).backward()
    expected.backward()
    assert seen.grad is not None
    far = 1e-6 if dtype == torch.float32 else 1e-3
    torch.testing.assert_close(seen.grad, x.grad, atol=far, rtol=10 * far, check_dtype=False)


def test_the_root_squared_is_the_matrix() -> None:
    covariance = gaussian(draw(1, 6, 5, 7))[1][0]
    found = root(covariance)
    torch.testing.assert_close(found @ found, covariance)
    torch.testing.assert_close(found, found.mT)


def test_quantiles_are_the_means_of_equal_shares() -> None:
    values = draw(3, 12)
    expected = values.sort(1).values.view(3, 4, 3).mean(2)
    torch.testing.assert_close(quantiles(values, count=4), expected)
    # Shares that split values: thirds of four values.
    found = quantiles(torch.tensor([[4.0, 1.0, 3.0, 2.0]]), count=3)
    torch.testing.assert_close(found, torch.tensor([[1.25, 2.5, 3.75]]))
    torch.testing.assert_close(
        quantiles(values, torch.ones(12), count=5), quantiles(values, count=5)
    )


def test_weighted_quantiles_are_those_of_values_that_come_so_often() -> None:
    values, often = draw(2, 30), torch.randint(0, 5, (30,))
    repeated = values.repeat_interleave(often, 1)
    torch.testing.assert_close(
        quantiles(values, often.float(), count=7), quantiles(repeated, count=7)
    )


def test_two_rows_of_quantiles_are_as_far_apart_as_their_distributions() -> None:
    """For equally many values the squared Wasserstein distance is that of the sorted ones."""
    one, other = draw(1, 64), draw(1, 64, seed=2) ** 2
    found = (quantiles(one, count=64) - quantiles(other, count=64)).square().mean()
    torch.testing.assert_close(found, (one.sort().values - other.sort().values).square().mean())


def test_mean_and_covariance_and_their_gradients_are_the_same_in_either_memory_order():
    generator = torch.Generator().manual_seed(4)
    plain = torch.rand((1, 5, 7, 6), generator=generator) + 3
    weights = (torch.rand((1, 1, 7, 6), generator=generator) - 0.4).clamp_min(0)
    pull = torch.rand((5, 6), generator=generator)
    found = []
    for order in (torch.contiguous_format, torch.channels_last):
        features = plain.clone(memory_format=order).requires_grad_()
        mean, covariance = gaussian(features, weights)
        both = torch.cat([mean.mT, covariance[0]], 1)
        (both * pull).sum().backward()
        found.append((both.detach(), features.grad))
    share = weights / weights.sum()
    centred = plain - (plain * share).sum((2, 3), keepdim=True)
    true = torch.einsum("ncij,ndij,noij->cd", centred, centred, share)
    torch.testing.assert_close(found[0][0][:, 1:], true, rtol=1e-3, atol=1e-5)
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)
