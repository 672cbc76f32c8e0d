"""Other people's detectors, measured beside our own: each in a Python of its own, asked by a pipe.

Their pins exclude ours, and their licences need not be ours. What a peer says reaches us as one
number; the file's bytes go to it as they are. A file in ``scripts/peers`` derives from
`PeerDetector` and is loaded with ``--load-detector``.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
from functools import cache
from typing import ClassVar, Final

from tellsign.detectors.base import Abstain, Detector
from tellsign.media.media import Media
from tellsign.types import Evidence

ABSTENTIONS: Final = {
    "no_peer": "No Python that has the package is named, or it does not start.",
    "refused": "The package refused the picture or makes no statement about it.",
}
LEAST: Final = 1e-6  # probabilities of 0 and 1 have no odds
LOOP: Final = """
import json as _json, pathlib as _pathlib, sys as _sys, tempfile as _tempfile
_out, _sys.stdout = _sys.stdout, _sys.stderr
_scratch = _tempfile.TemporaryDirectory()  # gone with this process
def as_file(data):
    is_jpeg = data.startswith(b"\\xff\\xd8")
    path = _pathlib.Path(_scratch.name) / ("picture.jpg" if is_jpeg else "picture.png")
    path.write_bytes(data)
    return str(path)
def _say(answer):
    print(_json.dumps(answer), file=_out, flush=True)
_say({"ready": True})
while _line := _sys.stdin.buffer.readline():
    _data = _sys.stdin.buffer.read(int(_line))
    try:
        _say({"p": float(asked(_data))})
    except Exception as _error:
        _say({"error": type(_error).__name__})
"""


class PeerDetector(Detector):
    """Score: the log odds (natural) of the probability that the peer states.

    `PYTHON` is the environment variable that names the peer's interpreter, `CHILD` the code that
    defines there ``asked(data: bytes) -> float``, the probability of the proposition; NaN where the
    package makes no statement. A package that wants a path calls ``as_file(data)``. The peer is
    started once for each process of ours. Its memory does not count in ours.
    """

    PYTHON: ClassVar[str]
    CHILD: ClassVar[str]

    def applicable(self, media: Media) -> str | None:
        return None if os.environ.get(self.PYTHON) else "no_peer"

    def examine(self, media: Media) -> Evidence:
        answer = _answer(_started(os.environ[self.PYTHON], self.CHILD), bytes(media.data))
        share = answer.get("p", math.nan)
        if not 0 <= share <= 1:
            raise Abstain("refused")
        share = min(max(share, LEAST), 1 - LEAST)
        return self.evidence(math.log(share / (1 - share)))


def _answer(child: subprocess.Popen[bytes], data: bytes) -> dict[str, float]:
    """What the peer says of one file. Raises Abstain where it has ended."""
    assert child.stdin is not None
    try:
        child.stdin.write(f"{len(data)}\n".encode() + data)
        child.stdin.flush()
    except OSError:
        raise Abstain("no_peer") from None
    return _next(child)


def _next(child: subprocess.Popen[bytes]) -> dict[str, float]:
    """The next line that is an object of JSON; a peer may print others while it starts."""
    assert child.stdout is not None
    for line in child.stdout:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    raise Abstain("no_peer")


@cache
def _started(python: str, code: str) -> subprocess.Popen[bytes]:
    """One child for each process of ours; it ends when its input does."""
    try:
        child = subprocess.Popen(
            [python, "-c", code + LOOP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "2"},
        )
    except OSError:
        raise Abstain("no_peer") from None
    _next(child)
    return child
