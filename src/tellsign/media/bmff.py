"""ISO base media files (HEIF, AVIF): boxes, picture properties and metadata items."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from tellsign.errors import LimitExceeded, MalformedMedia
from tellsign.media import exif, icc, xmp
from tellsign.media.header import Header
from tellsign.media.limits import Limits
from tellsign.media.metadata import Builder
from tellsign.types import ByteRange

_MAX_BOXES = 20_000
_MAX_ITEMS = 1_000
_MAX_EXTENTS = 100
_MAX_METADATA = 8
# The uuid box of a C2PA manifest store (C2PA specification, "Embedding manifests into BMFF").
_C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


@dataclass(frozen=True, slots=True)
class Box:
    type: bytes
    offset: int  # of its content
    end: int


def boxes(data: bytes, start: int, end: int, name: str) -> list[Box]:
    """Boxes between two offsets. Raises MalformedMedia where one is cut off."""
    found: list[Box] = []
    at = start
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1 and at + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        elif size == 0:
            size = end - at
        if size < head or at + size > end:
            raise MalformedMedia(f"{name}: box {kind!r} at byte {at} is cut off")
        found.append(Box(kind, at + head, at + size))
        if len(found) > _MAX_BOXES:
            raise LimitExceeded(f"{name}: more than {_MAX_BOXES} boxes")
        at += size
    return found


@dataclass(slots=True)
class _Meta:
    """What the meta box says about items."""

    primary: int = 0
    types: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)  # type, MIME type
    places: dict[int, tuple[int, int]] = field(default_factory=dict)  # offset, length in the file
    properties: list[Box] = field(default_factory=list)
    owned: dict[int, list[int]] = field(default_factory=dict)  # item: indices of properties from 1


def header(data: bytes, name: str, limits: Limits) -> Header:
    """Check sizes before decoding. Raises MalformedMedia and LimitExceeded."""
    top = boxes(data, 0, len(data), name)
    meta = _meta(data, top, name)
    sizes = []
    for box in meta.properties:
        if box.type == b"ispe" and box.end - box.offset >= 12:
            sizes.append(struct.unpack_from(">II", data, box.offset + 4))
    for width, height in sizes:
        if (
            width > limits.max_side
            or height > limits.max_side
            or width * height > limits.max_pixels
        ):
            limits.check_size(width, height, name)
    width, height = _primary_size(data, meta) or (max(sizes) if sizes else (0, 0))
    if not sizes and not any(b.type == b"moov" for b in top):
        raise MalformedMedia(f"{name}: states no picture size")
    if width and height:
        limits.check_size(width, height, name)
    return Header(width, height, "RGB", _depth(data, meta), picture=data)


def _primary_size(data: bytes, meta: _Meta) -> tuple[int, int] | None:
    for box in _of(meta, meta.primary):
        if box.type == b"ispe" and box.end - box.offset >= 12:
            width, height = struct.unpack_from(">II", data, box.offset + 4)
            return width, height
    return None


def _depth(data: bytes, meta: _Meta) -> int:
    for box in _of(meta, meta.primary):
        if box.type == b"pixi" and box.end - box.offset >= 6:
            return data[box.offset + 5]
    return 8


def _of(meta: _Meta, item: int) -> list[Box]:
    owned = meta.owned.get(item, [])
    return [meta.properties[i - 1] for i in owned if 0 < i <= len(meta.properties)]


def _meta(data: bytes, top: list[Box], name: str) -> _Meta:
    meta = _Meta()
    outer = next((b for b in top if b.type == b"meta"), None)
    if outer is None:
        return meta
    for box in boxes(data, outer.offset + 4, outer.end, name):
        reader = _Reader(data, box.offset, box.end)
        try:
            if box.type == b"pitm":
                wide = reader.number(4) >> 24
                meta.primary = reader.number(4 if wide else 2)
            elif box.type == b"iinf":
                _items(data, box, meta, name)
            elif box.type == b"iloc":
                _locations(reader, meta)
            elif box.type == b"iprp":
                _properties(data, box, meta, name)
        except IndexError:
            raise MalformedMedia(f"{name}: box {box.type!r} is cut off") from None
    return meta


class _Reader:
    """Big-endian numbers from a range; IndexError beyond its end."""

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self.data, self.at, self.end = data, at, end

    def number(self, size: int) -> int:
        if self.at + size > self.end:
            raise IndexError(self.at)
        self.at += size
        return int.from_bytes(self.data[self.at - size : self.at], "big")


def _items(data: bytes, box: Box, meta: _Meta, name: str) -> None:
    reader = _Reader(data, box.offset, box.end)
    wide = reader.number(4) >> 24
    reader.number(4 if wide else 2)
    for entry in boxes(data, reader.at, box.end, name)[:_MAX_ITEMS]:
        if entry.type != b"infe":
            continue
        inner = _Reader(data, entry.offset, entry.end)
        version = inner.number(4) >> 24
        if version < 2:
            continue
        item = inner.number(2 if version == 2 else 4)
        inner.number(2)
        kind = inner.number(4).to_bytes(4, "big")
        words = data[inner.at : entry.end].split(b"\0")
        meta.types[item] = (kind, words[1] if kind == b"mime" and len(words) > 1 else b"")


def _locations(reader: _Reader, meta: _Meta) -> None:
    version = reader.number(4) >> 24
    sizes = reader.number(2)
    offset, length, base = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index = sizes & 15 if version else 0
    for _ in range(min(reader.number(2 if version < 2 else 4), _MAX_ITEMS)):
        item = reader.number(2 if version < 2 else 4)
        method = reader.number(2) & 15 if version else 0
        reader.number(2)
        start = reader.number(base)
        for extent in range(min(reader.number(2), _MAX_EXTENTS)):
            if version:
                reader.number(index)
            at, size = start + reader.number(offset), reader.number(length)
            # Only whole items at offsets in the file; those inside an idat box are not metadata.
            if method == 0 and extent == 0:
                meta.places[item] = (at, size)


def _properties(data: bytes, box: Box, meta: _Meta, name: str) -> None:
    for inner in boxes(data, box.offset, box.end, name):
        if inner.type == b"ipco":
            meta.properties = boxes(data, inner.offset, inner.end, name)
        elif inner.type == b"ipma":
            reader = _Reader(data, inner.offset, inner.end)
            flags = reader.number(4)
            for _ in range(min(reader.number(4), _MAX_ITEMS)):
                item = reader.number(4 if flags >> 24 else 2)
                wide = 2 if flags & 1 else 1
                mask = 0x7FFF if flags & 1 else 0x7F
                meta.owned[item] = [reader.number(wide) & mask for _ in range(reader.number(1))]


def describe(data: bytes, name: str, limits: Limits, into: Builder) -> None:
    """Collect Exif and XMP items, the colour profile and C2PA boxes."""
    top = boxes(data, 0, len(data), name)
    meta = _meta(data, top, name)
    seen = 0
    for item, (kind, mime) in meta.types.items():
        exif_item, xmp_item = kind == b"Exif", mime == b"application/rdf+xml"
        if not exif_item and not xmp_item:
            continue
        if (seen := seen + 1) > _MAX_METADATA:
            into.problem(f"more than {_MAX_METADATA} metadata items; the rest was left out")
            break
        at, size = meta.places.get(item, (0, 0))
        content = data[at : at + size]
        if exif_item and len(content) > 4:
            # The item begins with the offset of the TIFF header.
            skip = 4 + int.from_bytes(content[:4], "big")
            exif.parse(content[skip:], at + skip, into)
        elif xmp_item:
            xmp.parse(content, at, into)
    for box in meta.properties:
        if box.type == b"colr" and data[box.offset : box.offset + 4] in (b"prof", b"rICC"):
            icc.parse(data[box.offset + 4 : box.end], box.offset + 4, into)
    for box in top:
        if box.type == b"uuid" and data[box.offset : box.offset + 16] == _C2PA:
            into.jumbf.append(ByteRange(box.offset, box.end - box.offset))
