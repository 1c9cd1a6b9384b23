"""Freed memory is returned to the system."""

import gc
import subprocess
import sys

import pytest

from vos.storage.memory import without_collector

PROGRAM = """
import gc, re
from pathlib import Path
from vos.storage.memory import give_back_memory

def held():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

blocks = [(bytearray(b"x" * 100_000), bytearray(b"y" * 1_000)) for _ in range(2_000)]
few = [small for _, small in blocks]  # what is kept lies between what is freed
del blocks
gc.collect()
before = held()
give_back_memory()
print(before - held())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_lies_between_what_is_kept_is_given_back():
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    assert int(done.stdout) > 100_000  # KiB of the 195,000


def fails_without_collector():
    with without_collector():
        with without_collector():
            pass
        assert not gc.isenabled()  # the inner block does not end the outer one's pause
        raise ValueError("x")


def test_the_collector_is_paused_and_left_as_it_was():
    with pytest.raises(ValueError, match="x"):
        fails_without_collector()
    assert gc.isenabled()
    gc.disable()
    try:
        with without_collector():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
