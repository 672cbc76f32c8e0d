"""Patterns that repeat every 2, 4 or 8 pixels.

Question     Was the whole picture generated, by what enlargement inside a generator leaves?
How          Networks enlarge by factors of two and leave patterns of 2, 4 and 8 pixels [1]_ [2]_.
             Of the luma of up to 64 windows of 128 x 128 stored pixels two residuals are
             transformed: the magnitude of the cross-difference [1]_ and the difference from the
             3 x 3 median [3]_. Power at bins N/2, N/4, N/8, their multiples and combinations is
             compared with the median around. JPEG's grid of 8 pixels has lines at all multiples of
             1/8, so those of 1/2 and 1/4 count as a finding only where they rise above the odd
             eighths. 28 fitted weights and a bias turn the ratios into a score; with them the odd
             eighths can speak against the grid.
Score        Logit of the fitted weights on the logarithms of the ratios. Unit: logits, not
             calibrated.
Blind spots  Resizing moves the lines elsewhere, and JPEG below quality 80 or so buries them.
             Cameras interpolate colour from a pattern of 2 pixels and leave a line at 1/2 in
             pictures at full resolution; plain enlargement by 2 or 4, half-tone and woven cloth
             have such lines too. Recent generators leave little. Pictures below 192 pixels have
             too few windows.
References   .. [1] Q. Bammey, "Synthbuster: towards detection of diffusion model generated images",
             IEEE Open Journal of Signal Processing 5, 2023. :DOI:`10.1109/OJSP.2023.3337714`
             .. [2] F. Marra, D. Gragnaniello, L. Verdoliva, G. Poggi, "Do GANs leave artificial
             fingerprints?", MIPR 2019. :DOI:`10.1109/MIPR.2019.00103`
             .. [3] J. Ricker, S. Damm, T. Holz, A. Fischer, "Towards the detection of diffusion
             model deepfakes", VISAPP 2024. :DOI:`10.5220/0012422000003660`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellsign.artifacts.store import Artifact, Store
from tellsign.detectors.base import Abstain, Detector, detector
from tellsign.media.media import Media
from tellsign.nn.views import crops
from tellsign.signal.periodic_peaks import (
    EVEN,
    MARGIN,
    ODD,
    SIDE,
    Family,
    cross_difference,
    log10_tail,
    log_ratios,
    mean_power,
    noise_residual,
    peak_ratios,
)
from tellsign.signal.spectrum import luma
from tellsign.types import ArtifactRef, Evidence, Finding, Question, View
from tellsign.types import Family as Kind

NAME, VERSION = "periodic_spectrum", "1"
MIN_SIDE = 192  # pixels; below, fewer than four windows stand half overlapping
MOST_WINDOWS = 64
LEAST_WINDOWS = 4
LEAST_DEVIATION = 1.0  # grey levels of a window
# log10 probability of a peak by chance; 28 are looked at, so one picture in four hundred
MEANINGFUL = -4.0
ABOVE_GRID = 2.0  # a line of 1/2 or 1/4 is told where it is this much above every odd eighth

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Peaks:
    """Ratios of both residuals, and how many windows they are a mean of."""

    cross: Mapping[Family, float]
    noise: Mapping[Family, float]
    windows: int

    @property
    def features(self) -> Floats:
        """(28,) float32."""
        return np.concatenate([log_ratios(dict(self.cross)), log_ratios(dict(self.noise))])


@detector(
    name=NAME,
    version=VERSION,
    family=Kind.FEATURE,
    question=Question.SYNTHETIC,
    needs=View.PIXELS,
    unit="logits",
    artifact=f"{NAME}@{VERSION}",
    abstentions={
        "no_artifact": "The fitted weights are not installed.",
        "too_small": f"The picture has a side below {MIN_SIDE} pixels.",
        "flat": "Too few parts of the picture have the structure that shows patterns.",
    },
    findings={
        "periodic.pattern": "A pattern of 2 or 4 pixels that the JPEG grid does not explain.",
        "periodic.grid": "A pattern of 8 pixels, as the JPEG grid leaves.",
    },
)
class PeriodicSpectrum(Detector):
    def artifact_ref(self) -> ArtifactRef | None:
        found = artifact()
        return ArtifactRef(NAME, VERSION, found.sha256) if found else None

    def applicable(self, media: Media) -> str | None:
        if min(media.shape) < MIN_SIDE:
            return "too_small"
        return None if artifact() else "no_artifact"

    def examine(self, media: Media) -> Evidence:
        found = artifact()
        assert found is not None  # `applicable` asked
        peaks = find_peaks(media.pixels, MOST_WINDOWS)
        if peaks is None:
            raise Abstain("flat")
        weights, bias = read_weights(found.path("head.json"))
        score = float(peaks.features @ weights) + bias
        return self.evidence(score, (), [*describe_patterns(peaks), *describe_grid(peaks)])


def artifact() -> Artifact | None:
    return Store.default().get(NAME, VERSION)


@cache
def read_weights(path: Path) -> tuple[Floats, float]:
    import json

    raw = json.loads(path.read_text("utf-8"))
    return np.array(raw["weights"], np.float32), float(raw["bias"])


def find_peaks(pixels: NDArray[np.uint8], most: int) -> Peaks | None:
    """Peaks of (H, W, 3) pixels from up to `most` windows; None where too few vary."""
    cut, _ = crops(pixels, SIDE + 2 * MARGIN, most)
    grey = luma(cut)
    grey = grey[grey.std(axis=(1, 2)) >= LEAST_DEVIATION]
    if len(grey) < LEAST_WINDOWS:
        return None
    cross = peak_ratios(mean_power(cross_difference(grey)))
    noise = peak_ratios(mean_power(noise_residual(grey)))
    return Peaks(cross, noise, len(grey))


def describe_patterns(peaks: Peaks) -> list[Finding]:
    """The strongest line of 1/2 and 1/4 in each residual that no odd eighth comes near."""
    told = []
    for name, ratios in (("cross-difference", peaks.cross), ("noise residual", peaks.noise)):
        grid = max(ratios[f] for f in ODD)
        best = max(EVEN, key=lambda f: ratios[f])
        ratio = ratios[best]
        if ratio > ABOVE_GRID * grid and log10_tail(ratio, peaks.windows) < MEANINGFUL:
            period = 2 if best[0] in (0, 4) and best[1] == 4 else 4
            told.append(
                Finding(
                    "periodic.pattern",
                    f"The {name} repeats every {period} pixels: at ({best[0] / 8:g}, "
                    f"{best[1] / 8:g}) cycles per pixel it has {ratio:.1f} times the power around, "
                    f"at the odd multiples of 1/8, where a JPEG grid would show, at most "
                    f"{grid:.1f} times. Enlargement inside a generator leaves this; so do a "
                    "camera's colour interpolation and plain enlargement.",
                    None,
                    {"ratio": ratio, "grid": grid, "period": period, "windows": peaks.windows},
                )
            )
    return told


def describe_grid(peaks: Peaks) -> list[Finding]:
    best = max(ODD, key=lambda f: peaks.cross[f])
    ratio = peaks.cross[best]
    if log10_tail(ratio, peaks.windows) >= MEANINGFUL:
        return []
    return [
        Finding(
            "periodic.grid",
            f"The cross-difference repeats every 8 pixels ({ratio:.1f} times the power around at "
            f"({best[0] / 8:g}, {best[1] / 8:g}) cycles per pixel), as after JPEG compression.",
            None,
            {"ratio": ratio, "windows": peaks.windows},
        )
    ]
