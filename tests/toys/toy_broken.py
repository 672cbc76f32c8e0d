"""A toy that breaks.

Question     Was a face swapped? It cannot tell; it exists for tests.
How          Raises.
Score        None is ever given. Unit: none.
Blind spots  Everything.
References   None; a toy.
"""

from __future__ import annotations

from tellsign.detectors.base import Detector, detector
from tellsign.media.media import Media
from tellsign.types import Evidence, Family, Question, View


@detector(
    name="toy_broken",
    version="1",
    family=Family.SUPERVISED,
    question=Question.FACE,
    needs=View.PIXELS,
    unit="none",
    abstentions={"never": "It never abstains."},
    findings={},
)
class ToyBroken(Detector):
    def examine(self, media: Media) -> Evidence:
        raise ZeroDivisionError("this toy always breaks")
