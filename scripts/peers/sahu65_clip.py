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

from tellsign.benchmark.peer import ABSTENTIONS, PeerDetector
from tellsign.detectors.base import detector
from tellsign.types import Family, Question, View


@detector(
    name="sahu65_clip",
    version="1",
    family=Family.UNIVERSAL,
    question=Question.SYNTHETIC,
    needs=View.PIXELS,
    unit="log odds",
    abstentions=ABSTENTIONS,
    findings={},
)
class Sahu65Clip(PeerDetector):
    PYTHON = "SAHU65_PYTHON"
    CHILD = """
import sahu65
from sahu65.local import LocalDetector
peer = LocalDetector().warm()
def asked(data):
    return peer.detect_bytes(data).ai_probability
"""
