import numpy as np
import pytest

from impasto.jobs.perform import Run, perform
from impasto.jobs.prepared import Prepared
from impasto.jobs.spec import Job


def content(seed: int, *, height: int = 30, width: int = 48) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


STYLE = np.full((20, 20, 3), 200, np.uint8)


def made(job: Job, prepared: Prepared):
    run = Run(job, prepared=prepared)
    run.begin()
    return run.made()


def preparations(seen: list) -> int:
    return sum(isinstance(entry, tuple) for entry in seen)


def test_contents_of_a_batch_share_what_is_prepared(tint):
    prepared = Prepared()
    jobs = [Job(content(seed), [(STYLE, 1.0)], "tint") for seed in range(3)]
    together = [made(job, prepared) for job in jobs]
    assert preparations(tint) == 1
    for job, out in zip(jobs, together, strict=True):
        assert (perform(job) == out).all()


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"options": {"strength": 0.25}},
        {"styles": [(STYLE, 2.0)]},
        {"styles": [(STYLE.copy(), 1.0)]},
        {"content": content(0, height=300, width=200)},
    ],
)
def test_what_differs_is_prepared_anew(tint, other):
    job = Job(content(0), [(STYLE, 1.0)], "tint")
    prepared = Prepared()
    made(job, prepared)
    changed = Job(**{**vars(job), **other})
    assert (made(changed, prepared) == perform(changed)).all()
    assert preparations(tint) == 3


def test_only_the_latest_are_kept(tint):
    prepared = Prepared(most=2)
    jobs = [Job(content(0), [(STYLE, 1.0)], "tint", seed=seed) for seed in range(3)]
    for job in [*jobs, jobs[2], jobs[1], jobs[0]]:
        made(job, prepared)
    assert preparations(tint) == 4
