"""Keep C libraries from writing to the user's terminal, and read what they said."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from threading import RLock
from typing import TypeVar

T = TypeVar("T")

_lock = RLock()


def quietly(call: Callable[[], T], known: re.Pattern[bytes]) -> tuple[T, bytes]:
    """Run `call` with file descriptor 2 redirected; returns its result and the first known line.

    Libraries such as libjpeg print warnings there and offer no other way to learn of them. The
    descriptor belongs to the whole process, so calls take turns, and lines that match nothing
    `known` (another thread's) are passed on afterwards.
    """
    with _lock, tempfile.TemporaryFile() as file:
        try:
            saved = os.dup(2)
        except OSError:  # a daemon without stderr: nothing can leak
            return call(), b""
        os.dup2(file.fileno(), 2)
        try:
            result = call()
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            file.seek(0)
            lines = file.read().splitlines(keepends=True)
            foreign = b"".join(line for line in lines if not known.match(line))
            if foreign:
                os.write(2, foreign)
    return result, next((line.strip() for line in lines if known.match(line)), b"")
