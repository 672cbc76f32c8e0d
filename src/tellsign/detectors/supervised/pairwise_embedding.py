"""Patch embedding learnt from pairs, with a classifier and its nearest generators.

Question     Was the whole picture generated?
How          Up to 48 patches of 64 x 64 pixels at native resolution go through the first blocks
             of EfficientNet-Lite0 [2]_. They were first trained on pairs of patches: those of one
             class are drawn together, those of two classes pushed apart by a margin (contrastive
             loss); then a classifier on the same features was trained with cross-entropy [1]_. A
             pair's label is made of the labels of its own two patches. Beside the score, the mean
             embedding of the patches is compared with the mean embedding of each generator in
             training.
Score        Mean over the patches of the log odds of "generated" under equal numbers of both
             classes. Unit: log odds, natural. The map shows them patch by patch.
Blind spots  Generators unlike those in training. Patches of 64 pixels show texture, not things:
             resizing and strong compression take most of what is looked at, and smooth or
             out-of-focus areas say little. Large pictures are sampled, not covered. Nearest
             generators are a likeness to training pictures under this network, which was trained
             to bring all generators together; they do not say which model made a picture, and
             a photograph has nearest generators too.
References   .. [1] C.-C. Hsu, C.-Y. Lee, Y.-X. Zhuang, "Learning to detect fake face images in the
             wild", IS3C 2018. :DOI:`10.1109/IS3C.2018.00104`
             .. [2] M. Tan, Q. Le, "EfficientNet: rethinking model scaling for convolutional neural
             networks", ICML 2019. :DOI:`10.48550/arXiv.1905.11946`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tellsign.artifacts.store import Artifact
from tellsign.detectors.base import Abstain, BatchedDetector, detector
from tellsign.detectors.installed import MODEL, NOT_INSTALLED, InstalledDetector
from tellsign.media.media import Media
from tellsign.nn import views
from tellsign.nn.cells import network_input
from tellsign.types import Evidence, Family, Finding, Question, Scalar, View

NAME, VERSION = "pairwise_embedding", "1"
SIDE = 64  # pixels, [1]_
PATCHES = 48  # at most; what two cores do in about a tenth of a second
NEAREST = 3  # groups that are named
GROUPS = "groups.json"
PHOTOGRAPHS = "photographs"  # the pristine entry of GROUPS


@detector(
    name=NAME,
    version=VERSION,
    family=Family.SUPERVISED,
    question=Question.SYNTHETIC,
    needs=View.PIXELS,
    unit="log odds",
    artifact=f"{NAME}@{VERSION}",
    abstentions={
        "too_small": f"The shorter side has fewer than {SIDE} pixels.",
        "flat": "The picture is flat: there is nothing to embed.",
        **NOT_INSTALLED,
    },
    findings={
        "pairwise.nearest": "The generators in training whose pictures are most alike: a likeness, "
        "no attribution.",
    },
)
class PairwiseEmbedding(InstalledDetector, BatchedDetector):
    # The last bits of a matrix product depend on a row's place in its batch.
    MICRO_BATCH = 1
    FILES = (MODEL, GROUPS)

    def applicable(self, media: Media) -> str | None:
        return "too_small" if min(media.shape) < SIDE else super().applicable(media)

    def prepare(self, media: Media) -> NDArray[np.float32]:
        pixels = media.pixels
        if int(pixels.max()) - int(pixels.min()) < 2:
            raise Abstain("flat")
        return network_input(views.crops(pixels, SIDE, PATCHES)[0])

    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """(1, 3, 64, 64) in 0..255 -> (1, 1 + size): logit, then embedding."""
        from tellsign.nn.runtime import network

        return network(self.needed.path(MODEL)).run(batch)

    def interpret(self, out: NDArray[np.float32], media: Media) -> Evidence:
        logits, embeddings = out[:, 0].astype(np.float64), out[:, 1:]
        corners = views.corners(media.shape, SIDE, PATCHES)
        found = views.crop_map(logits, corners, SIDE, media.shape, views.LOG_ODDS)
        near = distances(embeddings, _groups(self.needed))
        return self.evidence(float(logits.mean()), [found], [describe(near)])


def distances(
    embeddings: NDArray[np.float32], groups: Mapping[str, NDArray[np.float64]]
) -> dict[str, float]:
    """Group -> Euclidean distance of its mean from the mean of the rows of (k, size)."""
    centre = embeddings.mean(axis=0, dtype=np.float64)
    return {name: float(np.linalg.norm(mean - centre)) for name, mean in groups.items()}


def describe(near: Mapping[str, float]) -> Finding:
    """The nearest generators, nearest first, and how far photographs lie."""
    generators = sorted((d, name) for name, d in near.items() if name != PHOTOGRAPHS)
    nearest = generators[:NEAREST]
    values: dict[str, Scalar] = {"generators": len(generators), PHOTOGRAPHS: near[PHOTOGRAPHS]}
    for place, (distance, name) in enumerate(nearest, 1):
        values[f"group_{place}"], values[f"distance_{place}"] = name, distance
    return Finding(
        "pairwise.nearest",
        f"Of {len(generators)} groups of generated pictures in training, the patches are most like "
        f"{_listed([f'{name} (distance {distance:.2f})' for distance, name in nearest])}; "
        f"photographs in training lie at {near[PHOTOGRAPHS]:.2f}. This is likeness, not "
        "attribution: nothing here says which model made the picture, or that one did.",
        None,
        values,
    )


def _listed(items: Sequence[str]) -> str:
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


@cache
def _groups(found: Artifact) -> dict[str, NDArray[np.float64]]:
    stored = found.json(GROUPS)
    return {name: np.array(mean, np.float64) for name, mean in stored.items()}
