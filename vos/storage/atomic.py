"""Atomically written text files, and reading their lines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vos.errors import DataError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Context with a temporary path to write to; on success its file replaces `path`, after an error it is removed.

    Readers see either the old file or the complete new one. Several processes may write the same file.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder, replacing(Path(folder) / "a.txt") as partial:
        ...     written = partial.write_text("whole")
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_atomically(path: Path, content: str) -> None:
    """Write `content` as UTF-8 and sync it to disk; readers see either the old file or the complete new one.

    Raises:
        DataError: the disk is full or the folder is not writable; the old file is untouched.
    """
    try:
        with (
            replacing(path) as partial,
            partial.open("w", encoding="utf-8", errors="surrogatepass", newline="") as file,
        ):
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise DataError(f"{path} was not written, what was there before is untouched: {error}") from error


def read_utf8(path: Path) -> str:
    """Content of a UTF-8 file, without a byte order mark.

    Raises:
        DataError: the file is missing or not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig", "surrogatepass")
    except (OSError, UnicodeError) as error:
        raise DataError(f"{path}: expected a UTF-8 text file: {error}") from error


def numbered_lines(path: Path) -> list[tuple[int, str]]:
    """The non-blank lines of a UTF-8 file with their numbers.

    Only a line feed ends a line: `str.splitlines` would also split at U+2028, which may occur in a text.
    """
    return [(number, line) for number, line in enumerate(read_utf8(path).split("\n"), 1) if line.strip()]
