"""A network-like toy: crops through a matrix product.

Question     Was the whole picture generated? It cannot tell; it exists for tests.
How          Sixteen crops of 16 x 16 pixels times a fixed random matrix.
Score        Mean of the products. Unit: arbitrary.
Blind spots  Everything.
References   None; a toy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tellsign.detectors.base import BatchedDetector, detector
from tellsign.media.media import Media
from tellsign.types import Evidence, Family, Question, View

WEIGHTS = np.random.default_rng(0).normal(size=(256, 512)).astype(np.float32)


@detector(
    name="toy_network",
    version="1",
    family=Family.UNIVERSAL,
    question=Question.SYNTHETIC,
    needs=View.LUMA,
    unit="arbitrary",
    abstentions={"too_small": "The picture is smaller than 64 pixels."},
    findings={},
)
class ToyNetwork(BatchedDetector):
    def applicable(self, media: Media) -> str | None:
        return "too_small" if min(media.shape) < 64 else None

    def prepare(self, media: Media) -> NDArray[np.float32]:
        # A number of crops that depends on the picture, so that batches never align.
        count = 3 + media.shape[1] % 5
        crops = [media.luma[i : i + 16, i : i + 16].reshape(-1) for i in range(count)]
        return np.stack(crops).astype(np.float32) / 255

    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        assert len(batch) == self.MICRO_BATCH
        return batch @ WEIGHTS

    def interpret(self, out: NDArray[np.float32], media: Media) -> Evidence:
        if media.luma[0, 0] == 13:
            raise ValueError("thirteen")
        return self.evidence(float(out.mean()))
