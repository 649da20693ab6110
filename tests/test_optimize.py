"""Descents whose end is known."""

import math
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from impasto.core.progress import Progress
from impasto.ops.resample import resize
from impasto.optimize import HISTORY, LED, Curvature, Objective, Optimizer, climb, descend, split

both = pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])

START = torch.rand((1, 3, 5, 6), generator=torch.Generator().manual_seed(1))
GOAL = torch.rand((1, 3, 5, 6), generator=torch.Generator().manual_seed(2))
SCALE = torch.linspace(0.5, 4, 6)


def height(image: Tensor) -> float:
    return float(sum(bowl(image.detach()).values()))


def bowl(image: Tensor) -> dict[str, Tensor]:
    """A quadratic with a different curvature in each column, in two terms."""
    far = SCALE * (image - GOAL).square()
    return {"left": far[..., :3].sum(), "right": far[..., 3:].sum()}


@both
def test_a_quadratic_is_descended_to_its_minimum(optimizer: Optimizer) -> None:
    out = descend(START, bowl, iterations=200, optimizer=optimizer)
    torch.testing.assert_close(out, GOAL, atol=5e-3, rtol=0)


def banana(x: Tensor) -> Tensor:
    """Rosenbrock's function of neighbours, which no step of one length suits."""
    flat = 2 * x.flatten()
    return (0.5 * (flat[1:] - flat[:-1].square()).square() + 0.1 * (1 - flat[:-1]).square()).sum()


@pytest.mark.parametrize("iterations", [1, 2, 3, 9, 40])
def test_lbfgs_goes_the_way_of_torchs_to_the_bit(iterations: int) -> None:
    # Vectors that begin at multiples of 64 bytes, or sums are rounded in another order.
    start = torch.rand((1, 3, 4, 8), generator=torch.Generator().manual_seed(1))
    x, values = start.clone().requires_grad_(), []
    theirs = torch.optim.LBFGS(
        [x],
        max_iter=iterations,
        max_eval=iterations,
        history_size=HISTORY,
        tolerance_grad=0,
        tolerance_change=0,
    )

    def closure() -> Tensor:
        theirs.zero_grad()
        value = banana(x)
        value.backward()
        values.append(float(value.detach()))
        return value

    theirs.step(closure)  # pyright: ignore[reportArgumentType]
    own: list[float] = []

    def noted(_step: int, losses: dict[str, float], _best: Tensor) -> None:
        own.append(losses["banana"])

    descend(start, lambda image: {"banana": banana(image)}, iterations=iterations, after=noted)
    assert own == values
    assert len(own) == iterations
    if iterations == 40:
        assert own[-1] < 0.1 * own[0]


@both
def test_a_descent_ends_when_ten_steps_gain_too_little(optimizer: Optimizer) -> None:
    def run(tolerance: float) -> list[float]:
        least: list[float] = []
        descend(
            START,
            bowl,
            iterations=300,
            optimizer=optimizer,
            tolerance=tolerance,
            after=lambda _step, _losses, best: least.append(height(best)),
        )
        return least

    whole, ended = run(0.0), run(0.5)
    assert len(whole) == 300
    # The same path, left at the first step at which the ten before it have not halved the loss.
    flat = (n for n in range(10, 300) if whole[n] > 0.5 * whole[n - 10])
    assert len(ended) == next(flat) + 1 < 300
    assert ended == whole[: len(ended)]


@both
@pytest.mark.parametrize("iterations", [1, 2, 7])
def test_every_iteration_is_one_evaluation_and_is_told(
    optimizer: Optimizer, iterations: int
) -> None:
    calls: list[float] = []
    told: list[tuple[int, float]] = []

    def counted(image: Tensor) -> dict[str, Tensor]:
        calls.append(height(image))
        return bowl(image)

    def after(step: int, losses: dict[str, float], best: Tensor) -> None:
        assert losses.keys() == {"left", "right"}
        told.append((step, sum(losses.values())))
        assert height(best) == pytest.approx(min(calls))

    out = descend(START, counted, iterations=iterations, optimizer=optimizer, after=after)
    assert len(calls) == iterations
    assert [step for step, _ in told] == list(range(1, iterations + 1))
    assert [total for _, total in told] == pytest.approx(calls)
    assert height(out) == pytest.approx(min(calls))


def spoilt(after: int, *, by: float) -> tuple[Objective, list[Tensor]]:
    """The bowl, whose value is wrong after some evaluations; and the pictures that it was shown."""
    shown: list[Tensor] = []

    def objective(image: Tensor) -> dict[str, Tensor]:
        shown.append(image.detach().clone())
        return {"all": sum(bowl(image).values()) * (by if len(shown) > after else 1.0)}

    return objective, shown


@both
@pytest.mark.parametrize("by", [math.nan, math.inf, 1e6])
def test_the_best_picture_is_kept_when_a_descent_blows_up(optimizer: Optimizer, by: float) -> None:
    objective, shown = spoilt(4, by=by)
    out = descend(START, objective, iterations=9, optimizer=optimizer)
    values = [height(image) for image in shown[:4]]
    assert torch.equal(out, shown[values.index(min(values))])
    assert min(values) < values[0]


@both
def test_a_descent_that_is_never_finite_returns_its_start(optimizer: Optimizer) -> None:
    objective, _ = spoilt(0, by=math.nan)
    assert torch.equal(descend(START, objective, iterations=4, optimizer=optimizer), START)


def test_a_finer_size_begins_with_what_a_coarser_one_has_learnt() -> None:
    """The mean square has the same curvature everywhere: one step is the whole way."""

    def losses(size: tuple[int, int], steps: int, known: Curvature | None) -> list[float]:
        goal, found = torch.full((1, 3, *size), 0.25), []
        descend(
            0.4 * torch.rand((1, 3, *size), generator=torch.Generator().manual_seed(3)),
            lambda image: {"far": 9 * (image - goal).square().mean()},
            iterations=steps,
            known=known,
            after=lambda _step, told, _best: found.append(told["far"]),
        )
        return found

    known = Curvature()
    assert losses((6, 4), 3, known)[-1] > 0
    assert losses((12, 8), 2, None)[1] > 0.1
    assert losses((12, 8), 2, known)[1] < 1e-9


@pytest.mark.parametrize("turned", [1e-8, math.inf])
def test_what_was_learnt_is_forgotten_if_it_leads_too_far(turned: float) -> None:
    known = Curvature()
    known.adopt(START)
    known.learn(torch.ones(START.numel()), torch.full((START.numel(),), turned))
    assert known.pairs
    out = descend(START, bowl, iterations=9, known=known)
    assert torch.equal(out, descend(START, bowl, iterations=9))


@both
def test_the_start_is_not_changed(optimizer: Optimizer) -> None:
    before = START.clone()
    out = descend(START, bowl, iterations=5, optimizer=optimizer)
    assert torch.equal(START, before)
    assert not torch.equal(out, before)
    climb(START, lambda _: bowl, sizes=[(5, 6)], iterations=5, optimizer=optimizer)
    assert torch.equal(START, before)


def to_grey(level: float) -> Callable[[tuple[int, int]], Objective]:
    """Every pixel to this grey, some harder than others; refuses another size than it is for."""

    def objective_at(size: tuple[int, int]) -> Objective:
        slope = torch.linspace(0.1, 3, size[1])

        def objective(image: Tensor) -> dict[str, Tensor]:
            assert image.shape[2:] == size
            far = slope * (image - level).square()
            return {"light": far[:, 0].mean(), "dark": far[:, 1:].mean()}

        return objective

    return objective_at


@both
def test_a_climb_reports_sizes_steps_and_cost(optimizer: Optimizer) -> None:
    heard: list[Progress] = []
    sizes = [(4, 8), (8, 16), (16, 32)]
    out = climb(
        START, to_grey(0.25), sizes=sizes, iterations=20, optimizer=optimizer, report=heard.append
    )
    assert out.shape == (1, 3, 16, 32)
    assert [p.step for p in heard] == list(range(1, len(heard) + 1))
    assert [p.size for p in heard] == [
        size for size, share in zip(sizes, split(20, 3), strict=True) for _ in range(share)
    ]
    done = [p.done for p in heard]
    assert all(a < b for a, b in pairwise(done))
    assert done[0] > 0
    assert done[-1] == pytest.approx(1)
    # By cost, not by steps: the work at the coarsest size, a sixteenth of the pixels, is little.
    pixels = [p.size[0] * p.size[1] for p in heard]
    assert done == pytest.approx([sum(pixels[: i + 1]) / sum(pixels) for i in range(len(pixels))])
    for p in heard:
        assert p.losses is not None
        assert p.image is not None
        assert p.losses["total"] == pytest.approx(p.losses["light"] + p.losses["dark"])
        picture = p.image()
        assert picture.shape == (1, 3, *p.size)
        assert 0 <= picture.min() <= picture.max() <= 1


def test_the_picture_of_a_report_does_not_change_later() -> None:
    early: list[Tensor] = []
    copies: list[Tensor] = []

    def keep(progress: Progress) -> None:
        assert progress.image is not None
        early.append(progress.image())
        copies.append(early[-1].clone())

    climb(START, to_grey(0.5), sizes=[(8, 8)], iterations=5, report=keep)
    assert all(torch.equal(a, b) for a, b in zip(early, copies, strict=True))
    assert not torch.equal(early[0], early[-1])


def test_a_climb_goes_from_size_to_size_and_ends_in_the_box() -> None:
    out = climb(START, to_grey(1.5), sizes=[(4, 4), (8, 9)], iterations=30)
    torch.testing.assert_close(out, torch.ones(1, 3, 8, 9))
    seen: list[Tensor] = []

    def watched(size: tuple[int, int]) -> Objective:
        def objective(image: Tensor) -> dict[str, Tensor]:
            seen.append(image.detach().clone())
            return to_grey(0.2)(size)(image)

        return objective

    climb(torch.full((1, 3, 4, 4), 0.9), watched, sizes=[(4, 4), (8, 8)], iterations=40)
    first_fine = next(image for image in seen if image.shape[2] == 8)
    torch.testing.assert_close(first_fine, torch.full_like(first_fine, 0.2), atol=0.01, rtol=0)


def test_a_climb_carries_the_detail_of_the_start_from_size_to_size() -> None:
    start = torch.rand((1, 3, 16, 16), generator=torch.Generator().manual_seed(3)) / 2 + 0.25
    seen: list[Tensor] = []

    def still(_size: tuple[int, int]) -> Objective:
        def objective(image: Tensor) -> dict[str, Tensor]:
            seen.append(image.detach().clone())
            return {"nothing": 0 * image.sum()}

        return objective

    out = climb(start, still, sizes=[(4, 4), (8, 8), (16, 16)], iterations=3)
    # Where a descent changes nothing, the bands of a pyramid add up to the whole picture.
    torch.testing.assert_close(out, start)
    torch.testing.assert_close(seen[1], resize(start, (8, 8)))
    # A start that is no finer than the first size has no detail to add.
    coarse = resize(start, (4, 4))
    out = climb(coarse, still, sizes=[(4, 4), (8, 8)], iterations=2)
    torch.testing.assert_close(out, resize(coarse, (8, 8)))


def test_a_lead_is_told_gradient_and_loss_and_makes_the_first_moves() -> None:
    told: list[tuple[Tensor, Tensor, float]] = []
    seen: list[Tensor] = []

    def lead(image: Tensor, gradient: Tensor, loss: float) -> Tensor:
        told.append((image.clone(), gradient.clone(), loss))
        return 0.2 * (GOAL - image)

    def noted(image: Tensor) -> dict[str, Tensor]:
        seen.append(image.detach().clone())
        return bowl(image)

    out = descend(START, noted, iterations=40, lead=lead)
    assert len(told) == LED
    for number, (image, gradient, loss) in enumerate(told):
        torch.testing.assert_close(image, torch.lerp(START, GOAL, 1 - 0.8**number))
        torch.testing.assert_close(gradient, 2 * SCALE * (image - GOAL))
        assert loss == pytest.approx(height(image))
        assert torch.equal(seen[number], image)
    # L-BFGS goes on from where the lead has come.
    torch.testing.assert_close(seen[LED], torch.lerp(START, GOAL, 1 - 0.8**LED))
    torch.testing.assert_close(out, GOAL, atol=1e-4, rtol=0)


def test_lbfgs_learns_from_the_moves_of_a_lead() -> None:
    # A bowl with one curvature: a move along the gradient tells where its bottom is.
    def even(image: Tensor) -> dict[str, Tensor]:
        return {"far": 3 * (image - GOAL).square().sum()}

    moves: list[Tensor] = []

    def lead(_image: Tensor, gradient: Tensor, _loss: float) -> Tensor:
        moves.append(-0.01 * gradient)
        return moves[-1]

    out = descend(START, even, iterations=LED + 2, lead=lead)
    assert len(moves) == LED
    torch.testing.assert_close(out, GOAL)


@pytest.mark.parametrize("good", [0, 2])
def test_a_move_that_leads_up_is_taken_back_and_ends_the_lead(good: int) -> None:
    calls: list[int] = []
    seen: list[Tensor] = []

    def lead(image: Tensor, _gradient: Tensor, _loss: float) -> Tensor:
        calls.append(len(calls))
        return (0.2 if calls[-1] < good else -0.5) * (GOAL - image)

    def noted(image: Tensor) -> dict[str, Tensor]:
        seen.append(image.detach().clone())
        return bowl(image)

    out = descend(START, noted, iterations=60, lead=lead)
    assert len(calls) == good + 1
    turn = torch.lerp(START, GOAL, 1 - 0.8**good)
    astray = turn - 0.5 * (GOAL - turn)
    torch.testing.assert_close(seen[good + 1], astray)
    # From where it went astray, towards the goal.
    moved = seen[good + 2] - turn
    assert (moved * (GOAL - turn)).sum() > 0
    torch.testing.assert_close(out, GOAL, atol=1e-4, rtol=0)
    assert torch.equal(descend(START, bowl, iterations=2, lead=lambda *_: START * 9), START)


def test_what_another_size_taught_is_weighed_also_after_a_lead_went_astray() -> None:
    wild = Curvature()
    wild.adopt(START)
    wild.learn(torch.full((90,), 1e4), torch.full((90,), 1e-4))
    farthest: list[float] = []

    def noted(image: Tensor) -> dict[str, Tensor]:
        farthest.append(float(image.detach().abs().max()))
        return bowl(image)

    def astray(image: Tensor, *_: object) -> Tensor:
        return 0.5 * (image - GOAL)

    out = descend(START, noted, iterations=60, known=wild, lead=astray)
    assert max(farthest) < 10
    torch.testing.assert_close(out, GOAL, atol=1e-3, rtol=0)


def test_a_lead_that_is_not_finite_is_not_followed() -> None:
    out = descend(START, bowl, iterations=60, lead=lambda x, *_: x * math.nan)
    torch.testing.assert_close(out, GOAL, atol=1e-3, rtol=0)


def test_a_climb_asks_for_a_lead_at_each_size() -> None:
    asked: list[tuple[int, int]] = []
    led: list[tuple[int, int]] = []

    def lead_at(size: tuple[int, int]):
        asked.append(size)

        def lead(image: Tensor, gradient: Tensor, _loss: float) -> Tensor:
            led.append((image.shape[2], image.shape[3]))
            return -0.01 * gradient

        return lead if size == (8, 8) else None

    sizes = [(4, 4), (8, 8)]
    climb(START, to_grey(0.2), sizes=sizes, iterations=12, lead_at=lead_at)
    assert asked == sizes
    assert set(led) == {(8, 8)}


@given(st.integers(1, 2000), st.integers(1, 8))
def test_iterations_are_split_without_loss(iterations: int, levels: int) -> None:
    shares = split(iterations, levels)
    assert len(shares) == levels
    assert min(shares) >= 1
    assert sum(shares) == max(iterations, levels)
    if iterations >= 50 * levels:
        assert shares == sorted(shares, reverse=True)


def test_a_default_run_does_not_load_the_compiler_of_torch():
    code = (
        "import sys, torch\n"
        "from impasto.optimize import descend\n"
        "x = torch.ones(1, 3, 16, 16)\n"
        "out = descend(x, lambda y: {'square': y.square().sum()}, iterations=9)\n"
        "assert float(out.abs().max()) < 1e-3\n"
        "assert 'torch._dynamo' not in sys.modules\n"
        "method = torch.optim.Optimizer.add_param_group.__wrapped__\n"
        "assert not hasattr(method, '__dynamo_disable')\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
