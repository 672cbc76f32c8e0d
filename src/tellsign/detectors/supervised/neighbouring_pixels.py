"""Differences of neighbouring pixels (up-sampling residual network).

Question     Was the whole picture generated?
How          Generators end in up-sampling layers, which tie pixels of a cell of 2 x 2 to each
             other [1]_. A small network sees only the differences of each pixel to its neighbours
             at distances of one and two pixels, never the picture itself. Unlike [1]_ it takes no
             corner of the cell as the reference: features are rectified and averaged over all
             phases, so that a cropped row does not matter. Trained on crops of many generators,
             on photographs, and on photographs that went through autoencoders beside the very
             same photographs, all compressed and resized alike. Up to six native crops of 224
             pixels are read.
Score        Mean logit over the crops; larger = more support for a generated picture. Its zero
             has no meaning before calibration. Unit: logits.
Blind spots  Resizing and strong compression wipe the traces out; photographs that were enlarged or
             went through neural super-resolution have them too; generators that do not up-sample
             in pixel space leave few. Pictures below 128 pixels are not read.
References   .. [1] C. Tan et al., "Rethinking the up-sampling operations in CNN-based generative
             network for generalizable deepfake detection", CVPR 2024.
             :DOI:`10.1109/CVPR52733.2024.02657`
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tellsign.artifacts.store import Artifact, Store
from tellsign.detectors.base import BatchedDetector, detector
from tellsign.media.media import Media
from tellsign.nn.cells import cell_map, crop_box, network_input
from tellsign.nn.views import corners, crops
from tellsign.types import ArtifactRef, Box, Evidence, Family, Finding, Question, View

SIDE = 224  # pixels of a crop
MOST_CROPS = 6
MIN_SIDE = 128  # pixels; below, most of a crop would be reflection
MODEL = "model.onnx"


@detector(
    name="neighbouring_pixels",
    version="1",
    family=Family.SUPERVISED,
    question=Question.SYNTHETIC,
    needs=View.PIXELS,
    unit="logits",
    artifact="neighbouring_pixels@1",
    abstentions={
        "too_small": f"The picture has a side below {MIN_SIDE} pixels.",
        "no_artifact": "The trained network is not installed.",
    },
    findings={
        "neighbouring_pixels.crop": "The crop whose neighbouring pixels resemble those of "
        "generators most.",
    },
)
class NeighbouringPixels(BatchedDetector):
    MICRO_BATCH = 2

    @cached_property
    def _artifact(self) -> Artifact | None:
        found = Store.default().get("neighbouring_pixels", "1")
        return found if found is not None and found.holds(MODEL) else None

    def artifact_ref(self) -> ArtifactRef | None:
        found = self._artifact
        return ArtifactRef(found.card.name, found.card.version, found.sha256) if found else None

    def applicable(self, media: Media) -> str | None:
        if min(media.shape) < MIN_SIDE:
            return "too_small"
        return "no_artifact" if self._artifact is None else None

    def prepare(self, media: Media) -> NDArray[np.float32]:
        return network_input(crops(media.pixels, SIDE, MOST_CROPS)[0])

    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        from tellsign.nn.runtime import network

        assert self._artifact is not None  # `applicable` came first
        return network(self._artifact.path(MODEL)).run(batch)

    def interpret(self, out: NDArray[np.float32], media: Media) -> Evidence:
        places = corners(media.shape, SIDE, MOST_CROPS)
        logits = out.mean(axis=(1, 2), dtype=np.float64)
        best = int(logits.argmax())
        where = crop_box(places[best], SIDE, media.shape)
        told = describe(where, float(logits[best]), float(logits.mean()), len(logits))
        shown = cell_map(out, places, SIDE, media.shape)
        return self.evidence(float(logits.mean()), [shown], [told])


def describe(where: Box, logit: float, mean: float, count: int) -> Finding:
    of = f"Of {count} crops, the one" if count > 1 else "The crop"
    return Finding(
        "neighbouring_pixels.crop",
        f"{of} of {where.width} x {where.height} pixels at ({where.x}, {where.y}) has differences "
        f"between neighbouring pixels that resemble those of generators most: logit {logit:.2f}, "
        f"on average {mean:.2f}.",
        where,
        {"logit": logit, "mean": mean, "crops": count},
    )
