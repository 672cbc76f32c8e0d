"""What the provenance tests share: files with a manifest, and embedders of hidden marks."""

from __future__ import annotations

import io
import zlib
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tellsign.media.media import Media, open_media
from tellsign.media.source import from_bytes
from tellsign.provenance.watermark import BLOCK, STEP, Carrier

Pixels = NDArray[np.uint8]


def encoded(pixels: Pixels, form: str = "PNG", **options: object) -> bytes:
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, form, **options)
    return target.getvalue()


def png(pixels: Pixels, **texts: str) -> bytes:
    info = PngInfo()
    for key, text in texts.items():
        info.add_text(key.replace("__", "-"), text)
    return encoded(pixels, "PNG", pnginfo=info)


def opened(data: bytes, name: str = "picture") -> Media:
    return open_media(from_bytes(data, name))


def plain(height: int = 300, width: int = 280, seed: int = 3) -> Pixels:
    """A smooth coloured picture with a little noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 215, (6, 6, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    noise = rng.normal(0, 3, smooth.shape)
    return np.clip(smooth + noise, 0, 255).astype(np.uint8)


def with_stealth(
    pixels: Pixels,
    text: str,
    channel: Literal["alpha", "rgb"] = "alpha",
    *,
    compressed: bool = True,
    payload: bytes | None = None,
    length: int | None = None,
) -> Pixels:
    """Hide `text` as the stealth formats do, one bit after the other, column by column."""
    content = text.encode() if payload is None else payload
    if compressed and payload is None:
        packer = zlib.compressobj(wbits=31)
        content = packer.compress(content) + packer.flush()
    kind = "png" if channel == "alpha" else "rgb"
    signature = f"stealth_{kind}{'comp' if compressed else 'info'}".encode()
    bits_long = len(content) * 8 if length is None else length
    stream = signature + bits_long.to_bytes(4, "big") + content
    bits = [byte >> k & 1 for byte in stream for k in range(7, -1, -1)]
    out = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    height = pixels.shape[0]
    for i, bit in enumerate(bits):
        if channel == "alpha":
            place = (i % height, i // height, 3)
        else:
            place = (i // 3 % height, i // 3 // height, i % 3)
        out[place] = out[place] & 0xFE | bit
    return out if channel == "alpha" else np.ascontiguousarray(out[..., :3])


def with_watermark(pixels: Pixels, bits: tuple[int, ...], carrier: Carrier) -> Pixels:
    """Embed a message as the scheme's own program does, block by block."""
    import cv2

    there = cv2.COLOR_BGR2YUV if carrier.swapped else cv2.COLOR_RGB2YUV
    back = cv2.COLOR_YUV2BGR if carrier.swapped else cv2.COLOR_YUV2RGB
    yuv = cv2.cvtColor(pixels.astype(np.float32) if carrier.centred else pixels, there)
    height, width = (side // 4 * 4 for side in pixels.shape[:2])
    u = yuv[:height, :width, 1].astype(np.float64)
    corners = (u[::2, ::2], u[::2, 1::2], u[1::2, ::2], u[1::2, 1::2])
    mean = sum(corners) / 2
    moved = mean.copy()
    number = 0
    for i in range(0, mean.shape[0] // BLOCK * BLOCK, BLOCK):
        for j in range(0, mean.shape[1] // BLOCK * BLOCK, BLOCK):
            block = moved[i : i + BLOCK, j : j + BLOCK]
            at = np.unravel_index(int(np.abs(block.ravel()[1:]).argmax()) + 1, block.shape)
            sign = 1 if block[at] >= 0 else -1
            bit = bits[number % len(bits)]
            block[at] = sign * (abs(block[at]) // STEP + 0.25 + 0.5 * bit) * STEP
            number += 1
    u += np.kron((moved - mean) / 2, np.ones((2, 2)))
    yuv[:height, :width, 1] = u if carrier.centred else np.trunc(u).astype(np.uint8)
    marked = cv2.cvtColor(yuv, back)
    return np.clip(np.rint(marked), 0, 255).astype(np.uint8)
