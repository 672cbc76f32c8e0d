"""Places of the picture that are copies of each other (copy-move).

Question     Was a part of the picture copied and pasted somewhere else in the same picture?
How          Candidates come from three searches: blocks that repeat bit by bit; SIFT keypoints,
             also mirrored, matched with each other by the generalised ratio test [1]_; and, for
             smooth places, rotation-invariant moments at every pixel, as the dense field of [2]_
             but with sorted buckets for PatchMatch. Candidates that move alike are fitted with a
             similarity (RANSAC), refined to an affine transform on intensities, and delimited where
             the local correlation of the picture with its warped self stays high [3]_. What is left
             is a copy or merely like (windows, tiles, print). A copy shares noise, shading and
             sub-pixel detail with its source; like things share their shape only. So the fine
             residuals of both places are compared after alignment, and their agreement is set
             against that of like places in pictures without copies [4]_. A region that its own
             counterpart overlaps is a periodic pattern and dropped.
Score        -log10 of the expected share of pictures without copies whose best match agrees as
             well as this picture's, given how many like places it holds; 0 when there is none.
             Unit: decades. Pairs of 1.3 decades and more are described and mapped.
Blind spots  Copies smaller than about 20 x 20 pixels, scaled by less than a third or more than
             three, or distorted beyond an affine transform. Copies of flat or overexposed places,
             and of places whose only content was noise once JPEG has removed it (quality 90 and
             less). Copies that were retouched, strongly recompressed, or shrunk with the picture
             lose the detail that tells them from like things: JPEG 75 or a resize by 0.7 hides some
             three or four in ten of them.
             More than five pastes of one source, or pastes in a row at equal distances, look like
             a repeated structure. Machine-made things that are the same to the pixel (print, drawn
             pictures, exact mirror symmetry, the same product twice) can be taken for copies.
             Pictures above 2.6 megapixels are searched at that size: copies below about 45 pixels
             in 12 megapixels, and fine noise as evidence, are lost. It does not say which of two
             places is the copy.
References   .. [1] I. Amerini et al., "A SIFT-based forensic method for copy-move attack detection
             and transformation recovery", IEEE TIFS 6 (2011). :DOI:`10.1109/TIFS.2011.2129512`
             .. [2] D. Cozzolino, G. Poggi, L. Verdoliva, "Efficient dense-field copy-move forgery
             detection", IEEE TIFS 10 (2015). :DOI:`10.1109/TIFS.2015.2455334`
             .. [3] V. Christlein et al., "An evaluation of popular copy-move forgery detection
             approaches", IEEE TIFS 7 (2012). :DOI:`10.1109/TIFS.2012.2218597`
             .. [4] A. Desolneux, L. Moisan, J.-M. Morel, "Meaningful alignments", IJCV 40 (2000).
             :DOI:`10.1023/A:1026593302236`
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tellsign.detectors.base import Abstain, Detector, detector
from tellsign.media.media import Media
from tellsign.signal.copymove import geometry
from tellsign.signal.copymove.search import Duplicate, Findings, duplicates, working
from tellsign.types import Box, Evidence, Family, Finding, Map, MapKind, Question, View

MIN_SIDE = 48  # pixels; below, two places of the least size hardly fit beside each other
MIN_TEXTURED = 0.02  # share of the picture that must vary at all
MAX_LEVEL = 0.5  # share of one grey level; above, the ground is drawn or printed white
LISTED = 8  # pairs described one by one
REPORTED = 1.3  # decades; what one pristine picture in twenty shows too is not described


@detector(
    name="copy_move",
    version="1",
    family=Family.FEATURE,
    question=Question.MANIPULATED,
    needs=View.LUMA,
    unit="decades",
    abstentions={
        "too_small": f"The picture has a side below {MIN_SIDE} pixels.",
        "flat": "The picture is flat nearly everywhere: there is nothing to compare.",
        "drawn": "More than half of the picture has one grey level: in drawings, screens and type "
        "equal parts are expected.",
    },
    findings={
        "copy_move.pair": "Two places of the picture hold the same content down to its noise.",
        "copy_move.more": "Further pairs of like places, not described one by one.",
    },
)
class CopyMove(Detector):
    def applicable(self, media: Media) -> str | None:
        return "too_small" if min(media.shape) < MIN_SIDE else None

    def examine(self, media: Media) -> Evidence:
        luma = media.luma
        valid = textured(working(luma)[0])
        if valid.mean() < MIN_TEXTURED:
            raise Abstain("flat")
        if np.bincount(luma.ravel(), minlength=256).max() > MAX_LEVEL * luma.size:
            raise Abstain("drawn")
        found = duplicates(luma)
        score = found.duplicates[0].score if found.duplicates else 0.0
        shown = replace(found, duplicates=tuple(d for d in found.duplicates if d.score >= REPORTED))
        return self.evidence(score, maps(shown, valid), describe(shown, media.shape))


def textured(luma: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(H, W): whether anything varies within 4 pixels; elsewhere copies cannot be seen."""
    import cv2

    kernel = np.ones((9, 9), np.uint8)
    return np.asarray(cv2.dilate(luma, kernel) - cv2.erode(luma, kernel) > 1)


def groups(found: Sequence[Duplicate]) -> list[int]:
    """Group number of each pair, from 1: pairs that share a place belong together."""
    number = list(range(1, len(found) + 1))
    for j, b in enumerate(found):
        for i, a in enumerate(found[:j]):
            if number[i] != number[j] and _share(a, b):
                old, new = max(number[i], number[j]), min(number[i], number[j])
                number = [new if n == old else n for n in number]
    order = {n: k for k, n in enumerate(dict.fromkeys(number), start=1)}
    return [order[n] for n in number]


def _share(a: Duplicate, b: Duplicate) -> bool:
    for x in (a.region, a.counterpart):
        for y in (b.region, b.counterpart):
            if (x & y).sum() > 0.3 * min(x.sum(), y.sum()):
                return True
    return False


def maps(found: Findings, valid: NDArray[np.bool_]) -> Iterable[Map]:
    """Score, mask and groups of all pairs, on the working picture's grid; nothing when none."""
    if not found.duplicates:
        return
    score = np.zeros(found.shape, np.float32)
    label = np.zeros(found.shape, np.float32)
    number = groups(found.duplicates)
    for pair, group in sorted(zip(found.duplicates, number, strict=True), key=lambda x: x[0].score):
        place = pair.region | pair.counterpart
        score[place] = np.maximum(score[place], pair.score)
        label[place] = group
    stride = 1.0 / found.scale
    covered = valid | (label > 0)
    yield Map(
        MapKind.MASK,
        (label > 0).astype(np.float32),
        stride,
        covered.copy(),
        "Places that are copies of each other, sources and copies alike.",
    )
    yield Map(
        MapKind.LABEL, label, stride, covered.copy(), "Places with one number hold one content."
    )
    yield Map(
        MapKind.SCORE, score, stride, covered, "Decades of the best pair that a place belongs to."
    )


def describe(found: Findings, shape: tuple[int, int]) -> Iterable[Finding]:
    number = groups(found.duplicates)
    for pair, group in list(zip(found.duplicates, number, strict=True))[:LISTED]:
        a, b = _box(pair.region, found.scale, shape), _box(pair.counterpart, found.scale, shape)
        if a is None or b is None:
            continue
        centre = ((a.x + a.width / 2) * found.scale, (a.y + a.height / 2) * found.scale)
        motion = geometry.describe(pair.matrix, centre)
        dx, dy = (round(s / found.scale) for s in motion.shift)
        area = round(float(pair.region.sum()) / found.scale**2)
        yield Finding(
            "copy_move.pair",
            f"Two places hold the same content: {a.width} x {a.height} pixels at ({a.x}, {a.y}) "
            f"and {b.width} x {b.height} pixels at ({b.x}, {b.y}), {_words(motion)}. "
            "Which of the two is the copy is not known.",
            a,
            {
                "other_x": b.x,
                "other_y": b.y,
                "other_width": b.width,
                "other_height": b.height,
                "shift_x": dx,
                "shift_y": dy,
                "rotation": round(motion.rotation, 1),
                "scale": round(motion.scale, 3),
                "mirrored": int(motion.mirrored),
                "area": area,
                "group": group,
                "correlation": round(pair.measured.correlation, 4),
                "decades": round(pair.score, 2),
            },
        )
    rest = len(found.duplicates) - LISTED
    if rest > 0:
        yield Finding(
            "copy_move.more",
            f"{rest} further pairs of places hold the same content; the map shows all of them.",
            None,
            {"pairs": rest},
        )


def _box(mask: NDArray[np.bool_], scale: float, shape: tuple[int, int]) -> Box | None:
    """Bounding box in picture pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    x0, y0 = int(columns[0] / scale), int(rows[0] / scale)
    x1 = min(int(np.ceil((columns[-1] + 1) / scale)), shape[1])
    y1 = min(int(np.ceil((rows[-1] + 1) / scale)), shape[0])
    return Box(x0, y0, max(x1 - x0, 1), max(y1 - y0, 1))


def _words(motion: geometry.Motion) -> str:
    parts = ["mirrored"] if motion.mirrored else []
    if abs(motion.rotation) >= 0.5:
        parts.append(f"turned by {abs(motion.rotation):.0f} degrees")
    if abs(motion.scale - 1) >= 0.015:
        parts.append(f"scaled by {motion.scale:.2f}")
    return " and ".join(parts) if parts else "neither turned, scaled nor mirrored"
