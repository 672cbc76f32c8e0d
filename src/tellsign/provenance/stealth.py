"""Text hidden in the lowest bits of the pixels: NovelAI and the "stealth pnginfo" family.

Pixels are read column by column, one bit each from alpha or three from red, green and blue. The
bits spell a 15-byte signature, the payload's length in bits (32 bit, big-endian) and the payload,
plain or compressed with gzip. The format is that of NovelAI's published reader and of the web UI
extension it goes back to.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Channel = Literal["alpha", "rgb"]

_SIGNATURES: Final[dict[Channel, tuple[bytes, bytes]]] = {
    "alpha": (b"stealth_pnginfo", b"stealth_pngcomp"),
    "rgb": (b"stealth_rgbinfo", b"stealth_rgbcomp"),
}
_HEADER: Final = 15 + 4  # bytes: signature and length
_LARGEST: Final = 1 << 20  # bytes of text, compressed or not; prompts are a few kB


@dataclass(frozen=True, slots=True)
class Hidden:
    channel: Channel
    text: str | None  # None when the signature is there but the payload cannot be read


def find(pixels: NDArray[np.uint8], alpha: NDArray[np.uint8] | None) -> Hidden | None:
    """Look for a signature in alpha (H, W), then in `pixels` (H, W, 3); None when there is none."""
    if alpha is not None and (found := _read("alpha", alpha[..., None])):
        return found
    return _read("rgb", pixels)


def _read(channel: Channel, samples: NDArray[np.uint8]) -> Hidden | None:
    plain, compressed = _SIGNATURES[channel]
    header = _bytes(samples, 0, _HEADER)
    if header[:15] not in (plain, compressed):
        return None
    length = int.from_bytes(header[15:], "big") // 8
    if not 0 < length <= min(_LARGEST, samples.size // 8 - _HEADER):
        return Hidden(channel, None)
    payload = _bytes(samples, _HEADER, length)
    if header[:15] == compressed:
        unpacked = _gunzip(payload)
        return Hidden(channel, _decoded(unpacked) if unpacked is not None else None)
    return Hidden(channel, _decoded(payload))


def _bytes(samples: NDArray[np.uint8], start: int, count: int) -> bytes:
    """Read `count` bytes from byte `start` of the bit stream of (H, W, channels) samples."""
    height, _, depth = samples.shape
    per_column = height * depth
    first, end = start * 8 // per_column, -(-(start + count) * 8 // per_column)
    columns = samples[:, first:end].transpose(1, 0, 2).ravel() & 1
    offset = start * 8 - first * per_column
    return np.packbits(columns[offset : offset + count * 8]).tobytes()


def _gunzip(data: bytes) -> bytes | None:
    try:
        return zlib.decompressobj(wbits=31).decompress(data, _LARGEST)
    except zlib.error:
        return None


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "replace")
