"""What a container states about its picture, checked before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Header:
    """Facts of the first picture and what a decoder is given of it.

    `picture` is a stream with everything left out that a decoder does not need, so that broken
    metadata cannot fail a picture; empty where it is made on demand.
    """

    width: int  # stored pixels
    height: int
    mode: str  # Pillow's names without depth: "1", "L", "LA", "P", "RGB", "RGBA", "CMYK", ...
    bit_depth: int  # per sample (of an index for "P")
    frames: int = 1
    orientation: int | None = None  # as the container says; overrides Exif where given
    codec: str | None = None
    picture: bytes = b""
