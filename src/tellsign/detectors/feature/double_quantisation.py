"""Double quantisation: parts with another JPEG history (ADQ, NADQ).

Question     Was part of the picture compressed as JPEG before, when the rest was not, or the other
             way round? Pasting, inpainting and local retouching all leave such a difference when
             the result is saved as JPEG again.
How          Coefficients that were rounded twice, first to multiples of a former step, then to
             those of the step in the file, come in a periodic pattern [1]_. From the coefficients
             stored in the file and an estimate of the unquantised ones (the decoded picture on
             another grid), the former table is fitted by maximum likelihood, on the same grid [2]_
             and on the 63 shifted ones [3]_. Each 8x8 block then has a log-likelihood ratio of
             carrying the trace. Blocks with clipped pixels and flat blocks are left out: rounding
             errors do not average out in them.
Score        In decades, for the stronger of the two traces, aligned or shifted: the smallest of
             -log10 of the bounds on the false alarms of "the trace exists", "a region carries it"
             and "a region lacks it". So a picture compressed twice as a whole, or once, is low.
             The bounds take coefficients for independent; singly and doubly compressed pictures
             without any paste reached about 60.
Blind spots  A last compression coarser than the former one, or equal to it, erases the trace; so
             do resizing and strong filters after the paste. A paste from a picture with the same
             table and grid, former qualities below 20, flat and clipped areas are not seen. Local
             filters in a camera or an export that runs after a first JPEG compression look alike.
References   .. [1] Lin, He, Tang & Tang, Pattern Recognition 42 (2009).
                :DOI:`10.1016/j.patcog.2009.03.019`
             .. [2] Bianchi, De Rosa & Piva, ICASSP 2011. :DOI:`10.1109/ICASSP.2011.5946978`
             .. [3] Bianchi & Piva, IEEE TIFS 7 (2012). :DOI:`10.1109/TIFS.2012.2187516`
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tellsign.detectors.base import Abstain, Detector, detector
from tellsign.media.media import Media
from tellsign.types import Box, Evidence, Family, Finding, Map, MapKind, Question, View

if TYPE_CHECKING:
    from tellsign.signal.block_scan import Window
    from tellsign.signal.dq import Trace

BLOCK = 8
# Decades below which no finding is made: as much came from pictures without a paste (see Score).
SPURIOUS = {"aligned": 60.0, "shifted": 15.0}
SPURIOUS_LACK = 60.0  # the same for "a region lacks it" in a picture that mostly carries the trace
WHOLE = 0.9  # share of the picture from which "the whole picture" is said


@detector(
    name="double_quantisation",
    version="1",
    family=Family.FEATURE,
    question=Question.MANIPULATED,
    needs=(View.DCT, View.PIXELS),
    unit="decades",
    abstentions={
        "not_jpeg": "The file is not a JPEG, so it holds no quantised coefficients.",
        "no_luma": "The JPEG stores no luma plane at full size (CMYK or unusual sampling).",
        "too_small": "The picture has fewer than 128 x 128 pixels.",
        "too_coarse": (
            "The file is compressed so strongly that its own steps hide those of nearly every "
            "earlier compression."
        ),
        "too_smooth": (
            "Fewer than 256 blocks of 8 x 8 pixels have texture and no clipped pixels; "
            "the method needs them."
        ),
    },
    findings={
        "jpeg.dq.lacking": "A region lacks an earlier compression that the rest went through.",
        "jpeg.dq.foreign": "A region went through an earlier compression that the rest did not.",
        "jpeg.dq.whole": "The whole picture was compressed twice: history, not alteration.",
    },
)
class DoubleQuantisation(Detector):
    def applicable(self, media: Media) -> str | None:
        from tellsign.signal.jpeg_traces import obstacle

        return obstacle(media)

    def examine(self, media: Media) -> Evidence:
        from tellsign.signal.jpeg_traces import Untraceable, traces

        try:
            found = traces(media)
        except Untraceable as reason:
            raise Abstain(reason.code) from reason
        aligned, shifted = (Reading.of(trace) for trace in found)
        best = max((aligned, shifted), key=lambda r: r.score)
        established = [r for r in (aligned, shifted) if r.score > 0]
        suspicion = sum((r.suspicion for r in established), np.zeros_like(aligned.mean))
        return self.evidence(
            best.score,
            maps=[
                block_map(suspicion, aligned.speaks | shifted.speaks, media.shape, COMBINED),
                block_map(aligned.mean, aligned.speaks, media.shape, CARRIES.format("the same")),
                block_map(shifted.mean, shifted.speaks, media.shape, CARRIES.format("a shifted")),
            ],
            findings=[f for r in (aligned, shifted) for f in r.findings()],
        )


COMBINED = (
    "Evidence per 8x8 block, in decades, that its JPEG history differs from that of most of the "
    "picture; mean over 3x3 blocks. Texture in a map is not tampering."
)
CARRIES = (
    "Evidence per 8x8 block, in decades, for (positive) or against (negative) an earlier JPEG "
    "compression on {} grid; mean over 3x3 blocks. Texture in a map is not tampering."
)


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One trace with its three bounds, all in decades."""

    trace: Trace
    carrying: Window
    lacking: Window
    mean: NDArray[np.float32]  # decades, over those of 3x3 blocks that can tell
    speaks: NDArray[np.bool_]  # where at least one of them can

    @classmethod
    def of(cls, trace: Trace) -> Reading:
        from scipy.ndimage import uniform_filter

        from tellsign.signal.block_scan import carrier

        tell = uniform_filter((trace.loglik != 0).astype(np.float64), 3, mode="nearest")
        decades = uniform_filter(trace.loglik / np.log(10), 3, mode="nearest")
        speaks = tell > 1e-6
        mean = np.where(speaks, decades / np.maximum(tell, 1 / 9), 0).astype(np.float32)
        return cls(trace, carrier(trace.loglik), carrier(-trace.loglik), mean, speaks)

    @property
    def score(self) -> float:
        return min(self.trace.existence, self.carrying.decades, self.lacking.decades)

    @property
    def mostly_carried(self) -> bool:
        return self.trace.share > 0.5

    @property
    def suspicion(self) -> NDArray[np.float32]:
        return -self.mean if self.mostly_carried else self.mean

    def findings(self) -> list[Finding]:
        spurious = SPURIOUS[self.trace.kind]
        if min(self.trace.existence, self.carrying.decades) < spurious:
            return []
        dy, dx = self.trace.shift
        grid = "on the same grid" if (dy, dx) == (0, 0) else f"on a grid shifted by ({dx}, {dy})"
        former = f"an earlier JPEG compression (quality about {self.trace.quality}, {grid})"
        values = {
            "decades": round(self.score, 2),
            "former_quality": self.trace.quality,
            "shift_x": dx,
            "shift_y": dy,
            "share_carrying": round(self.trace.share, 3),
        }
        if self.lacking.decades < (SPURIOUS_LACK if self.mostly_carried else spurious):
            if self.trace.share < WHOLE:
                return []
            text = f"The whole picture shows the trace of {former}; that alone is no alteration."
            return [Finding("jpeg.dq.whole", text, None, values)]
        where = self.region()
        size = f"A region of {where.width} x {where.height} pixels"
        if self.mostly_carried:
            text = f"{size} lacks the trace of {former} that most of the picture carries."
            return [Finding("jpeg.dq.lacking", text, where, values)]
        text = f"{size} carries the trace of {former} that most of the picture lacks."
        return [Finding("jpeg.dq.foreign", text, where, values)]

    def region(self) -> Box:
        from tellsign.signal.block_scan import component

        oriented = -self.trace.loglik if self.mostly_carried else self.trace.loglik
        window = self.lacking if self.mostly_carried else self.carrying
        top, left, height, width = component(oriented, window)
        return Box(left * BLOCK, top * BLOCK, width * BLOCK, height * BLOCK)


def block_map(
    values: NDArray[np.float32], valid: NDArray[np.bool_], shape: tuple[int, int], caption: str
) -> Map:
    """A map that covers the picture; partial blocks at the edge are not valid."""
    grid = (-(-shape[0] // BLOCK), -(-shape[1] // BLOCK))
    whole = np.zeros(grid, np.float32)
    known = np.zeros(grid, np.bool_)
    whole[: values.shape[0], : values.shape[1]] = np.where(valid, values, 0)
    known[: valid.shape[0], : valid.shape[1]] = valid
    return Map(MapKind.SCORE, whole, float(BLOCK), known, caption)
