"""Several processes that train one network together, each on crops of its own.

`torchrun` starts them and tells each its place by the environment. Their gradients are averaged, so
that N processes learn from batches N times as large. Only the first writes files.
"""

import os
from collections.abc import Iterable

import torch
from torch import distributed, nn


def rank() -> int:
    """The place of this process among those that train together, from 0."""
    return int(os.environ.get("RANK", "0"))


def count() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def join(device: torch.device) -> torch.device:
    """Meet the other processes, if there are any; the device for this one."""
    if count() == 1:
        return device
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    if device.type == "cuda":
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return device


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Give every process the mean of all gradients."""
    if count() == 1:
        return
    for parameter in parameters:
        if parameter.grad is not None:
            distributed.all_reduce(parameter.grad)
            parameter.grad /= count()


def draw_apart(generator: torch.Generator, *, step: int) -> None:
    """Let all processes but the first draw other crops than it; the same ones for a step again."""
    if rank():
        generator.manual_seed(step * count() + rank())
