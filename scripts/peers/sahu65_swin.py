"""The transformer of an earlier release of the package sahu65, a peer, measured beside our own.

Question     Was the whole picture generated?
How          A Swin transformer trained to tell pictures of SDXL, int8, as the package ships it. It
             runs in an environment of its own, whose Python `SAHU65_SWIN_PYTHON` names; the file's
             bytes go there through a pipe. Load with ``--load-detector
             scripts/peers/sahu65_swin.py``.
Score        The package's own probability of a generated picture, as log odds. Unit: log odds,
             natural.
Blind spots  Those of the package; its child process does not count in the memory printed. Its
             weights may not be used commercially: nothing of it is part of this project.
References   PyPI, sahu65 1.0.12 (code MIT, weights CC-BY-NC-3.0).
"""

from __future__ import annotations

from tellsign.benchmark.peer import ABSTENTIONS, PeerDetector
from tellsign.detectors.base import detector
from tellsign.types import Family, Question, View


@detector(
    name="sahu65_swin",
    version="1",
    family=Family.SUPERVISED,
    question=Question.SYNTHETIC,
    needs=View.PIXELS,
    unit="log odds",
    abstentions=ABSTENTIONS,
    findings={},
)
class Sahu65Swin(PeerDetector):
    PYTHON = "SAHU65_SWIN_PYTHON"
    CHILD = """
import sahu65
from sahu65.local import LocalDetector
peer = LocalDetector().warm()
def asked(data):
    return peer.detect_bytes(data).ai_probability
"""
