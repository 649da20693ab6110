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


GAPS = """
import sys, torch
from pathlib import Path
from impasto.core.machine import quicken, tidy
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) // 256
quicken()
before = resident()
# Of 1.2 GB every other 2 MB stay: what is freed lies between them.
pieces = [torch.ones(2**19) for _ in range(600)]
kept = pieces[::2]
del pieces
if sys.argv[1] == "tidy":
    tidy()
print(resident() - before)
assert all(bool((piece == 1).all()) for piece in kept)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="asks glibc to give memory back")
def test_what_is_freed_between_pieces_in_use_is_given_back_if_it_is_much():
    def megabytes(how: str) -> int:
        command = [sys.executable, "-c", GAPS, how]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert megabytes("tidy") < 700 < 1100 < megabytes("not")


def test_it_can_be_said_twice_and_denormal_numbers_are_zero():
    quicken()
    quicken()
    assert (torch.tensor(1e-40) * 1).item() == 0 or not torch.set_flush_denormal(True)
