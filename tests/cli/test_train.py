"""What trainings say on the command line."""

import time

from impasto.cli import train
from impasto.core.progress import Progress


def test_a_training_says_how_long_it_will_take(capsys, monkeypatch):
    clock = iter([0.0, 2.5, 4.5, 6.0])  # Two seconds a step.
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    heard = []
    tell = train._estimated(heard.append)
    events = [
        Progress("get ready", 0.0),
        *(Progress("train", n / 5000, n) for n in range(1001, 1010)),
    ]
    for event in events:
        tell(event)
    assert heard == events
    assert capsys.readouterr().err == (
        "impasto: 3,996 steps to go, about 2 h 13 min; after Ctrl-C the same command goes on\n"
    )


def test_a_short_time_is_told_in_seconds_and_minutes():
    assert [train._lasting(seconds) for seconds in (41.2, 99.0, 130.0, 3570.0, 3599.0)] == [
        "41 s",
        "99 s",
        "2 min",
        "1 h 0 min",
        "1 h 0 min",
    ]
