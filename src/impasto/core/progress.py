"""What a long run says while it runs: frozen events, handed to a function that the caller gives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """One step of a run.

    Attributes:
        stage: what is being done, a few words.
        done: fraction of the whole work that is behind us, 0 to 1, by its cost, not by its steps.
        step: steps made in all stages so far.
        size: height and width at which this step worked, in pixels.
        losses: name to weighted value of every term, and `total`; empty where there is no loss.
        image: gives the picture so far, (1, 3, h, w) in [0, 1], if called; costs a copy.
    """

    stage: str
    done: float
    step: int = 0
    size: tuple[int, int] = (0, 0)
    losses: dict[str, float] | None = None
    image: Callable[[], Any] | None = None


Report = Callable[[Progress], None]
"""Is called after each step. It may raise to stop the run."""


def silent(progress: Progress) -> None:
    """A report that says nothing."""
