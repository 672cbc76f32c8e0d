"""PNG and APNG: chunks, header, what a decoder is given, and metadata."""

from __future__ import annotations

import binascii
import re
import struct
import zlib
from dataclasses import dataclass

from tellsign.errors import LimitExceeded, MalformedMedia
from tellsign.media import exif, icc, iptc, xmp
from tellsign.media.header import Header
from tellsign.media.limits import Limits
from tellsign.media.metadata import Builder, decode
from tellsign.types import ByteRange

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Allowed depths by colour type (PNG specification, table 11.1) and Pillow's name of the type.
_TYPES = {
    0: ("L", (1, 2, 4, 8, 16)),
    2: ("RGB", (8, 16)),
    3: ("P", (1, 2, 4, 8)),
    4: ("LA", (8, 16)),
    6: ("RGBA", (8, 16)),
}
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# A picture of 256 MiB in libpng's usual pieces of 8 kB has 32,768.
_MAX_CHUNKS = 200_000
_PIECE = 1 << 16  # bytes inflated at a time
_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_ANIMATION = (b"acTL", b"fcTL", b"fdAT")
# ImageMagick stores whole blocks as hexadecimal text.
_PROFILE = re.compile(r"Raw profile type (\w+)$")


@dataclass(frozen=True, slots=True)
class Chunk:
    type: bytes
    offset: int  # of its content
    length: int
    sound: bool  # checksum


def chunks(data: bytes, name: str) -> list[Chunk]:
    """All chunks up to IEND. Raises MalformedMedia where the file is cut off or damaged."""
    found: list[Chunk] = []
    at = len(_SIGNATURE)
    while at + 12 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 12 + length
        if length > 0x7FFFFFFF or not kind.isalpha():
            raise MalformedMedia(f"{name}: the PNG has no chunk where one must be, byte {at}")
        if end > len(data):
            break
        sound = zlib.crc32(data[at + 4 : end - 4]) == int.from_bytes(data[end - 4 : end], "big")
        if not sound and kind in _CRITICAL:
            raise MalformedMedia(
                f"{name}: PNG chunk {kind.decode()} at byte {at} is damaged (checksum)"
            )
        found.append(Chunk(kind, at + 8, length, sound))
        if len(found) > _MAX_CHUNKS:
            raise LimitExceeded(f"{name}: more than {_MAX_CHUNKS} PNG chunks")
        at = end
        if kind == b"IEND":
            return found
    raise MalformedMedia(
        f"{name}: the PNG is cut off at byte {len(data)}, in the chunk at byte {at}"
    )


def header(data: bytes, name: str, limits: Limits) -> Header:
    """Check the structure. Raises MalformedMedia and LimitExceeded."""
    if data[12:16] != b"IHDR" or data[8:12] != b"\0\0\0\x0d" or len(data) < 33:
        raise MalformedMedia(f"{name}: the PNG does not begin with its header")
    width, height, depth, colour, *rest = struct.unpack_from(">IIBBBBB", data, 16)
    mode, depths = _TYPES.get(colour, ("", ()))
    if not width or not height or depth not in depths or rest[:2] != [0, 0] or rest[2] > 1:
        raise MalformedMedia(f"{name}: the PNG header is impossible")
    limits.check_size(width, height, name)
    found = chunks(data, name)
    kinds = [c.type for c in found]
    if b"IDAT" not in kinds:
        raise MalformedMedia(f"{name}: the PNG holds no picture data")
    if colour == 3 and b"PLTE" not in kinds:
        raise MalformedMedia(f"{name}: the PNG has no palette")
    frames = _frames(kinds)
    limits.check_frames(frames, name)
    _check_amount(data, found, (width, height, depth * _SAMPLES[colour], rest[2]), name)
    if colour in (0, 2, 3) and b"tRNS" in kinds:
        mode = {"L": "LA", "RGB": "RGBA"}.get(mode, mode)
    return Header(width, height, mode, depth, frames=frames, picture=_still(data, found))


def _frames(kinds: list[bytes]) -> int:
    if b"acTL" not in kinds or b"fcTL" not in kinds:
        return 1
    # A still picture before the first frame control is no part of the animation.
    return kinds.count(b"fcTL") + (kinds.index(b"fcTL") > kinds.index(b"IDAT"))


def _check_amount(
    data: bytes, found: list[Chunk], shape: tuple[int, int, int, int], name: str
) -> None:
    """The compressed stream must hold as many bytes as the header calls for.

    Decoders fill missing rows silently. Nothing is inflated beyond the size in the header.
    """
    width, height, bits, interlaced = shape
    expected = sum(
        (1 + -(-w * bits // 8)) * h for w, h in _passes(width, height, interlaced) if w and h
    )
    inflate, produced = zlib.decompressobj(), 0
    try:
        for chunk in found:
            if chunk.type != b"IDAT":
                continue
            for at in range(chunk.offset, chunk.offset + chunk.length, _PIECE):
                rest = data[at : min(at + _PIECE, chunk.offset + chunk.length)]
                while rest and produced < expected:
                    produced += len(inflate.decompress(rest, 16 * _PIECE))
                    rest = inflate.unconsumed_tail
    except zlib.error as error:
        row = produced * height // max(expected, 1)
        raise MalformedMedia(f"{name}: the PNG data are damaged about row {row}") from error
    if produced < expected:
        raise MalformedMedia(
            f"{name}: the PNG header says {width} x {height} pixels, but the data end about row"
            f" {produced * height // expected}"
        )


def _passes(width: int, height: int, interlaced: int) -> list[tuple[int, int]]:
    """Sizes of the (Adam7) passes."""
    if not interlaced:
        return [(width, height)]
    starts = (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    )
    return [(-(-(width - x) // dx) if width > x else 0, -(-(height - y) // dy) if height > y else 0)
            for x, y, dx, dy in starts]  # fmt: skip


def _still(data: bytes, found: list[Chunk], animated: bool = False) -> bytes:
    keep = (*_CRITICAL, b"tRNS", *(_ANIMATION if animated else ()))
    parts = [
        data[c.offset - 8 : c.offset + c.length + 4] for c in found if c.type in keep and c.sound
    ]
    return _SIGNATURE + b"".join(parts)


def animation(data: bytes, name: str) -> bytes:
    """The stream a decoder of APNG is given."""
    return _still(data, chunks(data, name), animated=True)


def describe(data: bytes, name: str, limits: Limits, into: Builder) -> None:
    """Collect metadata chunks."""
    for chunk in chunks(data, name):
        if chunk.type in (*_CRITICAL, *_ANIMATION):
            continue
        content = data[chunk.offset : chunk.offset + chunk.length]
        place = (chunk.offset, chunk.length)
        if not chunk.sound:
            into.problem(
                f"PNG chunk {chunk.type.decode()} at byte {chunk.offset - 8} has a wrong checksum"
            )
        if chunk.type in (b"tEXt", b"zTXt", b"iTXt"):
            _text(chunk.type, content, place, limits, into)
        elif chunk.type == b"eXIf":
            exif.parse(content, chunk.offset, into)
        elif chunk.type == b"iCCP":
            _, _, rest = content.partition(b"\0")
            profile = _inflate(rest[1:], limits, into, "iCCP")
            if profile:
                icc.parse(profile, None, into)
        elif chunk.type == b"caBX":
            into.jumbf.append(ByteRange(*place))


def _text(
    kind: bytes, content: bytes, place: tuple[int, int], limits: Limits, into: Builder
) -> None:
    word, _, rest = content.partition(b"\0")
    keyword = decode(word)
    offset: int | None = place[0] + len(word) + 1
    if kind == b"zTXt":
        raw, offset = _inflate(rest[1:], limits, into, keyword), None
    elif kind == b"iTXt":
        packed = rest[:1] == b"\1"
        tail = rest[2:].split(b"\0", 2)
        raw = tail[2] if len(tail) == 3 else b""
        offset = place[0] + place[1] - len(raw)
        if packed:
            raw, offset = _inflate(raw, limits, into, keyword), None
    else:
        raw = rest
    if keyword == "XML:com.adobe.xmp":
        xmp.parse(raw, offset, into)
        return
    profile = _PROFILE.match(keyword)
    if profile and _profile(profile[1].lower(), raw, into):
        return
    into.add(f"png:{keyword}", decode(raw), offset, None if offset is None else len(raw))


def _profile(kind: str, raw: bytes, into: Builder) -> bool:
    """A block in ImageMagick's hexadecimal form; False when it is not that."""
    parts = raw.split(None, 2)
    try:
        block = binascii.unhexlify(b"".join(parts[2].split())) if len(parts) == 3 else b""
    except binascii.Error:
        return False
    if kind in ("exif", "app1") and block[:6] == b"Exif\0\0":
        exif.parse(block[6:], None, into)
    elif kind == "xmp":
        xmp.parse(block, None, into)
    elif kind in ("iptc", "8bim"):
        iptc.parse_resources(block, None, into)
    elif kind in ("icc", "icm"):
        icc.parse(block, None, into)
    else:
        return False
    return True


def _inflate(raw: bytes, limits: Limits, into: Builder, what: str) -> bytes:
    """At most one byte more than the limit, so that the value is marked as cut."""
    if into.left <= 0:
        return b""
    inflate = zlib.decompressobj()
    try:
        out = inflate.decompress(raw, limits.max_metadata_bytes + 1)
    except zlib.error:
        into.problem(f"compressed metadata {what!r} are damaged")
        return b""
    into.spend(len(out))
    if len(out) > limits.max_metadata_bytes:
        into.problem(
            f"metadata {what!r} are longer than {limits.max_metadata_bytes} bytes and were cut"
        )
    return out
