"""The network of the package prnu, a peer, to be measured beside our own detectors.

Question     Was the whole picture generated?
How          A ResNet-18 over the noise residual of a crop of 512 pixels, as the package ships it.
             It runs in an environment of its own, whose Python `PRNU_PYTHON` names, because its
             licence excludes ours; the file's bytes go there through a pipe. Load with
             ``--load-detector scripts/peers/prnu_resnet.py``.
Score        The package's own probability of a generated picture, as log odds. Unit: log odds,
             natural.
Blind spots  Those of the package, which refuses pictures with a side below 512 pixels; its child
             process does not count in the memory printed.
References   PyPI, prnu 0.1.0 (GPL-3.0): nothing of it is part of this project.
"""

from __future__ import annotations

from tellsign.benchmark.peer import ABSTENTIONS, PeerDetector
from tellsign.detectors.base import detector
from tellsign.types import Family, Question, View


@detector(
    name="prnu_resnet",
    version="1",
    family=Family.SUPERVISED,
    question=Question.SYNTHETIC,
    needs=View.PIXELS,
    unit="log odds",
    abstentions=ABSTENTIONS,
    findings={},
)
class PrnuResnet(PeerDetector):
    PYTHON = "PRNU_PYTHON"
    CHILD = """
from prnu import ai_predictor
model = ai_predictor.Model()
model.load()
def asked(data):
    return model.predict(as_file(data))
"""
