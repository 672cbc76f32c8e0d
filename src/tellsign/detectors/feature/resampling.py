"""Local traces of interpolation (resampling lines).

Question     Was part of the picture enlarged, reduced or rotated before it was put there?
How          Interpolated pixels follow from their neighbours at periodic places, so the residual of
             a linear prediction has spectral lines [1]_ [2]_ [3]_. Windows of 256 pixels, and 3 x 3
             of them together, are searched for single lines (any scale, any rotation) and for combs
             along the axes (scale without rotation); places where JPEG's own lines lie are left
             out. Lines count as evidence where chance would not give them once in the picture and
             the rest of the picture does not have them.
Score        -log10 NFA (number of false alarms) of the most significant line that the rest of the
             picture lacks; 0 when there is none. Unit: decades.
Blind spots  Pieces below about 200 x 200 pixels; factors whose lines fall on JPEG's (2, 4/3, 4/5,
             quarter turns and flips); JPEG compression after the alteration hides most traces at
             quality 97 and nearly all at 90; an unscaled piece in a picture that was resized as a
             whole. Fabric, fences and screens have lines of their own. Pictures above 25 megapixels
             are sampled.
References   .. [1] A. C. Popescu, H. Farid, "Exposing digital forgeries by detecting traces of
             resampling", IEEE TSP 53(2), 2005. :DOI:`10.1109/TSP.2004.839932`
             .. [2] M. Kirchner, "Fast and reliable resampling detection by spectral analysis of
             fixed linear predictor residue", ACM MM&Sec 2008. :DOI:`10.1145/1411328.1411333`
             .. [3] B. Mahdian, S. Saic, "Blind authentication using periodic properties of
             interpolation", IEEE TIFS 3(3), 2008. :DOI:`10.1109/TIFS.2004.924603`
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellsign.detectors.base import Abstain, Detector, detector
from tellsign.media.media import Media
from tellsign.signal.resampling_spectrum import (
    WINDOW,
    Line,
    Spectrum,
    log10_probability,
    strongest_line,
    window_corners,
    window_spectrum,
)
from tellsign.types import Box, Evidence, Family, Finding, Map, MapKind, Question, View

MIN_SIDE = 448  # pixels; below, no window leaves a rest to compare with
# JPEG; of 120 resized or rotated pieces none was found at 90, a few at 95 (measure_resampling).
MIN_QUALITY = 92
MOST_WINDOWS = 400  # bounds the cost; all half-overlapping windows up to 6 megapixels
LEAST_REST = 4  # windows to compare with
MEANINGFUL = -2.0  # log10 NFA of a finding: one false one in a hundred pictures
SHARED = -2.0  # log10 probability in the rest, below which the rest has the line too
STRIDE = 32  # pixels per cell of the map


@dataclass(frozen=True, slots=True)
class Place:
    """Windows examined together: which, where, and their mean spectrum."""

    members: tuple[int, ...]
    box: Box
    spectrum: Spectrum


@dataclass(frozen=True, slots=True)
class Trace:
    """The strongest line of a place.

    `log10_nfa` counts all places; `rest` is its log10 probability in the windows elsewhere.
    """

    place: Place
    line: Line
    log10_nfa: float
    rest: float

    @property
    def foreign(self) -> bool:
        return self.rest > SHARED


@detector(
    name="resampling",
    version="1",
    family=Family.FEATURE,
    question=Question.MANIPULATED,
    needs=View.LUMA,
    unit="decades",
    abstentions={
        "too_small": f"The picture has a side below {MIN_SIDE} pixels.",
        "strong_compression": f"JPEG quality is below {MIN_QUALITY}: it hides resampling.",
        "flat": "Too few parts of the picture have the fine structure that shows resampling.",
    },
    findings={
        "resampling.region": "A region shows traces of resizing or rotation that the rest lacks.",
        "resampling.whole": "The whole picture shows traces of resizing or rotation: history.",
    },
)
class Resampling(Detector):
    def applicable(self, media: Media) -> str | None:
        if min(media.shape) < MIN_SIDE:
            return "too_small"
        jpeg = media.facts.jpeg
        if jpeg is not None and jpeg.quality is not None and jpeg.quality < MIN_QUALITY:
            return "strong_compression"
        return None

    def examine(self, media: Media) -> Evidence:
        luma = media.luma
        corners = window_corners(luma.shape, MOST_WINDOWS)
        spectra = {
            i: spectrum
            for i, (y, x) in enumerate(corners)
            if (spectrum := window_spectrum(luma, int(y), int(x))) is not None
        }
        if len(spectra) <= LEAST_REST:
            raise Abstain("flat")
        traces = find_traces(corners, spectra)
        foreign = strongest_apart(t for t in traces if t.foreign)
        score = max(0.0, -foreign[0].log10_nfa) if foreign else 0.0
        told = [describe(t) for t in foreign if t.log10_nfa < MEANINGFUL]
        findings = told + describe_whole(spectra)
        return self.evidence(score, [trace_map(luma.shape, corners, spectra, traces)], findings)


def find_traces(corners: NDArray[np.int64], spectra: dict[int, Spectrum]) -> list[Trace]:
    """The strongest line of every place, and whether the rest of the picture has it."""
    places = [*single_places(corners, spectra), *joint_places(corners, spectra)]
    total = np.sum(list(spectra.values()), axis=0, dtype=np.float64)
    found = []
    for place in places:
        line = strongest_line(place.spectrum, len(place.members))
        nfa = line.log10_p + math.log10(len(places))
        rest = -math.inf
        if nfa < 0.0:
            near = [i for i in spectra if _overlap(place.box, corners[i])]
            count = len(spectra) - len(near)
            if count >= LEAST_REST:
                mean = (total - np.sum([spectra[i] for i in near], axis=0)) / count
                rest = log10_probability(mean.astype(np.float32), line, count)
        found.append(Trace(place, line, nfa, rest))
    return found


def single_places(corners: NDArray[np.int64], spectra: dict[int, Spectrum]) -> list[Place]:
    return [
        Place((i,), Box(int(corners[i, 1]), int(corners[i, 0]), WINDOW, WINDOW), spectrum)
        for i, spectrum in spectra.items()
    ]


def joint_places(corners: NDArray[np.int64], spectra: dict[int, Spectrum]) -> list[Place]:
    """3 x 3 neighbouring windows: lines too weak for one window add up."""
    columns = len(np.unique(corners[:, 1]))
    rows = len(corners) // columns
    out = []
    for row in range(1, rows - 1):
        for column in range(1, columns - 1):
            members = [
                i
                for r in (row - 1, row, row + 1)
                for i in range(r * columns + column - 1, r * columns + column + 2)
                if i in spectra
            ]
            if len(members) < 5:  # most of the neighbourhood is flat
                continue
            (top, left), (bottom, right) = corners[members].min(0), corners[members].max(0)
            box = Box(int(left), int(top), int(right - left) + WINDOW, int(bottom - top) + WINDOW)
            out.append(Place(tuple(members), box, mean_spectrum(spectra[i] for i in members)))
    return out


def mean_spectrum(spectra: Iterable[Spectrum]) -> Spectrum:
    return np.asarray(np.mean(list(spectra), axis=0), np.float32)


def _overlap(box: Box, corner: NDArray[np.int64]) -> bool:
    y, x = int(corner[0]), int(corner[1])
    return (
        x < box.x + box.width
        and box.x < x + WINDOW
        and y < box.y + box.height
        and box.y < y + WINDOW
    )


def strongest_apart(traces: Iterable[Trace], most: int = 5) -> list[Trace]:
    """The most significant traces first, each in a place of its own."""
    kept: list[Trace] = []
    for trace in sorted(traces, key=lambda t: t.log10_nfa):
        box = trace.place.box
        apart = not any(_boxes_meet(box, other.place.box) for other in kept)
        if apart and len(kept) < most:
            kept.append(trace)
    return kept


def _boxes_meet(a: Box, b: Box) -> bool:
    return (
        a.x < b.x + b.width
        and b.x < a.x + a.width
        and a.y < b.y + b.height
        and b.y < a.y + a.height
    )


def trace_map(
    shape: tuple[int, int],
    corners: NDArray[np.int64],
    spectra: dict[int, Spectrum],
    traces: list[Trace],
) -> Map:
    """Decades of the strongest foreign trace over each cell."""
    values = np.zeros((-(-shape[0] // STRIDE), -(-shape[1] // STRIDE)), np.float32)
    valid = np.zeros(values.shape, np.bool_)
    for i in spectra:
        y, x = corners[i]
        valid[_cells(Box(int(x), int(y), WINDOW, WINDOW))] = True
    for trace in traces:
        if trace.foreign and trace.log10_nfa < 0.0:
            cells = _cells(trace.place.box)
            values[cells] = np.maximum(values[cells], np.float32(-trace.log10_nfa))
    caption = (
        "Decades (-log10 NFA) of resampling lines that the rest of the picture lacks, for windows "
        f"of {WINDOW} pixels and more: outlines are coarse, and texture can have lines too."
    )
    return Map(MapKind.SCORE, values, float(STRIDE), valid, caption)


def _cells(box: Box) -> tuple[slice, slice]:
    return (
        slice(box.y // STRIDE, (box.y + box.height) // STRIDE),
        slice(box.x // STRIDE, (box.x + box.width) // STRIDE),
    )


def _words(line: Line) -> tuple[str, dict[str, float | int | str]]:
    if line.factor is not None:
        values: dict[str, float | int | str] = {"factor": line.factor}
        return f"resizing by a factor that fits {line.factor:.2f}", values
    where = f"a repetition at ({line.fx:.3f}, {line.fy:.3f}) cycles per pixel"
    return f"resizing or rotation ({where})", {"fx": line.fx, "fy": line.fy}


def describe(trace: Trace) -> Finding:
    what, values = _words(trace.line)
    box = trace.place.box
    return Finding(
        "resampling.region",
        f"Around {box.width} x {box.height} pixels at ({box.x}, {box.y}) there are traces of "
        f"{what}, which the rest of the picture does not show.",
        box,
        {**values, "log10_nfa": trace.log10_nfa},
    )


def describe_whole(spectra: dict[int, Spectrum]) -> list[Finding]:
    line = strongest_line(mean_spectrum(spectra.values()), len(spectra))
    if line.log10_p >= MEANINGFUL:
        return []
    what, values = _words(line)
    return [
        Finding(
            "resampling.whole",
            f"The picture as a whole shows traces of {what}.",
            None,
            {**values, "log10_nfa": line.log10_p},
        )
    ]
