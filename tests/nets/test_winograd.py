"""Fewer multiplications, the same convolution."""

import copy

import pytest
import torch

from impasto.nets.transformer import Convolution, Paper, Slim
from impasto.nets.winograd import Winograd, quicken


def _random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def conv():
    torch.manual_seed(0)
    return Convolution(6, 5).requires_grad_(False).to(memory_format=torch.channels_last)


@pytest.mark.parametrize("size", [(8, 12), (7, 5), (1, 4), (2, 2), (33, 18)])
def test_it_is_the_convolution_over_the_mirrored_map(conv, size):
    x = _random(2, 6, *size)
    assert torch.allclose(Winograd(conv)(x), conv(x), atol=1e-5)


def test_rounding_is_small_beside_what_differs_from_the_mean(conv):
    x = 1000 + 1e-3 * _random(1, 6, 16, 16)
    difference = (Winograd(conv)(x) - conv.double()(x.double())).flatten(2)
    conv.float()
    # A constant is taken away by the normalisation behind it.
    assert (difference - difference.mean(2, keepdim=True)).abs().max() < 1e-4
    flat = Winograd(conv)(torch.full((1, 6, 9, 9), 0.3))
    assert float(flat.std((2, 3)).max()) == 0


@pytest.mark.parametrize(("kind", "replaced"), [(Slim, 6), (Paper, 11)])
def test_networks_paint_the_same(kind, replaced):
    network = kind(1).requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    for value in network.parameters():
        value += 0.05 * torch.randn(value.shape, generator=generator)
    quick = copy.deepcopy(network)
    quicken(quick)
    assert sum(isinstance(module, Winograd) for module in quick.modules()) == replaced
    x = torch.rand((1, 3, 64, 96), generator=generator)
    assert torch.allclose(quick(x, network.rows), network(x, network.rows), atol=1e-4)


@pytest.mark.parametrize("quick", [False, True])
def test_what_is_flat_is_painted_flat(quick):
    """Normalisations would make a pattern of what was rounded."""
    network = Slim(1).requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    for value in network.parameters():
        value += 0.05 * torch.randn(value.shape, generator=generator)
    network.rows[:, -3:] = -1
    if quick:
        quicken(network)
    painted = network(torch.full((1, 3, 64, 64), 0.3), network.rows)
    assert float((painted.amax((2, 3)) - painted.amin((2, 3))).max()) <= 1e-6
