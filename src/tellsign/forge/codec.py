"""Pixels to files and back, with a check that the file says what was asked for.

A robustness study whose perturbation was never applied has happened more than once; so the
quantisation tables and sampling factors are read back from the bytes written.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from tellsign.errors import ForgeError, UsageError
from tellsign.media.jpeg import ijg_table

Pixels = NDArray[np.uint8]

SUBSAMPLING = {"4:4:4": (0, (1, 1)), "4:2:2": (1, (2, 1)), "4:2:0": (2, (2, 2))}


def encode_jpeg(pixels: Pixels, quality: int, subsampling: str) -> bytes:
    """Save (H, W, 3) uint8 RGB as baseline JPEG without metadata.

    Raises ForgeError when the file does not carry the tables and sampling that were asked for.
    """
    code, factors = SUBSAMPLING[subsampling]
    data = _save(pixels, "JPEG", quality=quality, subsampling=code)
    tables, sampling = jpeg_facts(data)
    expected = [ijg_table(quality, component) for component in (0, 1)]
    if len(tables) != 2 or not all(
        np.array_equal(t, e) for t, e in zip(tables, expected, strict=True)
    ):
        raise ForgeError(f"the JPEG encoder did not write the tables of quality {quality}")
    if sampling[0] != factors:
        raise ForgeError(f"the JPEG encoder did not write {subsampling}: {sampling}")
    return data


def encode_png(pixels: Pixels) -> bytes:
    """Save (H, W) or (H, W, 3) uint8 without loss, quickly rather than small."""
    return _save(pixels, "PNG", compress_level=2)


def encode_webp(pixels: Pixels, quality: int) -> bytes:
    return _save(pixels, "WEBP", quality=quality, method=4)


def encode_avif(pixels: Pixels, quality: int) -> bytes:
    """Save as AVIF, one thread. Raises UsageError where Pillow was built without it."""
    if not features.check("avif"):
        raise UsageError("this Pillow was built without AVIF; its wheels from 11.3 on have it")
    return _save(pixels, "AVIF", quality=quality, subsampling="4:2:0", speed=8, max_threads=1)


def decode(data: bytes) -> Pixels:
    """(H, W, 3) uint8 RGB of a file that this module wrote."""
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image.convert("RGB"))


def jpeg_facts(data: bytes) -> tuple[list[NDArray[np.int64]], list[tuple[int, int]]]:
    """Quantisation tables by id (8, 8), natural order, and (horizontal, vertical) sampling.

    Reads a well-formed JPEG, such as an encoder has just written; not meant for hostile files.
    """
    tables: dict[int, NDArray[np.int64]] = {}
    sampling: list[tuple[int, int]] = []
    for marker, body in _segments(data):
        if marker == 0xDB:
            for start in range(0, len(body), 65):
                table = np.zeros(64, np.int64)
                table[_ZIGZAG] = list(body[start + 1 : start + 65])
                tables[body[start] & 15] = table.reshape(8, 8)
        elif marker in (0xC0, 0xC1, 0xC2):
            sampling = [(b >> 4, b & 15) for b in body[7::3]]
    return [tables[i] for i in sorted(tables)], sampling


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 2
    while data[at + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", data, at + 2)
        yield data[at + 1], data[at + 4 : at + 2 + length]
        at += 2 + length


def _zigzag() -> list[int]:
    cells = [(row, column) for row in range(8) for column in range(8)]
    # Odd diagonals run downwards, even ones upwards (T.81, figure 5).
    cells.sort(key=lambda c: (sum(c), c[0] if sum(c) % 2 else c[1]))
    return [8 * row + column for row, column in cells]


_ZIGZAG = _zigzag()


def _save(pixels: Pixels, kind: str, **options: int | str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()
