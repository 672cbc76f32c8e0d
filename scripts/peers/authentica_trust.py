"""The trust score of the package authentica, a peer, to be measured beside our own detectors.

Question     Was the whole picture generated?
How          Rules on error levels, noise and frequencies, watermarks and C2PA, added up; nothing is
             trained. It runs in an environment of its own, whose Python `AUTHENTICA_PYTHON` names;
             the bytes of the file go there through a pipe. Load with ``--load-detector
             scripts/peers/authentica_trust.py``.
Score        What its trust score lacks of 100, as a share, taken for a probability: the package
             calls the score one of authenticity, and names no other figure for generation. As log
             odds. Unit: log odds, natural.
Blind spots  Those of the package; its child process does not count in the memory printed.
References   PyPI, authentica 0.2.2 (MIT).
"""

from __future__ import annotations

from tellsign.benchmark.peer import ABSTENTIONS, PeerDetector
from tellsign.detectors.base import detector
from tellsign.types import Family, Question, View


@detector(
    name="authentica_trust",
    version="1",
    family=Family.FEATURE,
    question=Question.SYNTHETIC,
    needs=View.PIXELS,
    unit="log odds",
    abstentions=ABSTENTIONS,
    findings={},
)
class AuthenticaTrust(PeerDetector):
    PYTHON = "AUTHENTICA_PYTHON"
    CHILD = """
import authentica
def asked(data):
    return 1 - authentica.scan(as_file(data)).trust_score / 100
"""
