"""What is done to a batch of crops on the way to the network, to both classes alike."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Blur and JPEG each with their probability, then a random crop, flip and quarter turn.

    Blur with standard deviation up to 3 and JPEG 30 to 100 by one of two encoders are those of
    Wang et al., CVPR 2020, :DOI:`10.1109/CVPR42600.2020.00872`.
    """

    side: int
    turn: bool = True
    blur: float = 0.0
    jpeg: float = 0.0

    def __call__(self, crops: Pixels, rng: np.random.Generator) -> Pixels:
        """(n, S, S, 3) -> (n, side, side, 3) uint8; crops i and i + n/2 are treated the same.

        So a pair stays a pair, and neither class can be told by its treatment.
        """
        half = len(crops) // 2
        out = np.empty((len(crops), self.side, self.side, 3), np.uint8)
        for i in range(half):
            seed = rng.integers(2**63)
            for j in (i, i + half):
                out[j] = self.one(crops[j], np.random.default_rng(seed))
        return out

    def one(self, crop: Pixels, rng: np.random.Generator) -> Pixels:
        draws = rng.random(2)
        sigma, quality, encoder = rng.uniform(0.0, 3.0), int(rng.integers(30, 101)), rng.integers(2)
        if draws[0] < self.blur:
            crop = blurred(crop, float(sigma))
        if draws[1] < self.jpeg:
            crop = compressed(crop, quality, pillow=bool(encoder))
        top, left = rng.integers(0, crop.shape[0] - self.side + 1, 2)
        crop = crop[top : top + self.side, left : left + self.side]
        flip, quarter = rng.integers(2), int(rng.integers(4))
        if flip:
            crop = crop[:, ::-1]
        return np.rot90(crop, quarter) if self.turn else crop


def central(crops: Pixels, side: int) -> Pixels:
    """The middle of each crop: what is measured on."""
    start = (crops.shape[1] - side) // 2
    return crops[:, start : start + side, start : start + side]


def blurred(crop: Pixels, sigma: float) -> Pixels:
    import cv2

    if sigma < 0.1:  # the kernel is one pixel wide
        return crop
    return np.asarray(cv2.GaussianBlur(crop, (0, 0), sigma), np.uint8)


def compressed(crop: Pixels, quality: int, *, pillow: bool) -> Pixels:
    """To JPEG and back, by Pillow or by OpenCV (both 4:2:0, other roundings)."""
    import cv2
    from PIL import Image

    if pillow:
        buffer = io.BytesIO()
        Image.fromarray(crop).save(buffer, "JPEG", quality=quality)
        return np.asarray(Image.open(buffer).convert("RGB"), np.uint8)
    bgr = np.ascontiguousarray(crop[..., ::-1])
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return np.ascontiguousarray(np.asarray(decoded, np.uint8)[..., ::-1])
