"""How often a place repeats: windows of a facade, tiles and type come in crowds, copies do not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tellsign.signal.copymove.verify import Match

HALF = 2  # the picture is searched at half size: repeats need no fine detail
COARSE = 4.0  # pixels at half size, Gaussian of the high-pass
LEAST_SIDE, MOST_SIDE = 6, 40  # pixels at half size, of the square that is searched for
LIKE = 0.6  # normalised correlation of a like place
SMALL, SMALL_LIKE = 12, 0.75  # small squares are like others by chance up to here


def coarse(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The (H, W) picture at half size without its slow variation, for `like_places`."""
    import cv2

    size = (luma.shape[1] // HALF, luma.shape[0] // HALF)
    half = np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.float32)
    return np.asarray(half - cv2.GaussianBlur(half, (0, 0), COARSE), np.float32)


def like_places(half: NDArray[np.float32], match: Match) -> int:
    """Number of places that look like the midst of `match`, itself included.

    half: the picture as `coarse` returns it. Places turned or scaled are not counted.
    """
    import cv2

    # The square in which the region is densest; holes (panes, flat parts) belong to the look of it.
    side = min(int(0.8 * float(match.mask.sum()) ** 0.5) // HALF, MOST_SIDE)
    if side < LEAST_SIDE:
        return 1
    cover = cv2.blur(match.mask.astype(np.float32), (HALF * side, HALF * side))
    y, x = np.unravel_index(int(cover.argmax()), cover.shape)
    left = max((int(x) + match.box[0]) // HALF - side // 2, 0)
    top = max((int(y) + match.box[1]) // HALF - side // 2, 0)
    square = half[top : top + side, left : left + side]
    if float(square.std()) < 1.0:
        return 1
    likeness = cv2.matchTemplate(half, square, cv2.TM_CCOEFF_NORMED)
    reach = 2 * (side // 4) + 1
    peak = likeness >= cv2.dilate(likeness, np.ones((reach, reach), np.uint8))
    like = LIKE if side > SMALL else SMALL_LIKE
    return max(int((peak & (likeness > like)).sum()), 1)
