"""Mean brightness, a toy.

Question     Was part of the picture altered? It cannot tell; it exists for tests.
How          Mean of the luma.
Score        Mean luma. Unit: grey levels.
Blind spots  Everything.
References   None; a toy.
"""

from __future__ import annotations

from tellsign.detectors.base import Detector, detector
from tellsign.media.media import Media
from tellsign.types import Box, Evidence, Family, Finding, Question, View


@detector(
    name="toy_brightness",
    version="1",
    family=Family.FEATURE,
    question=Question.MANIPULATED,
    needs=View.LUMA,
    unit="grey levels",
    abstentions={"too_small": "The picture is smaller than 16 pixels."},
    findings={"toy.bright": "The picture is bright."},
)
class ToyBrightness(Detector):
    def applicable(self, media: Media) -> str | None:
        return "too_small" if min(media.shape) < 16 else None

    def examine(self, media: Media) -> Evidence:
        mean = float(media.luma.mean())
        findings = (
            [Finding("toy.bright", f"Mean {mean:.0f}.", Box(0, 0, 8, 8))] if mean > 99 else []
        )
        return self.evidence(mean, findings=findings)
