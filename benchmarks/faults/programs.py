"""The programs in forked processes, which can be killed at a chosen operation, limited, or obstructed.

A process is forked from this one, which has imported the libraries and computed nothing: importing writes nothing, and
takes longer than the rest of such a small run.
"""

from __future__ import annotations

import importlib
import mmap
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WARM = (
    *("vos.cli.main", "vos.cli.train", "vos.cli.synthesize", "vos.cli.atlas", "vos.cli.preflight", "vos.cli.labels"),
    *("vos.cli.train_builders", "vos.training.plots", "vos.atlas.producers", "vos.synthesis.synthesize"),
    *("vos.labeling.backends", "vos.generation.language_model", "vos.cli.simulate", "vos.generation.text_generator"),
    *("sklearn.linear_model", "matplotlib.pyplot", "pandas", "vos.cli.verify", "vos.loop.send"),
    *("transformers.models.bert.modeling_bert", "transformers.models.llama.modeling_llama", "vos.mining.batch"),
)
"""What every process would import."""

WRITES = ("w", "a", "x", "+")

OPERATIONS = (
    *("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.utime", "shutil.copyfile"),
    *("sqlite3.connect", "socket.connect"),
)
"""What counts as progress of a process, beside opening a file to write to it."""

TRACE = re.compile(r"^Traceback \(most recent call last\)|^--- Logging error ---", re.MULTILINE)

LIMIT = 300.0
"""Seconds after which a process hangs."""


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        code: its exit code; None where it was killed.
        said: what it printed.
        steps: operations on files and sockets that it had begun.
        seconds: that it took.
        hung: it had to be ended after `LIMIT` seconds.
    """

    code: int | None
    said: str
    steps: int
    seconds: float
    hung: bool = False

    @property
    def traces(self) -> int:
        """How many stack traces a person would have seen."""
        return len(TRACE.findall(self.said))

    @property
    def told(self) -> bool:
        """Whether it ended with 2 and one line that says why."""
        return self.code == 2 and self.line is not None and not self.traces

    @property
    def line(self) -> str | None:
        """The one line that says what went wrong; None where there is not one."""
        found = [line for line in self.said.splitlines() if line.startswith("error: ")]
        return found[0] if len(found) == 1 else None


@dataclass(frozen=True)
class Instant:
    """When something happens to a process.

    Attributes:
        step: before this operation of its own, 0 is the first; None goes by the clock.
        seconds: after its start.
        there: before the first operation that finds this file there, instead of either.
        action: what happens at a step, in the process itself; None kills it.
    """

    step: int | None = None
    seconds: float = 0.0
    there: Path | None = None
    action: Callable[[], None] | None = None

    @property
    def by_clock(self) -> bool:
        """Whether it is the clock that says when."""
        return self.step is None and self.there is None

    def is_now(self, step: int) -> bool:
        """Whether it is before this operation."""
        return self.there.exists() if self.there is not None else self.step == step


def warm_up() -> None:
    """Import what the programs import."""
    os.environ |= {"TOKENIZERS_PARALLELISM": "false", "WANDB_MODE": "offline", "OMP_NUM_THREADS": "1"}
    for name in WARM:
        importlib.import_module(name)


def program(
    arguments: Sequence[str],
    folder: Path,
    *,
    at: Instant | None = None,
    before: Callable[[], None] | None = None,
    environment: Mapping[str, str] | None = None,
    limit: float = LIMIT,
) -> Ended:
    """Run `python -m vos ARGUMENTS` in a folder, to its end or to an instant.

    Args:
        arguments: of the command line.
        folder: where it runs; paths in it are relative.
        at: when it is killed, or what else happens then.
        before: done in the process before it begins, such as a limit on memory.
        environment: further variables.
        limit: seconds after which it hangs.
    """

    def job() -> None:
        os.environ.update(environment or {})
        from vos.cli.main import main

        main(list(arguments))

    return forked(job, folder, at=at, before=before, limit=limit)


def forked(
    job: Callable[[], object],
    folder: Path,
    *,
    at: Instant | None = None,
    before: Callable[[], None] | None = None,
    limit: float = LIMIT,
) -> Ended:
    """Run a function in a forked process, as `program` does."""
    folder.mkdir(parents=True, exist_ok=True)
    counter = mmap.mmap(-1, 8)
    reader, writer = os.pipe()  # a pipe, as limits on files and full disks are no matter of it
    sys.stdout.flush()
    sys.stderr.flush()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _be_child(job, folder, writer, counter, at, before)
    os.close(writer)
    os.set_blocking(reader, False)
    said: list[bytes] = []
    by_clock = at is not None and at.by_clock
    end = began + (at.seconds if at is not None and by_clock else limit)
    status = _wait(child, end, reader, said)
    hung = status is None and not by_clock
    if status is None:
        _kill_group(child)
        _, status = os.waitpid(child, 0)
    _kill_group(child)
    code = os.waitstatus_to_exitcode(status)
    _drain(reader, said)
    os.close(reader)
    steps = int.from_bytes(counter[:8], "little")
    text = b"".join(said).decode("utf-8", "replace")
    return Ended(None if code < 0 else code, text, steps, time.monotonic() - began, hung)


def _kill_group(child: int) -> None:
    try:
        os.killpg(child, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _drain(reader: int, said: list[bytes]) -> None:
    """Take what is in a pipe."""
    try:
        while part := os.read(reader, 1 << 16):
            said.append(part)
    except BlockingIOError:
        return


def _wait(child: int, end: float, reader: int, said: list[bytes]) -> int | None:
    """Exit status; None where it still runs at the end."""
    pause = 0.0005
    while time.monotonic() < end:
        _drain(reader, said)
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(min(pause, max(0.0, end - time.monotonic())))
        pause = min(pause * 1.5, 0.02)
    return None


def _be_child(
    job: Callable[[], object],
    folder: Path,
    output: int,
    counter: mmap.mmap,
    at: Instant | None,
    before: Callable[[], None] | None,
) -> None:
    """What the forked process does; it never returns."""
    code = 1
    try:
        os.setsid()
        for number in (1, 2):
            os.dup2(output, number)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", 1, closefd=False) for number in (1, 2))
        os.chdir(folder)
        sys.addaudithook(_Steps(folder, counter, at))
        if before is not None:
            before()
        job()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        _flush()
        os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue


class _Steps:
    """Audit hook: counts operations, and lets something happen at one of them."""

    def __init__(self, folder: Path, counter: mmap.mmap, at: Instant | None) -> None:
        self.inside, self.counter, self.at, self.busy = f"{folder}/", counter, at, False
        self.n, self.done = 0, False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.busy or not (event in OPERATIONS or (event == "open" and self._writes(arguments))):
            return
        self.busy = True
        if self.at is not None and not self.done and self.at.is_now(self.n):
            self.done = True
            if self.at.action is None:
                os.kill(os.getpid(), signal.SIGKILL)
            else:
                self.at.action()
        self.busy = False
        self.n += 1
        self.counter[:8] = self.n.to_bytes(8, "little")

    def _writes(self, arguments: tuple[Any, ...]) -> bool:
        path, mode, flags = arguments
        if not isinstance(path, str) or (path.startswith("/") and not path.startswith(self.inside)):
            return False
        if isinstance(mode, str):
            return any(sign in mode for sign in WRITES)
        return bool(flags & (os.O_WRONLY | os.O_RDWR))
