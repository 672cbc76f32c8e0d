"""The open DWT-DCT watermarks of Stable Diffusion 1 and 2, SDXL and FLUX.

The `dwtDct` scheme of the invisible-watermark project [1]_, as its source does it: the U plane of
YUV, its level-1 Haar approximation, and in each 4 x 4 block of that the largest coefficient but the
first, moved to the quarter (bit 0) or three quarters (bit 1) of its step of 36. Despite the name
no DCT is taken. The bits of the message follow each other block by block, row by row, over and
over; a decoded bit is the majority of its blocks. Messages are public and fixed: [2]_ to [5]_.

Blind spots: cropping, resizing and nearly all JPEG compression remove the mark, and web UI and
ComfyUI installations never write it. Finding none says nothing.

References
----------
.. [1] ShieldMnt, invisible-watermark, imwatermark/maxDct.py (MIT).
.. [2] CompVis, stable-diffusion, scripts/txt2img.py ("StableDiffusionV1").
.. [3] Stability AI, stablediffusion, scripts/txt2img.py ("SDV2").
.. [4] Stability AI, generative-models; Hugging Face, diffusers (SDXL, 48 bits).
.. [5] Black Forest Labs, flux, src/flux/util.py (its leading zeros are lost on writing: 46 bits).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

STEP: Final = 36.0  # [1], scales=[0, 36, 36]
BLOCK: Final = 4  # [1], in the half-size plane: 8 x 8 pixels
SMALLEST: Final = 256 * 256  # pixels; [1] refuses smaller pictures
# Rows beyond this many pixels repeat the message; they are not needed and cost time.
_MOST_PIXELS: Final = 1 << 21

# A false alarm less likely than this by the bound below is reported.
FALSE_ALARM: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Message:
    name: str
    label: str
    bits: tuple[int, ...]


def _text_bits(text: str) -> tuple[int, ...]:
    return tuple(int(b) for byte in text.encode() for b in f"{byte:08b}")


def _number_bits(number: int) -> tuple[int, ...]:
    return tuple(int(b) for b in f"{number:b}")


MESSAGES: Final = (
    Message("Stable Diffusion 1", "StableDiffusionV1", _text_bits("StableDiffusionV1")),
    Message("Stable Diffusion 2", "SDV2", _text_bits("SDV2")),
    Message("Stable Diffusion XL", "0xb3ec907bb19e", _number_bits(0xB3EC907BB19E)),
    Message("FLUX", "0x2afe879cf52e", _number_bits(0x2AFE879CF52E)),
)

Reading = Literal["largest", "odd one out"]


@dataclass(frozen=True, slots=True)
class Carrier:
    """One way in which programs hand a picture to the embedder.

    `swapped`: red and blue exchanged (diffusers passes RGB where BGR is expected). `centred`: as
    floats, for which OpenCV puts U around 0.5 instead of 128, so that steps begin elsewhere.
    """

    swapped: bool
    centred: bool


CARRIERS: Final = tuple(Carrier(s, c) for c in (False, True) for s in (False, True))
READINGS: Final[tuple[Reading, ...]] = ("largest", "odd one out")


@dataclass(frozen=True, slots=True)
class Detection:
    message: Message
    carrier: Carrier
    reading: Reading
    matching: int  # bits of the message
    false_alarm: float  # bound, all decodings that were tried taken together


def approximation(pixels: NDArray[np.uint8], carrier: Carrier) -> NDArray[np.float32]:
    """Level-1 Haar approximation (h, w) float32 of the U plane of the first rows of the picture."""
    import cv2

    height, width = pixels.shape[:2]
    rows = min(height, max(_MOST_PIXELS // width, 2 * BLOCK)) // 4 * 4
    part = pixels[:rows, : width // 4 * 4]
    code = cv2.COLOR_BGR2YUV if carrier.swapped else cv2.COLOR_RGB2YUV
    planes = cv2.cvtColor(part.astype(np.float32) if carrier.centred else part, code)
    u: NDArray[np.float32] = planes[..., 1].astype(np.float32)
    corners = u[::2, ::2] + u[1::2, ::2] + u[::2, 1::2] + u[1::2, 1::2]
    return corners * np.float32(0.5)


def block_bits(plane: NDArray[np.float32], reading: Reading) -> NDArray[np.bool_]:
    """One bit per block, row by row.

    "largest" is the scheme's own decoder. It misreads flat blocks, in which the moved coefficient
    is no longer the largest; "odd one out" takes the one farthest from the block's median instead.
    """
    down, across = plane.shape[0] // BLOCK, plane.shape[1] // BLOCK
    cells = plane[: down * BLOCK, : across * BLOCK]
    cells = cells.reshape(down, BLOCK, across, BLOCK).swapaxes(1, 2).reshape(-1, BLOCK * BLOCK)
    size = np.abs(cells[:, 1:])
    distance = size if reading == "largest" else np.abs(size - np.median(size, axis=1)[:, None])
    chosen = np.take_along_axis(size, distance.argmax(axis=1)[:, None], axis=1)[:, 0]
    return chosen % STEP > STEP / 2


def vote(blocks: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    """Majority of the blocks that carry each of `length` message bits; a tie is 1, as in [1]_."""
    position = np.arange(len(blocks)) % length
    ones = np.bincount(position, blocks, minlength=length)
    return 2 * ones >= np.bincount(position, minlength=length)


def chance(matching: int, message: tuple[int, ...], decoded_ones: int) -> float:
    """Upper tail for `matching` bits by chance: the larger of two exact tests.

    Binomial: decoded bits fair and independent. Hypergeometric: any bias of the decoder, bits in
    random order (a flat picture decodes to nearly all ones or all zeros).
    """
    n, ones = len(message), sum(message)
    fair: float = sum(math.comb(n, k) for k in range(matching, n + 1)) / 2**n
    # With `both` ones in common, matching = n - ones - decoded_ones + 2 both.
    least = -(-(matching - n + ones + decoded_ones) // 2)
    shared = range(max(least, 0), min(ones, decoded_ones) + 1)
    ways = sum(math.comb(ones, b) * math.comb(n - ones, decoded_ones - b) for b in shared)
    return max(fair, ways / math.comb(n, decoded_ones))


def decodings(pixels: NDArray[np.uint8]) -> Iterator[Detection]:
    """Yield every message against every way of reading it, with its bound."""
    trials = len(CARRIERS) * len(READINGS) * len(MESSAGES)
    for carrier in CARRIERS:
        plane = approximation(pixels, carrier)
        for reading in READINGS:
            blocks = block_bits(plane, reading)
            for message in MESSAGES:
                if len(blocks) < len(message.bits):
                    continue
                decoded = vote(blocks, len(message.bits))
                matching = int((decoded == np.array(message.bits, bool)).sum())
                p = chance(matching, message.bits, int(decoded.sum()))
                yield Detection(message, carrier, reading, matching, min(1.0, trials * p))


def best(pixels: NDArray[np.uint8]) -> Detection | None:
    """The best supported of all decodings of (H, W, 3) uint8 RGB; None for a picture too small."""
    height, width = pixels.shape[:2]
    if height * width < SMALLEST or min(height, width) < 2 * BLOCK:
        return None
    return min(decodings(pixels), key=lambda d: d.false_alarm, default=None)


def find(pixels: NDArray[np.uint8]) -> Detection | None:
    """The mark in a picture, or None: its false-alarm bound is at most `FALSE_ALARM`."""
    found = best(pixels)
    return found if found is not None and found.false_alarm <= FALSE_ALARM else None


def describe(found: Detection) -> str:
    """One line for the claim: what was decoded, how well, and how likely by chance."""
    return (
        f"{found.message.label}: {found.matching} of {len(found.message.bits)} bits match "
        f"(probability by chance at most {found.false_alarm:.1g})"
    )
