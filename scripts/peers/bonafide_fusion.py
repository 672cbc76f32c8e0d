"""The fused probability of the package bonafide, a peer, to be measured beside our own detectors.

Question     Was the whole picture generated?
How          Of a picture it reads C2PA and what the metadata state, and fuses them. It runs in an
             environment of its own, whose Python `BONAFIDE_PYTHON` names; the bytes of the file go
             there through a pipe. Load with ``--load-detector scripts/peers/bonafide_fusion.py``.
Score        The package's own probability of a generated file, as log odds; none where it abstains.
             Unit: log odds, natural.
Blind spots  Pixels: a picture without metadata gets no answer. Its child process does not count in
             the memory printed.
References   PyPI, bonafide 0.0.2 (MIT).
"""

from __future__ import annotations

from tellsign.benchmark.peer import ABSTENTIONS, PeerDetector
from tellsign.detectors.base import detector
from tellsign.types import Family, Question, View


@detector(
    name="bonafide_fusion",
    version="1",
    family=Family.FEATURE,
    question=Question.SYNTHETIC,
    needs=View.PIXELS,
    unit="log odds",
    abstentions=ABSTENTIONS,
    findings={},
)
class BonafideFusion(PeerDetector):
    PYTHON = "BONAFIDE_PYTHON"
    CHILD = """
import bonafide
def asked(data):
    verdict = bonafide.detect_file(as_file(data))
    return float("nan") if verdict.decision is bonafide.Decision.ABSTAIN else verdict.p_ai
"""
