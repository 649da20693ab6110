"""Self-similarity against its formula, written out by hand."""

import pytest
import torch

from impasto.losses.content import SelfSimilarity


def draw(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


A, B = draw(1, 6, 5, 7), draw(1, 6, 5, 7, seed=2)


def by_hand(f: torch.Tensor) -> torch.Tensor:
    """Cosine distances of any two positions, columns brought to a sum of one."""
    rows = f[0].flatten(1).mT.double()
    distances = torch.stack(
        [torch.stack([1 - torch.dot(a, b) / (a.norm() * b.norm()) for b in rows]) for a in rows]
    )
    return distances / distances.sum(0)


def test_it_compares_what_is_like_what() -> None:
    loss = SelfSimilarity("a")
    ours, wanted = by_hand(A), by_hand(B)
    expected = (ours - wanted).square().sum() / (1 / 35 - wanted).square().sum()
    assert float(loss({"a": A}, loss.measure({"a": B}))) == pytest.approx(float(expected), rel=0.05)


def test_colours_may_turn_where_places_stay_alike() -> None:
    turn = torch.linalg.qr(draw(6, 6, seed=3)).Q
    turned = torch.einsum("ij,njhw->nihw", turn, 3 * A)
    loss = SelfSimilarity("a")
    assert float(loss({"a": turned}, loss.measure({"a": A}))) == pytest.approx(0, abs=1e-6)
    assert float(loss({"a": A.flip(3)}, loss.measure({"a": A}))) > 0.1


def test_of_many_positions_a_thousand_are_compared() -> None:
    loss = SelfSimilarity("a")
    assert 600 < len(loss.measure({"a": draw(1, 2, 90, 120)})) <= 1100
    assert len(loss.measure({"a": draw(1, 2, 20, 30)})) == 600
