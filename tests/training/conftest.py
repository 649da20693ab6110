"""A teacher of random weights, pictures of random tiles, and how to kill a training."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from impasto.training.loop import CHECKPOINT

LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv4_2", "conv5_1")
WIDTH = 8


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    generator = torch.Generator().manual_seed(0)
    state = {
        "input.weight": 4 * torch.eye(3).view(3, 3, 1, 1),
        "input.bias": torch.full((3,), -2.0),
    }
    channels = 3
    for name in LAYERS:
        weight = torch.randn((WIDTH, channels, 3, 3), generator=generator)
        state[f"{name}.weight"] = weight * (2 / (9 * channels)) ** 0.5
        state[f"{name}.bias"] = torch.zeros(WIDTH)
        channels = WIDTH
    path = tmp_path / "teacher.safetensors"
    save_file(state, path)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(6):
        tiles = generator.integers(0, 256, (6 + number, 8, 3), dtype=np.uint8)
        picture = np.kron(tiles, np.ones((8, 8, 1), np.uint8))
        Image.fromarray(picture).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def killed():
    """Runs a command in another process until its first checkpoint, and kills it there."""
    return _killed


def _killed(command: list[str], out: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-m", "impasto", *command], env=environment)
    limit = time.monotonic() + 240
    while not (out / CHECKPOINT).exists():
        assert process.poll() is None
        assert time.monotonic() < limit
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
