import platform
import subprocess
import sys

import pytest
import torch

from impasto.core.machine import quicken

FAULTS = """
import resource, sys, threading, torch
from impasto.core.machine import quicken
if sys.argv[1] == "quick":
    quicken()
def work():
    for _ in range(20):
        torch.ones(2**22) * 2  # Two maps of 16 MB, on new pages each time but for what is kept.
def faults():
    work()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    work()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
faults()
thread = threading.Thread(target=faults)
thread.start()
thread.join()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="tells glibc to keep memory")
def test_memory_that_is_freed_is_used_again():
    def faults(how: str) -> list[int]:
        command = [sys.executable, "-c", FAULTS, how]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return [int(line) for line in done.stdout.split()]

    # By itself glibc may learn it, from the sizes of what is freed; it need not.
    assert all(count < 1000 for count in faults("quick")), faults("plain")


def test_it_can_be_said_twice_and_denormal_numbers_are_zero():
    quicken()
    quicken()
    assert (torch.tensor(1e-40) * 1).item() == 0 or not torch.set_flush_denormal(True)
