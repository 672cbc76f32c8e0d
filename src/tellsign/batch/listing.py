"""Which sources there are: a folder walked to its leaves or a list read line by line, lazily.

Names are bytes, as the file system has them; a name need not be UTF-8.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from tellsign.errors import InputError, UsageError
from tellsign.media import from_path
from tellsign.media.limits import Limits
from tellsign.types import Source, Unopened

# A list of paths holds no NUL; a picture given by mistake has one among its first bytes.
_SNIFF = 4096


@dataclass(frozen=True)
class Listing:
    """The names of one run: iterate it as often as needed (standard input only once).

    Parameters
    ----------
    target
        A folder, a file with one path per line, or ``-`` for such a list on standard input.
    skipped
        Absolute paths inside a folder that are the run's own files.
    """

    target: str
    skipped: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.target != "-" and not os.path.exists(self.target):  # noqa: PTH110 (any bytes)
            raise UsageError(f"{self.target}: no such folder or list")

    @property
    def is_folder(self) -> bool:
        return self.target != "-" and os.path.isdir(self.target)  # noqa: PTH112

    def __iter__(self) -> Iterator[bytes]:
        if self.is_folder:
            return _walk(self.target, self.skipped)
        return _lines(self.target)


def opened(name: bytes, limits: Limits) -> Source | Unopened:
    """Hash a file; one that cannot be read becomes an `Unopened` and gets its rows all the same."""
    path = os.fsdecode(name)
    try:
        return from_path(path, limits)
    except InputError as error:
        return Unopened(path, error)


def _walk(folder: str, skipped: frozenset[str]) -> Iterator[bytes]:
    """Every entry below `folder` that is no folder, in no fixed order, one at a time.

    Links to folders are not followed. They, pipes, devices and folders that cannot be listed are
    yielded: nothing is left out in silence, and opening them says what they are.
    """
    try:
        stack = [os.scandir(folder)]
    except OSError as error:
        raise UsageError(f"{folder}: the folder cannot be read: {error.strerror}") from error
    try:
        while stack:
            entry = next(stack[-1], None)
            if entry is None:
                stack.pop().close()
            elif os.path.abspath(entry.path) in skipped:  # noqa: PTH100
                continue
            elif not entry.is_dir(follow_symlinks=False):
                yield os.fsencode(entry.path)
            else:
                try:
                    stack.append(os.scandir(entry.path))
                except OSError:
                    yield os.fsencode(entry.path)
    finally:
        for handle in stack:
            handle.close()


def _lines(target: str) -> Iterator[bytes]:
    """One path per line; empty lines are skipped, a CR before the line end is dropped."""
    if target == "-":
        yield from _paths(sys.stdin.buffer)
        return
    try:
        with open(target, "rb") as stream:  # noqa: PTH123
            if b"\0" in stream.read(_SNIFF):
                raise UsageError(f"{target}: is not a list of paths, one per line")
            stream.seek(0)
            yield from _paths(stream)
    except OSError as error:
        raise UsageError(f"{target}: the list cannot be read: {error.strerror}") from error


def _paths(stream: BinaryIO) -> Iterator[bytes]:
    for line in stream:
        if name := line.removesuffix(b"\n").removesuffix(b"\r"):
            yield name
