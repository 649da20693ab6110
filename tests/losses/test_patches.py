"""Nearest patches against a search by hand."""

import pytest
import torch
from torch.nn import functional as F

from impasto.losses.patches import Patches
from impasto.ops.resample import resize


def draw(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


A, B = draw(1, 3, 7, 8), draw(1, 3, 9, 6, seed=2)


def cut(f: torch.Tensor) -> list[torch.Tensor]:
    """All patches of 3 by 3."""
    return [
        f[0, :, y : y + 3, x : x + 3].flatten()
        for y in range(f.shape[2] - 2)
        for x in range(f.shape[3] - 2)
    ]


def test_each_patch_is_compared_with_the_one_that_correlates_most() -> None:
    loss = Patches("a", exact=True)
    ours, theirs = cut(A), cut(B)
    centred = [cut(each - each.mean((2, 3), keepdim=True)) for each in (A, B)]
    far = near_energy = 0.0
    for patch, wanted in zip(ours, centred[0], strict=True):
        scores = [float(F.cosine_similarity(wanted, q, 0)) for q in centred[1]]
        near = theirs[scores.index(max(scores))]
        far += float((patch - near).square().sum())
        near_energy += float(near.square().sum())
    found = float(loss({"a": A}, loss.measure({"a": B})))
    assert found == pytest.approx(far / near_energy, rel=1e-5)


def test_patchmatch_finds_nearly_what_the_exact_search_finds() -> None:
    pair = [resize(draw(1, 6, 8, 9, seed=seed), (48, 54)) for seed in (3, 4)]
    found = {}
    for exact in (True, False):
        loss = Patches("a", exact=exact)
        target = loss.measure({"a": pair[1]})
        found[exact] = float(loss({"a": pair[0]}, target))
        assert float(loss({"a": pair[0]}, target)) == found[exact]
    assert found[True] < found[False] < 1.1**2 * found[True]


def test_a_picture_put_together_from_a_style_is_at_0() -> None:
    """Only where its pieces meet are patches new; a Gram matrix would see another picture."""
    wide = torch.cat([B, B[..., 2:]], 3)
    inner = Patches("a")({"a": B[:, :, 1:7]}, Patches("a").measure({"a": B}))
    assert float(inner) == pytest.approx(0, abs=1e-6)
    assert 0 < float(Patches("a")({"a": wide}, Patches("a").measure({"a": B}))) < 0.2


def test_a_metric_measures_mapped_patches() -> None:
    metric = draw(3, 3, seed=4) - 0.5
    mapped = {"a": torch.einsum("ij,njhw->nihw", metric, A)}
    plain, loss = Patches("a"), Patches("a", metric)
    target = loss.measure({"a": B})
    assert float(loss({"a": A}, target)) == pytest.approx(float(plain(mapped, target)), rel=1e-4)


def test_a_guide_keeps_to_a_region_in_both_pictures() -> None:
    loss, left = Patches("a"), torch.zeros(1, 1, 9, 6)
    left[..., :4] = 1
    kept = loss.measure({"a": B}, left)
    changed = B.clone()
    changed[..., 5:] = A[:, :, :1, 7:]  # Only patches that lie in it by less than half reach there.
    other = loss.measure({"a": changed}, left)
    assert float(loss({"a": A}, other)) == pytest.approx(float(loss({"a": A}, kept)), rel=1e-5)
    whole = [loss.measure({"a": each}) for each in (B, changed)]
    assert float(loss({"a": A}, whole[0])) != float(loss({"a": A}, whole[1]))
    inside = torch.zeros(1, 1, 7, 8)
    inside[..., :3] = 1
    f = A.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss({"a": f}, kept, inside), f)
    assert gradient[..., :3].any()
    assert not gradient[..., 6:].any()
