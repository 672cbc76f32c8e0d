"""Fingerprint of the generator, from averaged residuals.

Question     Which family of generators do the traces in this picture's noise resemble most? It
             names a source; whether the picture was generated at all is another question.
How          The noise residual of every known family, averaged over many of its pictures, is its
             fingerprint [1]_; a picture is compared by normalised correlation. In pixels that needs
             pictures of one size that nobody cropped, so here the comparison is of the residual's
             power spectrum, whitened by that of pristine photographs: their mean is subtracted,
             or faces, cameras and JPEG would be taken for the generator. The set is open: a family
             is named only above the level that the artifact states for pristine pictures.
Score        Normalised correlation with the nearest fingerprint, -1 to 1.
Blind spots  Most pictures of known families come out as unknown once they were cropped and saved as
             JPEG, and pictures of the same model from another source nearly all: the card has the
             shares. Families without a fingerprint can be called by a relative's name. Resizing
             moves every frequency; smooth pictures carry little. A pristine picture sharpened,
             enlarged or denoised by software can resemble a generator. Part of a fingerprint is how
             its few sources stored their pictures.
References   .. [1] Marra et al., IEEE MIPR (2019). :DOI:`10.1109/MIPR.2019.00103`
             .. [2] Yu et al., IEEE ICCV (2019). :DOI:`10.1109/ICCV.2019.00765`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tellsign.artifacts.store import Artifact
from tellsign.detectors.base import Abstain, detector
from tellsign.detectors.installed import NO_ARTIFACT, InstalledDetector
from tellsign.media.media import Media
from tellsign.types import Evidence, Family, Finding, Question, View

if TYPE_CHECKING:
    from tellsign.signal.fingerprint import Fingerprints

NAME, VERSION = "generator_fingerprint", "1"
HEAD = "head.json"
CROP = 256  # pixels; as in the bank that the fingerprints were made from
CROPS = 4  # bounds the time; all four take some 6 ms
LEAST_SIDE = 128  # pixels, one window of the spectrum
LEAST_RESIDUAL = 0.05  # mean absolute level; below, the residual is rounding and holds no trace
RANKED = 3  # families in the finding


@detector(
    name=NAME,
    version=VERSION,
    family=Family.UNIVERSAL,
    question=Question.SOURCE,
    needs=View.PIXELS,
    unit="correlation",
    abstentions={
        "too_small": "The picture has fewer than 128 x 128 pixels.",
        "flat": "The picture is too flat to carry a residual.",
        NO_ARTIFACT: "The fingerprints of generators are not installed.",
    },
    findings={
        "source.generator.resembles": "The residual resembles a known family of generators.",
        "source.generator.unknown": "The residual resembles no known family of generators.",
    },
    artifact=f"{NAME}@{VERSION}",
)
class GeneratorFingerprint(InstalledDetector):
    FILES = (HEAD,)

    def applicable(self, media: Media) -> str | None:
        return "too_small" if min(media.shape) < LEAST_SIDE else super().applicable(media)

    def examine(self, media: Media) -> Evidence:
        prints, level = _head(self.needed)
        features = picture_features(media.pixels)
        if features is None:
            raise Abstain("flat")
        correlations = prints.correlations(features[None])[0]
        findings = tuple(ranking(prints, correlations, level))
        return self.evidence(float(correlations.max()), findings=findings)


def picture_features(pixels: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """Mean spectrum of the residual over native crops, (d,), or None for a flat picture."""
    from tellsign.nn.views import crops
    from tellsign.signal.fingerprint import grey_residual, spectral_features

    cut, _ = crops(pixels, CROP, CROPS)
    if float(np.abs(grey_residual(cut)).mean()) < LEAST_RESIDUAL:
        return None
    return np.asarray(spectral_features(cut).mean(axis=0), np.float32)


def ranking(
    prints: Fingerprints, correlations: NDArray[np.float32], level: float
) -> Iterator[Finding]:
    """One finding: the nearest families in order, or that even the nearest is not near.

    `level` is the percentile of pristine pictures that the artifact wants exceeded.
    """
    order = np.argsort(-correlations, kind="stable")[:RANKED]
    told = [(prints.names[i], float(correlations[i])) for i in order]
    percentile = prints.percentile(int(order[0]), told[0][1])
    values: dict[str, float | str] = {"percentile": round(percentile, 1)}
    for place, (name, correlation) in enumerate(told, 1):
        values[f"family_{place}"] = name
        values[f"correlation_{place}"] = round(correlation, 3)
    words = f"{told[0][0]} (correlation {told[0][1]:.2f}, above {percentile:.0f} % of photographs)"
    if percentile > level:
        others = ", ".join(f"{name} ({correlation:.2f})" for name, correlation in told[1:])
        text = f"The noise residual is nearest to that of {words}"
        text += f"; next come {others}." if others else "."
        yield Finding("source.generator.resembles", text, values=values)
    else:
        text = f"The noise residual is near that of no known generator family; nearest: {words}."
        yield Finding("source.generator.unknown", text, values=values)


@cache
def _head(found: Artifact) -> tuple[Fingerprints, float]:
    from tellsign.signal.fingerprint import Fingerprints

    head = found.json(HEAD)
    return Fingerprints.from_dict(head), float(head["open_set_percentile"])
