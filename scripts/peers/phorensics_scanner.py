"""The scanner of the package phorensics, a peer, to be measured beside our own detectors.

Question     Was the whole picture generated?
How          Outlying patches in error levels, noise and chroma, repeated key points and the slope
             of the spectrum, added up by fixed weights; nothing is trained. It runs in an
             environment of its own, whose Python `PHORENSICS_PYTHON` names; the bytes of the file
             go there through a pipe. Load with ``--load-detector
             scripts/peers/phorensics_scanner.py``.
Score        The package's own probability of a fake, per cent over 100, as log odds. Unit: log
             odds, natural.
Blind spots  Those of the package, which calls altered and generated pictures fake alike; its child
             process does not count in the memory printed.
References   PyPI, phorensics 0.1.1 (MIT by its classifier).
"""

from __future__ import annotations

from tellsign.benchmark.peer import ABSTENTIONS, PeerDetector
from tellsign.detectors.base import detector
from tellsign.types import Family, Question, View


@detector(
    name="phorensics_scanner",
    version="1",
    family=Family.FEATURE,
    question=Question.SYNTHETIC,
    needs=View.PIXELS,
    unit="log odds",
    abstentions=ABSTENTIONS,
    findings={},
)
class PhorensicsScanner(PeerDetector):
    PYTHON = "PHORENSICS_PYTHON"
    CHILD = """
from phorensics import engine
def asked(data):
    found = engine.ImageScanner(as_file(data), force_cpu=True).analyze()
    return float(found["Fake_Prob"]) / 100
"""
