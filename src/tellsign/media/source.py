"""Path, bytes or stream in, `Source` out: hashed once, and nothing but a regular file is opened."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import BinaryIO

from tellsign.errors import LimitExceeded, UnreadableSource
from tellsign.media.limits import DEFAULT_LIMITS, Limits
from tellsign.types import Source

_CHUNK = 1024 * 1024

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def from_path(path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS) -> Source:
    """Hash a regular file without loading it.

    Raises UnreadableSource (missing, no regular file, no permission, empty) and LimitExceeded
    (over `limits.max_bytes`, from its size alone).
    """
    name = os.fspath(path)
    with open_regular(name) as stream:
        size = os.fstat(stream.fileno()).st_size
        check_size(size, name, limits)
        digest, read = hashlib.sha256(), 0
        try:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                read += len(chunk)
                check_size(read, name, limits)
        except OSError as error:
            raise UnreadableSource(f"{name}: {_reason(error)}") from error
    if read == 0:
        raise UnreadableSource(f"{name}: the file is empty")
    return Source(name, read, digest.hexdigest(), str(Path(name).absolute()))


def from_bytes(data: bytes, name: str = "bytes", limits: Limits = DEFAULT_LIMITS) -> Source:
    """Wrap bytes in memory. Raises UnreadableSource when empty, LimitExceeded when too large."""
    if not data:
        raise UnreadableSource(f"{name}: there are no bytes")
    check_size(len(data), name, limits)
    return Source(name, len(data), hashlib.sha256(data).hexdigest(), bytes(data))


def from_stream(stream: BinaryIO, name: str = "stdin", limits: Limits = DEFAULT_LIMITS) -> Source:
    """Read a stream to its end, but never more than `limits.max_bytes` and one chunk."""
    parts: list[bytes] = []
    read = 0
    try:
        while chunk := stream.read(_CHUNK):
            parts.append(chunk)
            read += len(chunk)
            if read > limits.max_bytes:
                raise LimitExceeded(
                    f"{name}: more than {limits.max_bytes} bytes, the limit for one input"
                )
    except OSError as error:
        raise UnreadableSource(f"{name}: {_reason(error)}") from error
    return from_bytes(b"".join(parts), name, limits)


def open_regular(name: str) -> BinaryIO:
    """Open a regular file for reading, never blocking on a pipe or touching a device."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0)
    try:
        _require_regular(name, os.stat(name).st_mode)  # noqa: PTH116 (path may hold any bytes)
        descriptor = os.open(name, flags)
    except (OSError, ValueError) as error:
        raise UnreadableSource(f"{name}: {_reason(error)}") from error
    try:
        _require_regular(name, os.fstat(descriptor).st_mode)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _require_regular(name: str, mode: int) -> None:
    if not stat.S_ISREG(mode):
        what = next((words for test, words in _KINDS if test(mode)), "no regular file")
        raise UnreadableSource(f"{name}: is {what}, not a file")


def check_size(size: int, name: str, limits: Limits) -> None:
    """Raise LimitExceeded for an input of too many bytes."""
    if size > limits.max_bytes:
        raise LimitExceeded(f"{name}: {size} bytes, over the limit of {limits.max_bytes}")


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return "not a usable path"
