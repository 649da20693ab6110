"""What is missed of a style, against autograd."""

import torch
from torch import Tensor

from impasto.ops.errors import FLOOR, felt, missed, pulling


def _draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gram(f: Tensor) -> Tensor:
    flat = f.flatten(2)
    return flat @ flat.mT / flat.shape[2]


def _far(g: Tensor, wanted: Tensor, metric: Tensor) -> Tensor:
    far, size = (metric @ x @ metric.mT for x in (g - wanted, wanted))
    return far.square().sum((1, 2)) / size.square().sum((1, 2))


def test_what_is_felt_is_the_gradient_of_the_distance() -> None:
    features, metric = _draw(2, 5, 6, 8), _draw(4, 5, seed=1)
    wanted = gram(_draw(2, 5, 7, 7, seed=2) + 1)
    x = features.clone().requires_grad_()
    far = _far(gram(x), wanted, metric)
    known = missed(gram(features), wanted, metric)
    torch.testing.assert_close(known.far, far.detach(), rtol=1e-5, atol=0)
    torch.testing.assert_close(known.error, known.error.mT)
    (gradient,) = torch.autograd.grad(far.sum(), x)
    factor = 4 / (6 * 8) / known.unit.view(2, 1, 1, 1)
    torch.testing.assert_close(factor * felt(features, known.error), gradient, rtol=1e-4, atol=1e-7)


def test_what_pulls_is_the_gradient_of_the_mean_over_layers() -> None:
    """Of pictures that are their own features, at two layers of strides 1 and 2."""
    picture = _draw(2, 3, 8, 8)
    goals = [gram(_draw(2, 3, 8, 8, seed=s) + 1) for s in (1, 2)]
    identity = torch.eye(3, dtype=torch.float64)
    x = picture.clone().requires_grad_()
    maps = [x, torch.nn.functional.avg_pool2d(x, 2)]
    far = [_far(gram(f), goal, identity) for f, goal in zip(maps, goals, strict=True)]
    distance = torch.stack(far).mean(0)
    (wanted,) = torch.autograd.grad(distance.sum(), x, retain_graph=True)
    wanted = wanted * picture[0].numel() / (distance + FLOOR).sqrt().view(2, 1, 1, 1)
    known = [missed(gram(f.detach()), goal) for f, goal in zip(maps, goals, strict=True)]
    pulls = [
        felt(f.detach(), matrix) for f, matrix in zip(maps, pulling(known, [1, 2]), strict=True)
    ]
    (found,) = torch.autograd.grad(maps, x, pulls)
    torch.testing.assert_close(found, wanted.detach(), rtol=1e-4, atol=1e-6)


def test_regions_share_a_picture_and_what_is_right_misses_nothing() -> None:
    features, errors = _draw(1, 4, 3, 5), _draw(3, 4, 4, seed=1)
    found = felt(features, errors)
    assert found.shape == (3, 4, 3, 5)
    expected = torch.einsum("rij,ihw->rjhw", errors, features[0])
    torch.testing.assert_close(found, expected)
    known = missed(gram(features), gram(features))
    assert not known.error.any()
    assert not known.far.any()
    nothing = missed(torch.zeros(1, 4, 4), torch.zeros(1, 4, 4))
    assert nothing.error.isfinite().all()
