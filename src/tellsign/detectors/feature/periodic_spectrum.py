"""Patterns that repeat every 2, 4 or 8 pixels.

Question     Was the whole picture generated, by what enlargement inside a generator leaves?
How          Networks enlarge by factors of two and leave patterns of 2, 4 and 8 pixels [1]_ [2]_.
             Of the luma of up to 64 windows of 128 x 128 stored pixels two residuals are
             transformed: the magnitude of the cross-difference [1]_ and the difference from the
             3 x 3 median [3]_. Power at bins N/2 and N/4, their multiples and combinations is
             compared with the median around. JPEG's grid of 8 pixels has lines at all multiples of
             1/8, those of 1/4 and 1/2 among them: what the odd eighths show is taken off, and a
             line is a finding only where it rises above all of them. Nothing is trained; weights
             fitted to the ratios learned which pictures had been JPEG files before, and pointed the
             wrong way on generators not seen.
Score        Sum over the ten families of lines of the logarithm of power over surroundings, less
             that of the odd eighths, where positive. Unit: nepers of power.
Blind spots  Resizing moves the lines elsewhere, and strong JPEG compression buries them: below
             quality 50 nothing is said. Patterns of 8 pixels cannot be told from JPEG's. Cameras
             interpolate colour from a pattern of 2 pixels and leave a line at 1/2 in pictures at
             full resolution; plain enlargement by 2 or 4, half-tone and woven cloth have such lines
             too. Most diffusion models leave little: over all training groups the score ranks only
             somewhat better than chance, and in pictures of 700 pixels and more not at all
             (scripts/measure_periodic), so it is shown for its findings and enters no conclusion.
References   .. [1] Q. Bammey, "Synthbuster: towards detection of diffusion model generated images",
             IEEE Open Journal of Signal Processing 5, 2023. :DOI:`10.1109/OJSP.2023.3337714`
             .. [2] F. Marra, D. Gragnaniello, L. Verdoliva, G. Poggi, "Do GANs leave artificial
             fingerprints?", MIPR 2019. :DOI:`10.1109/MIPR.2019.00103`
             .. [3] J. Ricker, S. Damm, T. Holz, A. Fischer, "Towards the detection of diffusion
             model deepfakes", VISAPP 2024. :DOI:`10.5220/0012422000003660`
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    mean_power,
    noise_residual,
    peak_ratios,
)
from tellsign.signal.spectrum import luma
from tellsign.types import Evidence, Finding, Question, View
from tellsign.types import Family as Kind

MIN_SIDE = 192  # pixels; below, fewer than four windows stand half overlapping
MIN_QUALITY = 50  # JPEG; at 40 the scores of held-out groups carried nothing (measure_periodic)
MOST_WINDOWS = 64
LEAST_WINDOWS = 4
LEAST_DEVIATION = 1.0  # grey levels of a window
# log10 probability of a peak by chance; of 28 looked at, one in some four hundred pictures
MEANINGFUL = -4.0
ABOVE_GRID = 2.0  # a line of 1/2 or 1/4 is told where it is this much above every odd eighth


@dataclass(frozen=True, slots=True, eq=False)
class Peaks:
    """Ratios of both residuals, and how many windows they are a mean of."""

    cross: Mapping[Family, float]
    noise: Mapping[Family, float]
    windows: int

    @property
    def score(self) -> float:
        return excess(self.cross) + excess(self.noise)


@detector(
    name="periodic_spectrum",
    version="1",
    family=Kind.FEATURE,
    question=Question.SYNTHETIC,
    needs=View.PIXELS,
    unit="nepers",
    abstentions={
        "too_small": f"The picture has a side below {MIN_SIDE} pixels.",
        "strong_compression": f"JPEG quality is below {MIN_QUALITY}: its grid hides others.",
        "flat": "Too few parts of the picture have the structure that shows patterns.",
    },
    findings={
        "periodic.pattern": "A pattern of 2 or 4 pixels that the JPEG grid does not explain.",
        "periodic.grid": "A pattern of 8 pixels, as the JPEG grid leaves.",
    },
)
class PeriodicSpectrum(Detector):
    def applicable(self, media: Media) -> str | None:
        if min(media.shape) < MIN_SIDE:
            return "too_small"
        jpeg = media.facts.jpeg
        if jpeg is not None and jpeg.quality is not None and jpeg.quality < MIN_QUALITY:
            return "strong_compression"
        return None

    def examine(self, media: Media) -> Evidence:
        peaks = find_peaks(media.pixels, MOST_WINDOWS)
        if peaks is None:
            raise Abstain("flat")
        return self.evidence(peaks.score, (), [*describe_patterns(peaks), *describe_grid(peaks)])


def excess(ratios: Mapping[Family, float]) -> float:
    """Sum of the even families' log ratios above the mean log ratio of the odd ones, >= 0."""
    grid = max(0.0, float(np.mean([math.log(max(ratios[f], 1e-3)) for f in ODD])))
    return sum(max(0.0, math.log(max(ratios[f], 1e-3)) - grid) for f in EVEN)


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
