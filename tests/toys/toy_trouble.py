"""A toy that hangs or kills its process on pictures of a certain width.

Question     Was part of the picture altered? It cannot tell; it exists for tests.
How          A width of 101 pixels ends the process, one of 102 hangs, one of 103 is slow.
Score        Width. Unit: pixels.
Blind spots  Everything.
References   None; a toy.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from tellsign.detectors.base import Detector, detector
from tellsign.media.media import Media
from tellsign.types import Evidence, Family, Question, View


@detector(
    name="toy_trouble",
    version="1",
    family=Family.FEATURE,
    question=Question.MANIPULATED,
    needs=View.LUMA,
    unit="pixels",
    abstentions={"never": "It never abstains."},
    findings={},
)
class ToyTrouble(Detector):
    def examine(self, media: Media) -> Evidence:
        width = media.shape[1]
        if log := os.environ.get("TOY_TROUBLE_LOG"):
            with Path(log).open("a", errors="surrogateescape") as stream:
                stream.write(f"{media.source.name}\n")
        if width == 101:
            os._exit(9)
        if width == 102:
            time.sleep(600)
        if width == 103:
            time.sleep(0.3)
        return self.evidence(float(width))
