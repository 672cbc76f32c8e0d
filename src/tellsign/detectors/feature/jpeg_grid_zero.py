"""JPEG grid origin from DCT zeros (ZERO).

Question     Was part of the picture pasted from, or shifted against, another JPEG 8x8 grid?
How          Each pixel votes for the one of 64 grid origins whose 8x8 window over it has most DCT
             coefficients near zero. The picture's main grid, and every region of other votes that
             grows together over gaps of up to 9 pixels, are kept where their number of false
             alarms (NFA), under votes that fall evenly and independently, is below one [1]_. A
             picture with a main grid is also recompressed at quality 99: a region that shows the
             fresh grid but not the main one has lost its former grid.
Score        -log10 NFA of the most significant region with a foreign or a missing grid; 0 when
             there is none. Unit: decades.
Blind spots  Pictures never compressed, or resized or strongly recompressed after the alteration;
             pastes that fall on the same grid (1 of 64); regions smaller than about 24 x 24 pixels;
             flat areas, which cast no votes. A missing grid is not sought where a channel is
             clipped (0 or 255), and cannot be seen in areas that were blurred or enlarged, or below
             about 96 x 96 pixels. Text and drawings laid over a photograph are an alteration to
             this method too. It does not say what was altered, nor when.
References   .. [1] T. Nikoukhah, J. Anger, M. Colom, J.-M. Morel, R. Grompone von Gioi, "ZERO: a
             local JPEG grid origin detector based on the number of DCT zeros and its applications
             in image forensics", IPOL 11 (2021). :DOI:`10.5201/ipol.2021.390`
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellsign.detectors.base import Abstain, Detector, detector
from tellsign.media.media import Media
from tellsign.signal.acontrario import log10_binomial_tail
from tellsign.signal.jpeg_grid import BLOCK, NO_VOTE, grid_votes
from tellsign.signal.region_growing import Grown, grown_regions
from tellsign.types import Evidence, Family, Finding, Map, MapKind, Question, View

GRIDS = BLOCK * BLOCK
REACH = 9  # pixels; W of [1]_, for growing and for closing the mask
REFERENCE_QUALITY = 99  # of the recompression that shows where a grid could be seen, [1]_
LOCAL = 24  # pixels; window in which the presence of the main grid is tested
LOCAL_LEVEL = -2.0  # log10 probability that chance alone makes so many votes there agree
MIN_SIDE = 64  # pixels; below, hardly one region of significant size fits


@dataclass(frozen=True, slots=True)
class MainGrid:
    """The most voted grid. `log10_nfa` below 0 makes it meaningful."""

    origin: int  # x + 8 y
    log10_nfa: float

    @property
    def meaningful(self) -> bool:
        return self.log10_nfa < 0.0


@dataclass(frozen=True, slots=True)
class GridRegion:
    """A region whose grid is not the picture's; `missing` where it merely lost it."""

    grown: Grown
    log10_nfa: float
    missing: bool


@detector(
    name="jpeg_grid_zero",
    version="1",
    family=Family.FEATURE,
    question=Question.MANIPULATED,
    needs=(View.LUMA, View.PIXELS),
    unit="decades",
    abstentions={
        "too_small": f"The picture has a side below {MIN_SIDE} pixels.",
        "other_codec": "The picture was compressed by another codec, with blocks of its own.",
        "flat": "Too few pixels can vote for a grid: the picture is flat or drawn.",
    },
    findings={
        "jpeg.grid.foreign": "A region carries another JPEG grid than the rest of the picture.",
        "jpeg.grid.missing": "A region lacks the JPEG grid that the rest of the picture carries.",
        "jpeg.grid.shifted": "The whole picture's JPEG grid does not begin at its corner: history.",
        "jpeg.grid.whole": "The whole picture carries one JPEG grid that begins at its corner.",
        "jpeg.grid.none": "The picture as a whole carries no JPEG grid.",
    },
)
class JpegGridZero(Detector):
    def applicable(self, media: Media) -> str | None:
        if min(media.shape) < MIN_SIDE:
            return "too_small"
        # VP8, AV1 and HEVC transform blocks of 4 and 8 pixels leave zeros of their own.
        return "other_codec" if media.facts.format in ("webp", "avif", "heif") else None

    def examine(self, media: Media) -> Evidence:
        luma = media.luma
        votes = grid_votes(luma)
        if np.count_nonzero(votes != NO_VOTE) < least_size(votes.shape):
            raise Abstain("flat")
        main = main_grid(votes)
        regions = foreign_regions(votes, main)
        if main.meaningful:
            regions += missing_regions(luma, media.pixels, votes, main)
        regions.sort(key=lambda r: r.log10_nfa)
        score = -regions[0].log10_nfa if regions else 0.0
        findings = [describe_main(main), *(describe(r, main) for r in regions)]
        return self.evidence(score, [region_map(votes, regions)], findings)


def log10_tests(shape: tuple[int, ...]) -> float:
    """log10 of the number of tests: 64 grids for every rectangle, 64 (XY)^2 rectangles; [1]_."""
    return 2.0 * math.log10(GRIDS * shape[0] * shape[1])


def least_size(shape: tuple[int, ...]) -> int:
    """Votes below which no region can be meaningful, even if nothing else lies in its box."""
    return math.ceil(GRIDS * log10_tests(shape) / math.log10(GRIDS))


def log10_nfa(shape: tuple[int, ...], area: int, votes: int) -> float:
    """log10 of the expected number of boxes of `area` with that many equal votes by chance.

    Pixels of one block vote together, so blocks, not pixels, are counted as independent.
    """
    tail = log10_binomial_tail(area // GRIDS, votes // GRIDS, 1.0 / GRIDS)
    return log10_tests(shape) + tail


def main_grid(votes: NDArray[np.int8]) -> MainGrid:
    """The grid most voted for, and whether so many votes, not all in one part, could be chance.

    Where most of a picture is flat, few pixels vote for the whole of it; a majority of those that
    do is then measured against them alone, or a lone object would be foreign to its own picture.
    A large compressed paste in a picture without a grid brings enough votes for the whole. So
    where one region of the grid leaves most votes outside, and those know nothing of the grid, the
    figure is theirs.
    """
    counts = np.bincount(votes[votes != NO_VOTE], minlength=GRIDS)
    origin = int(counts.argmax())
    whole = MainGrid(origin, log10_nfa(votes.shape, votes.size, int(counts[origin])))
    if 2 * counts[origin] > counts.sum():
        voters = log10_nfa(votes.shape, int(counts.sum()), int(counts[origin]))
        return whole if whole.meaningful else MainGrid(origin, voters)
    if not whole.meaningful:
        return whole
    agreeing = np.where(votes == origin, votes, np.int8(NO_VOTE))
    grown = max(grown_regions(agreeing, REACH, 1), key=lambda region: region.size)
    box = grown.box
    inside = votes[box.y : box.y + box.height, box.x : box.x + box.width]
    voted = int(np.count_nonzero(inside != NO_VOTE))
    outside, agreeing_outside = int(counts.sum()) - voted, int(counts[origin]) - grown.size
    expected = outside * grown.size // max(1, voted)
    if outside < voted or log10_nfa(votes.shape, outside, expected) >= 0.0:
        return whole
    rest = log10_nfa(votes.shape, outside, agreeing_outside)
    return MainGrid(origin, rest) if rest >= 0.0 else whole


def foreign_regions(votes: NDArray[np.int8], main: MainGrid) -> list[GridRegion]:
    """Regions that carry another grid than the main one, or any grid when there is no main one."""
    excluded = main.origin if main.meaningful else NO_VOTE
    return _meaningful(votes, excluded, missing=False)


def missing_regions(
    luma: NDArray[np.uint8], pixels: NDArray[np.uint8], votes: NDArray[np.int8], main: MainGrid
) -> list[GridRegion]:
    """Regions that would show a grid, as a fresh compression proves, but do not show the main one.

    Two conditions go beyond [1]_, under which pristine files raised alarms: the main grid must be
    absent around the pixel, and no value near it may be clipped, because clipping after decoding
    wipes a grid out.
    """
    candidate = (votes != main.origin) & ~grid_around(votes, main.origin) & ~clipped(pixels)
    border = np.ones(votes.shape, np.bool_)
    border[BLOCK:-BLOCK, BLOCK:-BLOCK] = False  # votes are not cast there
    candidate[border] = False
    if np.count_nonzero(candidate) < least_size(votes.shape):
        return []
    part = _around(candidate)
    fresh = np.full(votes.shape, NO_VOTE, np.int8)
    fresh[part] = grid_votes(recompressed(luma[part]))
    unexplained = np.where(candidate & (fresh == 0), fresh, np.int8(NO_VOTE))
    return _meaningful(unexplained, NO_VOTE, missing=True)


def grid_around(votes: NDArray[np.int8], origin: int) -> NDArray[np.bool_]:
    """(H, W): whether the votes near a pixel agree with `origin` more than chance explains.

    In a finely quantised picture single blocks everywhere miss the vote, and would grow into
    regions in which most pixels do vote for the grid. In smooth parts one coordinate of the origin
    is often all that shows. So the whole origin and each coordinate are tested in windows around;
    edges of an absence that the window hides are given back.
    """
    import cv2

    blocks = (LOCAL // BLOCK) ** 2
    voted = votes != NO_VOTE
    present = np.zeros(votes.shape, np.bool_)
    for agrees, chance in (
        (votes == origin, 1 / GRIDS),
        (voted & (votes % BLOCK == origin % BLOCK), 1 / BLOCK),
        (voted & (votes // BLOCK == origin // BLOCK), 1 / BLOCK),
    ):
        tails = (log10_binomial_tail(blocks, k, chance) for k in range(blocks + 1))
        least = next(k for k, tail in enumerate(tails) if tail < LOCAL_LEVEL) * GRIDS
        share = cv2.blur(agrees.astype(np.float32), (LOCAL, LOCAL))
        present |= share * LOCAL**2 >= least
    edge = cv2.getStructuringElement(cv2.MORPH_RECT, (LOCAL // 2 + 1, LOCAL // 2 + 1))
    return np.asarray(cv2.erode(present.astype(np.uint8), edge), np.bool_)


def clipped(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(H, W): whether a window over the pixel holds a channel at 0 or 255."""
    import cv2

    extreme = ((pixels == 0) | (pixels == 255)).any(axis=2).astype(np.uint8)
    reach = cv2.getStructuringElement(cv2.MORPH_RECT, (2 * BLOCK - 1, 2 * BLOCK - 1))
    return np.asarray(cv2.dilate(extreme, reach), np.bool_)


def _around(candidate: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Whole blocks around all candidates, with every window over them: nothing else is needed."""
    y, x = np.flatnonzero(candidate.any(axis=1)), np.flatnonzero(candidate.any(axis=0))
    rows, columns = (
        slice(
            max(0, int(at[0]) - BLOCK) // BLOCK * BLOCK, -(-(int(at[-1]) + BLOCK) // BLOCK) * BLOCK
        )
        for at in (y, x)
    )
    return rows, columns


def _meaningful(votes: NDArray[np.int8], excluded: int, missing: bool) -> list[GridRegion]:
    found = []
    for grown in grown_regions(votes, REACH, least_size(votes.shape), excluded):
        nfa = log10_nfa(votes.shape, grown.box.width * grown.box.height, grown.size)
        if nfa < 0.0:
            found.append(GridRegion(grown, nfa, missing))
    return found


def recompressed(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same picture after JPEG compression at quality 99."""
    import cv2

    _, data = cv2.imencode(".jpg", luma, [cv2.IMWRITE_JPEG_QUALITY, REFERENCE_QUALITY])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


def region_map(votes: NDArray[np.int8], regions: Iterable[GridRegion]) -> Map:
    """(H, W) mask of all regions, gaps closed; valid where votes lie within reach."""
    import cv2

    near = cv2.getStructuringElement(cv2.MORPH_RECT, (2 * REACH + 1, 2 * REACH + 1))
    valid = cv2.dilate((votes != NO_VOTE).astype(np.uint8), near).astype(np.bool_)
    mask = np.zeros(votes.shape, np.uint8)
    for region in regions:
        mask.reshape(-1)[region.grown.pixels] = 1
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, near)
    caption = "Regions whose JPEG grid differs from the rest of the picture, or is missing."
    return Map(MapKind.MASK, closed.astype(np.float32), 1.0, valid, caption)


def describe_main(main: MainGrid) -> Finding:
    x, y = main.origin % BLOCK, main.origin // BLOCK
    if not main.meaningful:
        return Finding(
            "jpeg.grid.none",
            "The picture as a whole carries no JPEG grid: it was never compressed, or was resized "
            "or filtered since.",
        )
    values = {"x": x, "y": y, "log10_nfa": main.log10_nfa}
    if main.origin == 0:
        return Finding(
            "jpeg.grid.whole", "The JPEG grid of the picture begins at its corner.", None, values
        )
    return Finding(
        "jpeg.grid.shifted",
        f"The JPEG grid of the whole picture begins at ({x}, {y}), not at its corner: it was "
        "cropped or shifted after a compression.",
        None,
        values,
    )


def describe(region: GridRegion, main: MainGrid) -> Finding:
    box, origin = region.grown.box, region.grown.label
    values: dict[str, float | int | str] = {
        "log10_nfa": region.log10_nfa,
        "votes": region.grown.size,
    }
    size = f"A region of {box.width} x {box.height} pixels at ({box.x}, {box.y})"
    if region.missing:
        text = f"{size} does not carry the JPEG grid of the rest of the picture."
        return Finding("jpeg.grid.missing", text, box, values)
    x, y = origin % BLOCK, origin // BLOCK
    rest = "another than the rest of the picture" if main.meaningful else "the rest carries none"
    text = f"{size} carries a JPEG grid that begins at ({x}, {y}); {rest}."
    return Finding("jpeg.grid.foreign", text, box, {**values, "x": x, "y": y})
