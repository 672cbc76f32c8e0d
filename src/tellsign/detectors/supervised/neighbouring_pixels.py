"""Differences of neighbouring pixels (up-sampling residual network).

Question     Was the whole picture generated?
How          Generators end in up-sampling layers, which tie pixels of a cell of 2 x 2 to each
             other [1]_. A small network sees only the differences of each pixel to its neighbours
             at distances of one and two pixels, never the picture itself. Unlike [1]_ it takes no
             corner of the cell as the reference: features are rectified and averaged over all
             phases, so that a cropped row does not matter. Trained on crops of many generators,
             on photographs, and on photographs that went through autoencoders beside the very
             same photographs, all compressed and resized alike. Up to four native crops of 224
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

from tellsign.detectors.base import detector
from tellsign.detectors.crop_network import ABSTENTIONS, CropNetwork
from tellsign.types import Family, Question, View


@detector(
    name="neighbouring_pixels",
    version="1",
    family=Family.SUPERVISED,
    question=Question.SYNTHETIC,
    needs=View.PIXELS,
    unit="logits",
    artifact="neighbouring_pixels@1",
    abstentions=ABSTENTIONS,
    findings={
        "neighbouring_pixels.crop": "The crop whose neighbouring pixels resemble those of "
        "generators most.",
    },
)
class NeighbouringPixels(CropNetwork):
    def sentence(self, crop: str, numbers: str) -> str:
        return (
            f"{crop} has differences between neighbouring pixels that resemble those of generators "
            f"most: {numbers}."
        )
