"""The rules of the package minosse, a peer, to be measured beside our own detectors.

Question     Was the whole picture generated?
How          Three rules on ringing around edges, noise in flat areas and noise that dies out before
             the highest frequencies, with thresholds that the package ships; nothing is trained. It
             runs in an environment of its own, whose Python `MINOSSE_PYTHON` names; the bytes of
             the file go there through a pipe. Load with ``--load-detector
             scripts/peers/minosse_rules.py``.
Score        The package's own score, 0, 0.75 or 1 by the rules that hold, as log odds: mostly ties.
             Unit: log odds, natural.
Blind spots  Those of the package; its child process does not count in the memory printed.
References   PyPI, minosse 0.1.0 (MIT).
"""

from __future__ import annotations

from tellsign.benchmark.peer import ABSTENTIONS, PeerDetector
from tellsign.detectors.base import detector
from tellsign.types import Family, Question, View


@detector(
    name="minosse_rules",
    version="1",
    family=Family.FEATURE,
    question=Question.SYNTHETIC,
    needs=View.PIXELS,
    unit="log odds",
    abstentions=ABSTENTIONS,
    findings={},
)
class MinosseRules(PeerDetector):
    PYTHON = "MINOSSE_PYTHON"
    CHILD = """
import io
import minosse
def asked(data):
    return minosse.analyze_path(io.BytesIO(data)).score
"""
