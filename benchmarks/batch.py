"""Folders: how near a batch comes to the speed of its method, and whether kills leave a trace."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow
from skimage import data

from benchmarks.speed import THREADS
from impasto.core.contract import Frame, Style
from impasto.core.machine import quicken
from impasto.jobs.batch import Item, carry_all
from impasto.jobs.spec import Job
from impasto.media.image import read
from impasto.methods.adain import AdaIN

PICTURES, SIDE = 24, 1024
"""Of the batch that is timed."""
MANY, SMALL, KILLS = 500, 64, 5
"""Of the batch that is killed."""


def batch() -> dict[str, object]:
    """Drafts of 24 photographs of 1024 px, against the same stylizer on tensors alone."""
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = _photos(folder / "in", PICTURES, SIDE)
        style = folder / "style.png"
        Pillow.fromarray(data.immunohistochemistry()).save(style)
        own = _own(photos, style)
        items = [
            Item(
                Job(photo, [(style, 1.0)], "auto", options={"quality": "draft"}),
                folder / "out" / photo.name,
            )
            for photo in photos
        ]
        times = [time.perf_counter()]
        for outcome in carry_all(items):
            assert outcome.state == "painted", outcome.reason
            times.append(time.perf_counter())
        # The first waits for the networks.
        each = (times[-1] - times[1]) / (PICTURES - 1)
        return {
            "pictures": PICTURES,
            "side": SIDE,
            "method_s": own,
            "batch_s": each,
            "share_of_the_methods_speed": own / each,
        }


def _own(photos: Iterable[Path], style: Path) -> float:
    """Mean seconds of the method for a picture in memory."""
    quicken()
    stylizer = AdaIN().prepare([Style(read(style))], generator=torch.Generator().manual_seed(0))
    frames = [Frame(read(photo)) for photo in photos]
    stylizer(frames[0])
    begin = time.perf_counter()
    for frame in frames:
        stylizer(frame)
    return (time.perf_counter() - begin) / len(frames)


def killed() -> dict[str, object]:
    """A folder of 500 pictures, killed five times on the way, against an unbroken run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _photos(folder / "in", MANY, SMALL)
        _run(folder, "whole").wait()
        made = []
        for kill in range(KILLS):
            running = _run(folder, "broken")
            while len(_made(folder / "broken")) < (kill + 1) * MANY // (KILLS + 1):
                assert running.poll() is None
                time.sleep(0.01)
            running.send_signal(signal.SIGKILL)
            running.wait()
            made.append(len(_made(folder / "broken")))
        left = [path.name for path in (folder / "broken").iterdir() if path.name.startswith(".")]
        assert _run(folder, "broken").wait() == 0
        whole, broken = (_digests(folder / run) for run in ("whole", "broken"))
        return {
            "pictures": len(whole),
            "made_at_each_kill": made,
            "parts_left_by_kills": len(left),
            "equal_bytes": sum(whole[name] == broken.get(name) for name in whole),
            "files": len(list((folder / "broken").iterdir())),
        }


def _photos(folder: Path, count: int, side: int) -> list[Path]:
    """Different crops of one photograph, 4 : 3, as JPEG."""
    folder.mkdir()
    photo, rng = Pillow.fromarray(data.astronaut()), np.random.default_rng(0)
    paths = [folder / f"{number:03d}.jpg" for number in range(count)]
    for path in paths:
        left, top = (int(place) for place in rng.integers(0, 112, 2))
        box = (left, top, left + 400, top + 300)
        photo.resize((side, side * 3 // 4), box=box).save(path, quality=92)
    return paths


def _run(folder: Path, out: str) -> "subprocess.Popen[bytes]":
    words = ["stylize", "in", "--style", ":swirl", "--quality", "draft", "-o", out, "--quiet"]
    return subprocess.Popen(
        [sys.executable, "-m", "impasto", *words],
        cwd=folder,
        env=os.environ | THREADS,
        stdout=subprocess.DEVNULL,
    )


def _made(folder: Path) -> list[Path]:
    return list(folder.glob("[0-9]*.jpg"))


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in _made(folder)}
