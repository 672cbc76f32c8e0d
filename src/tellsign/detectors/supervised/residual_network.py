"""Network fine-tuned with blur and JPEG (Wang et al.'s recipe on a small backbone).

Question     Was the whole picture generated?
How          A network trained on ImageNet is fine-tuned to tell generated pictures from
             photographs, both blurred and recompressed at random while training, which is what
             lets it hold for generators it never saw [1]_. The backbone is EfficientNet-Lite0 [2]_
             instead of a ResNet-50: seven times smaller. Training uses many generators instead of
             one, each as often as every other. Up to six native crops of 224 pixels are read.
Score        Mean logit over the crops; larger = more support for a generated picture. Its zero
             has no meaning before calibration. Unit: logits.
Blind spots  Generators and photographs unlike those trained on. Content plays a part: a network
             this size also learns what generated pictures tend to show. Pictures below 128 pixels
             are not read.
References   .. [1] S.-Y. Wang et al., "CNN-generated images are surprisingly easy to spot... for
             now", CVPR 2020. :DOI:`10.1109/CVPR42600.2020.00872`
             .. [2] M. Tan, Q. V. Le, "EfficientNet: rethinking model scaling for convolutional
             neural networks", ICML 2019. arXiv:1905.11946
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
    name="residual_network",
    version="1",
    family=Family.SUPERVISED,
    question=Question.SYNTHETIC,
    needs=View.PIXELS,
    unit="logits",
    artifact="residual_network@1",
    abstentions={
        "too_small": f"The picture has a side below {MIN_SIDE} pixels.",
        "no_artifact": "The trained network is not installed.",
    },
    findings={
        "residual_network.crop": "The crop that the network takes most for a generated one.",
    },
)
class ResidualNetwork(BatchedDetector):
    MICRO_BATCH = 2

    @cached_property
    def _artifact(self) -> Artifact | None:
        found = Store.default().get("residual_network", "1")
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
        "residual_network.crop",
        f"{of} of {where.width} x {where.height} pixels at ({where.x}, {where.y}) resembles "
        f"the generated pictures of the training most: logit {logit:.2f}, on average {mean:.2f}.",
        where,
        {"logit": logit, "mean": mean, "crops": count},
    )
