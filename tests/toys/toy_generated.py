"""Mean of the red channel, a toy.

Question     Was the whole picture generated? It cannot tell; it exists for tests.
How          Mean of the red channel.
Score        Mean red. Unit: grey levels.
Blind spots  Everything.
References   None; a toy.
"""

from __future__ import annotations

from tellsign.detectors.base import Detector, detector
from tellsign.media.media import Media
from tellsign.types import Evidence, Family, Question, View


@detector(
    name="toy_generated",
    version="1",
    family=Family.FEATURE,
    question=Question.SYNTHETIC,
    needs=View.PIXELS,
    unit="grey levels",
    abstentions={"blue": "The picture is blue."},
    findings={},
)
class ToyGenerated(Detector):
    def applicable(self, media: Media) -> str | None:
        means = media.pixels.reshape(-1, 3).mean(axis=0)
        return "blue" if means[2] > means[:2].max() + 100 else None

    def examine(self, media: Media) -> Evidence:
        return self.evidence(float(media.pixels[..., 0].mean()))
