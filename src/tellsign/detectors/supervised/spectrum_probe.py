"""Spectra of whole crops: log-DCT, log-Fourier and radial power.

Question     Was the whole picture generated, by the balance of its frequencies?
How          Up to 16 crops of 128 x 128 stored pixels, never resized, are each looked at in four
             ways, after the papers: the log-DCT of the whole crop with a ridge probe and with a
             small convolutional network [1]_; the log-Fourier spectrum of its grey 64 x 64 quarters
             with logistic regression [2]_; the mean power on circles with logistic regression on
             levels and squared levels [3]_, so that too much counts like too little. The papers
             call for either sign: many GANs leave an excess of high frequencies [1]_, diffusion
             models a deficit [2]_. A logistic regression joins the four.
Score        Mean over the crops of the joined logit; positive where spectra are more like those of
             generated pictures in training. Unit: logits, not calibrated.
Blind spots  The spectrum shows processing at least as much as generation: resizing, sharpening,
             blur, noise and JPEG compression move it, and each is easily applied on purpose. In
             distribution such probes reach nearly 100 %; on generators never seen they are weak
             and can point the wrong way (see the card for each). How far a picture was reduced for
             the web shows in its spectrum too, and photographs are mostly reduced further. Crops
             below a deviation of one grey level are left out.
References   .. [1] J. Frank, T. Eisenhofer, L. Schönherr, A. Fischer, D. Kolossa, T. Holz,
             "Leveraging frequency analysis for deep fake image recognition", ICML 2020.
             :DOI:`10.48550/arXiv.2003.08685`
             .. [2] J. Ricker, S. Damm, T. Holz, A. Fischer, "Towards the detection of diffusion
             model deepfakes", VISAPP 2024. :DOI:`10.5220/0012422000003660`
             .. [3] R. Durall, M. Keuper, J. Keuper, "Watch your up-convolution: CNN based
             generative deep neural networks are failing to reproduce spectral distributions",
             CVPR 2020. :DOI:`10.1109/CVPR42600.2020.00791`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellsign.detectors.base import Abstain, detector
from tellsign.detectors.installed import MODEL, NOT_INSTALLED, InstalledDetector
from tellsign.media.media import Media
from tellsign.nn.runtime import Network, network
from tellsign.nn.views import LOG_ODDS, crop_map, crops
from tellsign.signal import spectrum
from tellsign.types import Evidence, Family, Finding, Question, View

NAME, VERSION = "spectrum_probe", "1"
HEAD = "head.json"
COUNT = 16  # crops; also the fixed batch of the network
LEAST_DEVIATION = 1.0  # grey levels; a flat crop has the spectrum of its rounding
UNUSUAL = 2.0  # deviations of photographs compressed alike, above which a roll-off is told
BANDS = 8  # of equal width, told with the finding

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    weights: Floats
    bias: float

    def __call__(self, features: Floats) -> Floats:
        return np.asarray(features @ self.weights + np.float32(self.bias), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Photographs under one strength of compression: radial profile and roll-off, in dB."""

    profile: Floats  # (65,)
    roll_off: float
    deviation: float
    crops: int


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """All that is learned but the network."""

    ridge: Linear  # of the flattened log-DCT
    small: Linear  # of `small_spectrum`
    radial: Linear  # of `with_squares`
    centre: Floats
    join: Linear  # of the four logits
    references: Mapping[str, Reference]


@detector(
    name=NAME,
    version=VERSION,
    family=Family.SUPERVISED,
    question=Question.SYNTHETIC,
    needs=View.PIXELS,
    unit="logits",
    artifact=f"{NAME}@{VERSION}",
    abstentions={
        "too_small": f"The picture has a side below {spectrum.SIDE} pixels.",
        "flat": "No part of the picture has enough structure for a spectrum.",
        **NOT_INSTALLED,
    },
    findings={
        "spectrum.excess": "High frequencies are stronger than in photographs compressed alike.",
        "spectrum.deficit": "High frequencies are weaker than in photographs compressed alike.",
        "spectrum.usual": "High frequencies are as strong as in photographs compressed alike.",
    },
)
class SpectrumProbe(InstalledDetector):
    FILES = (MODEL, HEAD)

    def applicable(self, media: Media) -> str | None:
        return "too_small" if min(media.shape) < spectrum.SIDE else super().applicable(media)

    def examine(self, media: Media) -> Evidence:
        found = self.needed
        head = read_head(found.path(HEAD))
        cut, corners = crops(media.pixels, spectrum.SIDE, COUNT)
        keep = varied(cut)
        if not keep.any():
            raise Abstain("flat")
        cut, corners = cut[keep], corners[keep]
        logits = head.join(members(cut, head, network(found.path(MODEL))))
        jpeg = media.facts.jpeg
        stratum = spectrum.quality_stratum(jpeg.quality if jpeg else None)
        profile = spectrum.radial_profile(spectrum.luma(cut)).mean(axis=0)
        return self.evidence(
            float(logits.mean()),
            [crop_map(logits, corners, spectrum.SIDE, media.shape, LOG_ODDS)],
            [describe(profile, head.references[stratum], stratum)],
        )


@cache
def read_head(path: Path) -> Head:
    import json

    raw = json.loads(path.read_text("utf-8"))
    return Head(
        ridge=_linear(raw["ridge"]),
        small=_linear(raw["small"]),
        radial=_linear(raw["radial"]),
        centre=np.array(raw["centre"], np.float32),
        join=_linear(raw["join"]),
        references={
            name: Reference(
                np.array(r["profile"], np.float32), r["roll_off"], r["deviation"], r["pictures"]
            )
            for name, r in raw["references"].items()
        },
    )


def _linear(raw: Mapping[str, Any]) -> Linear:
    return Linear(np.array(raw["weights"], np.float32), float(raw["bias"]))


def varied(cut: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(k,) which crops have a luma deviation of at least `LEAST_DEVIATION`."""
    return np.asarray(spectrum.luma(cut).std(axis=(1, 2)) >= LEAST_DEVIATION, np.bool_)


def members(cut: NDArray[np.uint8], head: Head, net: Network) -> Floats:
    """(k, 4) logits of ridge, network, log-Fourier and radial probe for k <= `COUNT` crops.

    Parameters
    ----------
    cut : (k, 128, 128, 3) uint8
    """
    dct = spectrum.log_dct(cut, spectrum.FLOOR)
    grey = spectrum.luma(cut)
    batch = np.zeros((COUNT, *dct.shape[1:]), np.float32)
    batch[: len(dct)] = dct
    levels = spectrum.with_squares(spectrum.radial_profile(grey), head.centre)
    return np.stack(
        [
            head.ridge(dct.reshape(len(dct), -1)),
            net.run(batch)[: len(dct), 0],
            head.small(spectrum.small_spectrum(grey)),
            head.radial(levels),
        ],
        axis=1,
    )


def describe(profile: Floats, reference: Reference, stratum: str) -> Finding:
    """Excess or deficit of high frequencies, with the difference in each band."""
    here = float(spectrum.roll_off(profile))
    difference = here - reference.roll_off
    deviations = difference / reference.deviation
    values: dict[str, float | int | str] = {
        "decibels": round(difference, 2),
        "deviations": round(deviations, 2),
        "reference": stratum,
    }
    edges = np.linspace(1, len(profile), BANDS + 1).round().astype(np.int64)
    for i, (low, high) in enumerate(zip(edges, edges[1:], strict=False), 1):
        level = float((profile[low:high] - reference.profile[low:high]).mean())
        values[f"band_{i}"] = round(level, 2)
    how = "stronger" if difference > 0 else "weaker"
    text = (
        f"Against the middle ones, high frequencies (0.35 to 0.5 cycles per pixel) are "
        f"{abs(difference):.1f} dB {how} than in {reference.crops} crops of photographs "
        f"compressed alike ({abs(deviations):.1f} deviations)"
    )
    if deviations > UNUSUAL:
        why = ": an excess, as some GANs leave, and as sharpening and noise do."
        return Finding("spectrum.excess", text + why, None, values)
    if deviations < -UNUSUAL:
        why = ": a deficit, as diffusion models leave, and as blur and enlargement do."
        return Finding("spectrum.deficit", text + why, None, values)
    return Finding("spectrum.usual", text + ": within what is usual.", None, values)
