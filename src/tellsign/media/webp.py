"""WebP: RIFF chunks, header, what a decoder is given, and metadata."""

from __future__ import annotations

from dataclasses import dataclass

from tellsign.errors import LimitExceeded, MalformedMedia
from tellsign.media import exif, icc, xmp
from tellsign.media.header import Header
from tellsign.media.limits import Limits
from tellsign.media.metadata import Builder
from tellsign.types import ByteRange

_MAX_CHUNKS = 5_000
# libwebp's decoder of animations, which Pillow uses for stills as well, holds four RGBA copies.
_MAX_PIXELS = 64_000_000
_PICTURE = (b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")
_ALPHA, _ANIMATED = 0x10, 0x02  # flags of VP8X


@dataclass(frozen=True, slots=True)
class Chunk:
    type: bytes
    offset: int  # of its content
    length: int


def chunks(data: bytes, start: int, end: int, name: str) -> list[Chunk]:
    """Chunks between two offsets. Raises MalformedMedia where one is cut off."""
    found: list[Chunk] = []
    at = start
    while at + 8 <= end:
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + length > end:
            raise MalformedMedia(f"{name}: the WebP is cut off in the chunk at byte {at}")
        found.append(Chunk(data[at : at + 4], at + 8, length))
        if len(found) > _MAX_CHUNKS:
            raise LimitExceeded(f"{name}: more than {_MAX_CHUNKS} WebP chunks")
        at += 8 + length + (length & 1)
    return found


def _top(data: bytes, name: str) -> list[Chunk]:
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data) + 1 or end < 20:
        raise MalformedMedia(f"{name}: the WebP is cut off at byte {len(data)} of {end}")
    return chunks(data, 12, min(end, len(data)), name)


def header(data: bytes, name: str, limits: Limits) -> Header:
    """Check the structure. Raises MalformedMedia and LimitExceeded."""
    found = _top(data, name)
    kinds = [c.type for c in found]
    first = found[0] if found else None
    if first is None or first.type not in (b"VP8 ", b"VP8L", b"VP8X"):
        raise MalformedMedia(f"{name}: the WebP does not begin with a picture")
    pictures = [c for c in found if c.type in (b"VP8 ", b"VP8L")]
    frames = [c for c in found if c.type == b"ANMF"]
    if first.type == b"VP8X":
        if first.length < 10:
            raise MalformedMedia(f"{name}: the WebP header is cut off")
        width, height = _size24(data, first.offset + 4)
        alpha = bool(data[first.offset] & _ALPHA)
    else:
        width, height, alpha = _bitstream(data, first, name)
    limits.check_size(width, height, name)
    if width * height > _MAX_PIXELS:
        raise LimitExceeded(
            f"{name}: {width} x {height} pixels, over the limit of {_MAX_PIXELS} for WebP"
        )
    animated = first.type == b"VP8X" and bool(data[first.offset] & _ANIMATED)
    codec = "VP8L" if b"VP8L" in kinds else "VP8"
    if animated:
        if not frames:
            raise MalformedMedia(f"{name}: the WebP animation has no frame")
        limits.check_frames(len(frames), name)
        codec = _check_frames(data, frames, (width, height), name)
    elif not pictures:
        raise MalformedMedia(f"{name}: the WebP holds no picture")
    elif _bitstream(data, pictures[0], name)[:2] != (width, height):
        raise MalformedMedia(f"{name}: the WebP header and its picture differ in size")
    return Header(
        width,
        height,
        "RGBA" if alpha else "RGB",
        8,
        frames=len(frames) if animated else 1,
        codec=codec,
        picture=_bare(data, found),
    )


def _size24(data: bytes, at: int) -> tuple[int, int]:
    return (
        1 + int.from_bytes(data[at : at + 3], "little"),
        1 + int.from_bytes(data[at + 3 : at + 6], "little"),
    )


def _bitstream(data: bytes, chunk: Chunk, name: str) -> tuple[int, int, bool]:
    """Width, height and alpha of a VP8 (RFC 6386, 9.1) or VP8L bitstream."""
    head = data[chunk.offset : chunk.offset + min(chunk.length, 10)]
    if chunk.type == b"VP8L" and len(head) >= 5 and head[0] == 0x2F:
        bits = int.from_bytes(head[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), bool(bits >> 28 & 1)
    if chunk.type == b"VP8 " and len(head) == 10 and head[3:6] == b"\x9d\x01\x2a":
        width, height = (int.from_bytes(head[i : i + 2], "little") & 0x3FFF for i in (6, 8))
        if width and height:
            return width, height, False
    raise MalformedMedia(f"{name}: the WebP picture at byte {chunk.offset} has a broken header")


def _check_frames(data: bytes, frames: list[Chunk], canvas: tuple[int, int], name: str) -> str:
    codec = "VP8"
    for frame in frames:
        if frame.length < 24:
            raise MalformedMedia(f"{name}: the WebP frame at byte {frame.offset} is cut off")
        x, y = (
            2 * int.from_bytes(data[frame.offset + i : frame.offset + i + 3], "little")
            for i in (0, 3)
        )
        width, height = _size24(data, frame.offset + 6)
        parts = chunks(data, frame.offset + 16, frame.offset + frame.length, name)
        pictures = [c for c in parts if c.type in (b"VP8 ", b"VP8L")]
        fits = x + width <= canvas[0] and y + height <= canvas[1]
        if not pictures or not fits or _bitstream(data, pictures[0], name)[:2] != (width, height):
            raise MalformedMedia(f"{name}: the WebP frame at byte {frame.offset} is impossible")
        if pictures[0].type == b"VP8L":
            codec = "VP8L"
    return codec


def _bare(data: bytes, found: list[Chunk]) -> bytes:
    parts = []
    for chunk in found:
        content = data[chunk.offset : chunk.offset + chunk.length]
        if chunk.type == b"VP8X":
            content = bytes([content[0] & (_ALPHA | _ANIMATED)]) + content[1:10]
        elif chunk.type not in _PICTURE:
            continue
        parts.append(
            chunk.type + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) & 1)
        )
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def describe(data: bytes, name: str, limits: Limits, into: Builder) -> None:
    """Collect EXIF, XMP, ICCP and C2PA chunks."""
    for chunk in _top(data, name):
        content = data[chunk.offset : chunk.offset + chunk.length]
        if chunk.type == b"EXIF":
            skip = 6 if content[:6] == b"Exif\0\0" else 0
            exif.parse(content[skip:], chunk.offset + skip, into)
        elif chunk.type == b"XMP ":
            xmp.parse(content, chunk.offset, into)
        elif chunk.type == b"ICCP":
            icc.parse(content, chunk.offset, into)
        elif chunk.type == b"C2PA":
            into.jumbf.append(ByteRange(chunk.offset, chunk.length))
        elif chunk.type not in (*_PICTURE, b"VP8X"):
            key = chunk.type.decode("latin-1").strip()
            into.add(f"webp:{key}", content, chunk.offset, chunk.length)
