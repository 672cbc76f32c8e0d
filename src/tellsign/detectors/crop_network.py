"""Networks that give a logit for every cell of a few native crops: all but their words."""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tellsign.detectors.base import BatchedDetector
from tellsign.detectors.installed import MODEL, NOT_INSTALLED, InstalledDetector
from tellsign.media.media import Media
from tellsign.nn.cells import cell_map, crop_box, network_input
from tellsign.nn.views import corners, crops
from tellsign.types import Box, Evidence, Finding

SIDE: Final = 224  # pixels of a crop
MOST_CROPS: Final = 4
MIN_SIDE: Final = 128  # pixels; below, most of a crop would be reflection
ABSTENTIONS: Final = {
    "too_small": f"The picture has a side below {MIN_SIDE} pixels.",
    **NOT_INSTALLED,
}


class CropNetwork(InstalledDetector, BatchedDetector):
    """The score is the mean logit over the crops; the finding `<name>.crop` is of the largest."""

    MICRO_BATCH = 2

    def applicable(self, media: Media) -> str | None:
        return "too_small" if min(media.shape) < MIN_SIDE else super().applicable(media)

    def prepare(self, media: Media) -> NDArray[np.float32]:
        return network_input(crops(media.pixels, SIDE, MOST_CROPS)[0])

    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """(2, 3, 224, 224) in 0..255 -> (2, g, g) logits of cells."""
        from tellsign.nn.runtime import network

        return network(self.needed.path(MODEL)).run(batch)

    def interpret(self, out: NDArray[np.float32], media: Media) -> Evidence:
        places = corners(media.shape, SIDE, MOST_CROPS)
        logits = out.mean(axis=(1, 2), dtype=np.float64)
        best = int(logits.argmax())
        where = crop_box(places[best], SIDE, media.shape)
        told = self.describe(where, float(logits[best]), float(logits.mean()), len(logits))
        shown = cell_map(out, places, SIDE, media.shape)
        return self.evidence(float(logits.mean()), [shown], [told])

    def describe(self, where: Box, logit: float, mean: float, count: int) -> Finding:
        of = f"Of {count} crops, the one" if count > 1 else "The crop"
        crop = f"{of} of {where.width} x {where.height} pixels at ({where.x}, {where.y})"
        text = self.sentence(crop, f"logit {logit:.2f}, on average {mean:.2f}")
        values = {"logit": logit, "mean": mean, "crops": count}
        return Finding(f"{self.info.name}.crop", text, where, values)

    @abstractmethod
    def sentence(self, crop: str, numbers: str) -> str:
        """What is seen in `crop`, which begins the sentence; `numbers` belong at its end."""
