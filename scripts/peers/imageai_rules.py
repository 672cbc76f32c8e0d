"""The verdict of the package nilparadox-imageai, a peer, to be measured beside our own detectors.

Question     Was the whole picture generated?
How          Rules on the law of noise, the spectrum, resampling, screens and the colour filter
             array compete; nothing is trained. It runs in an environment of its own, whose Python
             `IMAGEAI_PYTHON` names; the bytes of the file go there through a pipe. Load with
             ``--load-detector scripts/peers/imageai_rules.py``.
Score        The confidence of its verdict where that is "externally generated", else what the
             confidence lacks of 1. As log odds. Unit: log odds, natural.
Blind spots  The package asks two of its rules to agree before it says "externally generated", and
             one alone can say it: it never does. Its child process does not count in the memory
             printed.
References   PyPI, nilparadox-imageai 0.1.0 (MIT).
"""

from __future__ import annotations

from tellsign.benchmark.peer import ABSTENTIONS, PeerDetector
from tellsign.detectors.base import detector
from tellsign.types import Family, Question, View


@detector(
    name="imageai_rules",
    version="1",
    family=Family.FEATURE,
    question=Question.SYNTHETIC,
    needs=View.PIXELS,
    unit="log odds",
    abstentions=ABSTENTIONS,
    findings={},
)
class ImageaiRules(PeerDetector):
    PYTHON = "IMAGEAI_PYTHON"
    CHILD = """
from imageai import api
def asked(data):
    verdict = api.detect_image(as_file(data))["verdict"]
    sure = verdict["confidence"]
    return sure if verdict["primary"] == "externally_generated" else 1 - sure
"""
