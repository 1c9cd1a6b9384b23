"""A real pseudo-terminal of 80 columns, and the visible text on it after a program has ended."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import sys
import termios
import threading

from tests.conftest import ROOT

COLUMNS = 80

PARTS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b.|\r|\n|[^\x1b\r\n]", re.DOTALL)


class Terminal:
    """The two ends of a pseudo-terminal; what is written to one is read from the other as it comes."""

    def __init__(self):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, COLUMNS, 0, 0))
        self._bytes = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with contextlib.suppress(OSError):  # the other end is closed
            while part := os.read(self.master, 65536):
                self._bytes += part

    def close(self):
        os.close(self.slave)
        self._reader.join(30)
        os.close(self.master)

    @property
    def written(self):
        return self._bytes.decode("utf-8", "replace")


@contextlib.contextmanager
def on_terminal(monkeypatch, **environment):
    """Let this process print to a terminal of its own; gives what it wrote once the block has ended."""
    terminal = Terminal()
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"TERM": "xterm-256color", "COLUMNS": str(COLUMNS)} | environment).items():
        monkeypatch.setenv(name, value)
    with open(terminal.slave, "w", buffering=1, encoding="utf-8", closefd=False) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        try:
            yield terminal
        finally:
            stream.flush()
            monkeypatch.undo()
            terminal.close()


def run_on_terminal(*command, cwd, **environment):
    """Run `python COMMAND` on a terminal; gives its exit code and all that it wrote."""
    surroundings = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    surroundings |= {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT), "WANDB_MODE": "offline"} | environment
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execvpe(sys.executable, [sys.executable, *map(str, command)], surroundings)  # noqa: S606
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 30, COLUMNS, 0, 0))
    written = bytearray()
    with contextlib.suppress(OSError):
        while part := os.read(master, 65536):
            written += part
    _, status = os.waitpid(pid, 0)
    os.close(master)
    return os.waitstatus_to_exitcode(status), written.decode("utf-8", "replace")


def screen(written, columns=COLUMNS):
    """The lines that are left on an endless screen, as a terminal shows them: it breaks what is too wide."""
    lines, row, column = [""], 0, 0
    for part in PARTS.findall(written.replace("\r\n", "\n")):
        if part == "\n":
            row, column = row + 1, 0
        elif part == "\r":
            column = 0
        elif part.startswith("\x1b"):
            if part.endswith("A"):
                row -= int(part[2:-1] or 1)
            elif part.endswith("K"):
                lines[row] = "" if part == "\x1b[2K" else lines[row][:column]
        else:
            if column == columns:
                row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
            lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + 1 :]
            column += 1
        lines += [""] * (row + 1 - len(lines))
    return [line.rstrip() for line in lines]


def printed(written):
    """The lines as they were printed last, whatever the width of the terminal: a bar's earlier states are gone."""
    return screen(written, columns=10**6)


def too_wide(written):
    """Lines wider than the terminal that are more than one whole path with its name, or one word of a command."""
    return [
        line for line in printed(written) if len(line) > COLUMNS and not re.fullmatch(r"\S+: \S+|\s*\S+( \\)?", line)
    ]
