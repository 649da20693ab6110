"""Terms of styles and regions: one for all is the sum of those of each."""

import pytest
import torch

from impasto.core.tensors import Features
from impasto.losses.loss import PIXELS, Loss
from impasto.losses.statistics import Covariance, Grain, Gram, Moments
from impasto.losses.terms import Term, apart, blended


def draw(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


METRIC = draw(4, 5, seed=9) - 0.5
LOSSES = [
    Gram("a"),
    Gram("a", METRIC),
    Moments("a"),
    Moments("a", METRIC),
    Covariance("a"),
    Covariance("a", METRIC),
    Grain(),
]
WEIGHTS = [0.5, 0.0, 2.0]
# Soft, overlapping, and one that lies nowhere: each is another case.
GUIDES = [(draw(1, 1, 12, 16, seed=seed) - 0.4).clamp_min(0) for seed in (3, 4)]
GUIDES.append(torch.zeros(1, 1, 12, 16))


def picture(loss: Loss, seed: int) -> Features:
    channels = 3 if loss.layer == PIXELS else 5
    return {loss.layer: draw(1, channels, 12, 16, seed=seed)}


@pytest.mark.parametrize("loss", LOSSES, ids=str)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_regions_together_are_the_regions_one_by_one(
    loss: Loss, layout: torch.memory_format
) -> None:
    targets, found = [loss.measure(picture(loss, seed)) for seed in (5, 6, 7)], []
    for together in (True, False):
        terms = list(apart("s", WEIGHTS, loss, targets=targets, guides=GUIDES, together=together))
        assert len(terms) == (1 if together else 3)
        f = picture(loss, 8)[loss.layer].contiguous(memory_format=layout).requires_grad_()
        value = torch.stack([term({loss.layer: f}) for term in terms]).sum()
        found.append((value.detach(), torch.autograd.grad(value, f)[0]))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-3, atol=1e-6)
    assert found[0][1].any()


def test_a_unit_term_has_a_gradient_as_large_as_its_weight() -> None:
    loss = Gram("a")
    f = picture(loss, 8)["a"].requires_grad_()
    value = Term("s", 3.0, loss, loss.measure(picture(loss, 5)))({"a": f}, unit=True)
    (gradient,) = torch.autograd.grad(value, f)
    assert float(gradient.abs().sum()) == pytest.approx(3.0, rel=1e-4)


def test_targets_are_mixed_by_their_shares() -> None:
    loss = Gram("a")
    targets = [loss.measure(picture(loss, seed)) for seed in (5, 6)]
    (term,) = blended("s", 2.0, loss, shares=[1.0, 3.0], targets=targets)
    torch.testing.assert_close(term.target, 0.25 * targets[0] + 0.75 * targets[1])
    assert term.weight == 2.0
    assert not list(blended("s", 2.0, loss, shares=[0.0, 0.0], targets=targets))
