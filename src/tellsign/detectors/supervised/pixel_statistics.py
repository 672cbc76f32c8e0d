"""Noise statistics of patches.

Question     Was the whole picture generated, by the statistics of its noise?
How          Computer graphics lack the noise of a sensor, which shows in simple statistics of small
             patches [1]_. Up to 25 patches of 100 x 100 stored pixels are filtered by fixed
             differences of luma and of colour against green; each output is pooled to mean,
             variance, minimum and maximum and to a soft histogram of 11 bins, as in [1]_, where the
             filters are learned instead. A network of one hidden layer judges each patch. The
             picture's score is a weighted vote: patches count by the share of their pixels that are
             neither clipped nor equal to what surrounds them.
Score        Weighted mean over the patches of the network's logit; positive where noise is more
             like that of generated pictures in training. Unit: logits, not calibrated.
Blind spots  What the noise shows is mostly how a picture was processed: JPEG compression, resizing,
             noise reduction in a telephone, a film's grain, added noise. Trained on pictures of
             generators, not on rendered scenes as in [1]_. Where a photograph was strongly
             compressed or reduced its noise is gone, and the score says little. Blends of both are
             judged by the larger part; see the map.
References   .. [1] N. Rahmouni, V. Nozick, J. Yamagishi, I. Echizen, "Distinguishing computer
             graphics from natural images using convolution neural networks", WIFS 2017.
             :DOI:`10.1109/WIFS.2017.8267647`
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tellsign.detectors.base import Abstain, detector
from tellsign.detectors.installed import MODEL, NOT_INSTALLED, InstalledDetector
from tellsign.media.media import Media
from tellsign.nn.runtime import Network, network
from tellsign.nn.views import LOG_ODDS, crop_map, crops
from tellsign.signal import patch_statistics as statistics
from tellsign.types import Evidence, Family, Finding, Question, View

NAME, VERSION = "pixel_statistics", "1"
COUNT = 25  # patches; also the fixed batch of the network
LEAST_ACTIVITY = 0.1  # share of pixels that carry noise, below which a patch has no vote

Floats = NDArray[np.float32]


@detector(
    name=NAME,
    version=VERSION,
    family=Family.SUPERVISED,
    question=Question.SYNTHETIC,
    needs=View.PIXELS,
    unit="logits",
    artifact=f"{NAME}@{VERSION}",
    abstentions={
        "too_small": f"The picture has a side below {statistics.SIDE} pixels.",
        "flat": "No part of the picture has noise to judge.",
        **NOT_INSTALLED,
    },
    findings={
        "noise.votes": "How many patches have noise more like that of generated pictures.",
    },
)
class PixelStatistics(InstalledDetector):
    def applicable(self, media: Media) -> str | None:
        return "too_small" if min(media.shape) < statistics.SIDE else super().applicable(media)

    def examine(self, media: Media) -> Evidence:
        patches, corners = crops(media.pixels, statistics.SIDE, COUNT)
        weights = votes(patches)
        if not weights.any():
            raise Abstain("flat")
        patches, corners, weights = patches[weights > 0], corners[weights > 0], weights[weights > 0]
        logits = judge(patches, network(self.needed.path(MODEL)))
        score = float(np.average(logits, weights=weights))
        patch_map = crop_map(logits, corners, statistics.SIDE, media.shape, LOG_ODDS)
        return self.evidence(score, [patch_map], [describe(logits, weights)])


def votes(patches: NDArray[np.uint8]) -> Floats:
    """(k,) weight of each patch: its activity, 0 below `LEAST_ACTIVITY`."""
    active = statistics.activity(patches)
    return np.where(active >= LEAST_ACTIVITY, active, np.float32(0.0)).astype(np.float32)


def judge(patches: NDArray[np.uint8], net: Network) -> Floats:
    """(k,) logits of k <= `COUNT` patches of 100 x 100, in a batch of constant size."""
    batch = np.zeros((COUNT, statistics.FEATURES), np.float32)
    batch[: len(patches)] = statistics.features(patches)
    return net.run(batch)[: len(patches), 0]


def describe(logits: Floats, weights: Floats) -> Finding:
    count = int((logits > 0).sum())
    share = float(weights[logits > 0].sum() / weights.sum())
    return Finding(
        "noise.votes",
        f"{count} of {len(logits)} patches ({share:.0%} by weight) have noise more like that of "
        "generated pictures than like that of photographs in training.",
        None,
        {"patches": len(logits), "votes": count, "share": round(share, 4)},
    )
