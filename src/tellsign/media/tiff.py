"""TIFF: bounded reading of image file directories, shared by TIFF pictures and Exif blocks."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellsign.errors import LimitExceeded, MalformedMedia, UnsupportedFormat
from tellsign.media.header import Header
from tellsign.media.limits import Limits

# Bytes per value of TIFF field types 1..13 and BigTIFF 16..18.
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_BIG_SIZES = {**SIZES, 16: 8, 17: 8, 18: 8}
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I"}
_BIG_CODES = {16: "Q", 17: "q", 18: "Q"}

# Fields of one directory that are read; cameras write below 200.
_MAX_FIELDS = 1_000
# A picture of 100 megapixels in tiles of 16 x 16 has 390,625.
_MAX_STRIPS = 2_000_000
# Longer arrays stay bytes.
_MAX_VALUES = 4_096

# What a decoder needs of a directory. Everything else, orientation included, is left out of what
# it is given: metadata cannot break the picture, and pixels stay as stored.
_PICTURE_TAGS = frozenset(
    (254, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323)
    + (324, 325, 332, 338, 339, 347, 512, 513, 514, 515, 519, 520, 521, 529, 530, 531, 532)
)
_COMPRESSIONS = {1: "none", 2: "CCITT RLE", 3: "CCITT G3", 4: "CCITT G4", 5: "LZW", 6: "JPEG",
                 7: "JPEG", 8: "deflate", 32773: "PackBits", 32946: "deflate", 34925: "LZMA",
                 50000: "Zstandard", 50001: "WebP"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """One directory entry; `offset` is of its value, relative to the TIFF header.

    Values are cut out on demand: many entries can point to the same megabytes.
    """

    data: bytes = dataclasses.field(repr=False)
    tag: int
    type: int
    count: int
    offset: int
    size: int  # bytes of the value
    entry: bytes  # the directory entry as stored

    def raw(self, most: int | None = None) -> bytes:
        """The value's bytes, or the first `most` of them."""
        size = self.size if most is None else min(self.size, most)
        return self.data[self.offset : self.offset + size]


@dataclass(frozen=True, slots=True)
class Tiff:
    """Byte order and flavour of a TIFF structure inside `data`."""

    data: bytes
    order: str  # "<" or ">"
    big: bool
    first: int  # offset of the first directory

    @classmethod
    def open(cls, data: bytes) -> Tiff | None:
        """Read the header; None when it is no TIFF header."""
        order = {b"II": "<", b"MM": ">"}.get(data[:2])
        if order is None or len(data) < 8:
            return None
        (magic,) = struct.unpack_from(order + "H", data, 2)
        if magic == 43 and len(data) >= 16:
            return cls(data, order, True, struct.unpack_from(order + "Q", data, 8)[0])
        # 0x55 is Panasonic RW2, 0x4F52 Olympus; both are TIFF otherwise, but raw files.
        if magic != 42:
            return None
        return cls(data, order, False, struct.unpack_from(order + "I", data, 4)[0])

    def directory(self, offset: int) -> tuple[list[Field], int, bool]:
        """Fields at `offset`, the next directory's offset (0: none), and whether all is sound."""
        head, width, code = (8, 20, "Q") if self.big else (2, 12, "H")
        if not 0 < offset <= len(self.data) - head:
            return [], 0, False
        (count,) = struct.unpack_from(self.order + code, self.data, offset)
        sound = count <= _MAX_FIELDS
        fields: list[Field] = []
        for i in range(min(count, _MAX_FIELDS)):
            at = offset + head + i * width
            if at + width > len(self.data):
                return fields, 0, False
            found = self._field(at)
            if found is None:
                sound = False
            else:
                fields.append(found)
        at = offset + head + count * width
        size = 8 if self.big else 4
        if at + size > len(self.data):
            return fields, 0, False
        (following,) = struct.unpack_from(self.order + ("Q" if self.big else "I"), self.data, at)
        return fields, following, sound

    def _field(self, at: int) -> Field | None:
        inline = 8 if self.big else 4
        tag, kind, count = struct.unpack_from(
            self.order + ("HHQ" if self.big else "HHI"), self.data, at
        )
        size = (_BIG_SIZES if self.big else SIZES).get(kind, 0) * count
        place = at + (12 if self.big else 8)
        entry = self.data[at : at + (20 if self.big else 12)]
        if not size:
            return None
        if size > inline:
            (place,) = struct.unpack_from(self.order + ("Q" if self.big else "I"), self.data, place)
            if place + size > len(self.data):
                return None
        return Field(self.data, tag, kind, count, place, size, entry)

    def numbers(self, field: Field) -> tuple[int | float, ...]:
        """Numeric values of a field, rationals as quotients (those over zero left out); else ()."""
        if field.count > _MAX_VALUES:
            return ()
        count = field.count
        if field.type in (5, 10):
            code = "I" if field.type == 5 else "i"
            flat = struct.unpack_from(f"{self.order}{2 * count}{code}", field.raw())
            return tuple(n / d for n, d in zip(flat[::2], flat[1::2], strict=True) if d)
        code = _CODES.get(field.type) or _BIG_CODES.get(field.type, "")
        if not code:
            return ()
        return struct.unpack_from(f"{self.order}{count}{code}", field.raw())

    def chain(self, most: int) -> Iterator[tuple[int, list[Field], bool]]:
        """Directories linked from the header, loops and more than `most` cut off."""
        seen: set[int] = set()
        at = self.first
        while at and at not in seen and len(seen) < most:
            seen.add(at)
            fields, following, sound = self.directory(at)
            yield at, fields, sound
            at = following


def header(data: bytes, name: str, limits: Limits) -> Header:
    """Check every page and describe the first. Raises InputError subclasses."""
    tiff = Tiff.open(data)
    if tiff is None:
        raise MalformedMedia(f"{name}: the TIFF header is broken")
    # One more than allowed, so that check_frames can tell.
    pages = [fields for _, fields, _ in tiff.chain(limits.max_frames + 1)]
    if not pages or not pages[0]:
        raise MalformedMedia(f"{name}: the TIFF has no readable directory")
    limits.check_frames(len(pages), name)
    _refuse_raw(pages[0], tiff, data, name)
    shapes = [_check_page(tiff, page, number, name, limits) for number, page in enumerate(pages)]
    width, height, mode, depth, compression = shapes[0]
    return Header(
        width,
        height,
        mode,
        depth,
        frames=len(pages),
        codec=_COMPRESSIONS.get(compression),
    )


def rebuild(tiff: Tiff, fields: list[Field]) -> bytes:
    """The same page as a file of one directory that holds only what a decoder needs."""
    entries = [f.entry for f in sorted(fields, key=lambda f: f.tag) if f.tag in _PICTURE_TAGS]
    if tiff.big:
        head, start = tiff.data[:8], 16
        place = struct.pack(tiff.order + "Q", len(tiff.data))
        count, end = struct.pack(tiff.order + "Q", len(entries)), bytes(8)
    else:
        head, start = tiff.data[:4], 8
        place = struct.pack(tiff.order + "I", len(tiff.data))
        count, end = struct.pack(tiff.order + "H", len(entries)), bytes(4)
    return b"".join([head, place, tiff.data[start:], count, *entries, end])


def page(data: bytes, number: int) -> bytes:
    """Page `number` of a checked file, rebuilt."""
    tiff = Tiff.open(data)
    assert tiff is not None
    for index, (_, fields, _) in enumerate(tiff.chain(number + 1)):
        if index == number:
            return rebuild(tiff, fields)
    raise IndexError(number)


def sizes(data: bytes, limits: Limits) -> list[tuple[int, int]]:
    """Width and height of every page of a checked file."""
    tiff = Tiff.open(data)
    assert tiff is not None
    found = []
    for _, fields, _ in tiff.chain(limits.max_frames):
        numbers = {f.tag: tiff.numbers(f) for f in fields if f.tag in (256, 257)}
        found.append((int(numbers[256][0]), int(numbers[257][0])))
    return found


def _refuse_raw(fields: list[Field], tiff: Tiff, data: bytes, name: str) -> None:
    tags = {f.tag: f for f in fields}
    reduced = 254 in tags and (tiff.numbers(tags[254]) or (0,))[0] == 1 and 330 in tags
    # 50706 DNGVersion; "CR" at byte 8 is Canon CR2; a reduced first picture with sub-directories
    # is how Nikon and others put a preview before the sensor data.
    if 50706 in tags or data[8:10] == b"CR" or reduced:
        raise UnsupportedFormat(f"{name}: a camera raw file; develop it to a picture first")


def _check_page(
    tiff: Tiff, fields: list[Field], number: int, name: str, limits: Limits
) -> tuple[int, int, str, int, int]:
    first: dict[int, Field] = {}
    for field in fields:
        first.setdefault(field.tag, field)

    def value(tag: int, default: int) -> int:
        numbers = tiff.numbers(first[tag]) if tag in first else ()
        return int(numbers[0]) if numbers else default

    where = name if number == 0 else f"{name}, page {number + 1}"
    width, height = value(256, 0), value(257, 0)
    if not width or not height:
        raise MalformedMedia(f"{where}: the TIFF states no size")
    limits.check_size(width, height, where)
    samples, depth = value(277, 1), value(258, 1)
    kind, photometric, compression = value(339, 1), value(262, 1), value(259, 1)
    if kind not in (1, 4) or depth not in (1, 2, 4, 8, 16) or not 1 <= samples <= 8:
        raise UnsupportedFormat(f"{where}: TIFF of {samples} x {depth}-bit samples of type {kind}")
    tile = value(322, 0) * value(323, 0)
    if tile > limits.max_pixels:
        raise LimitExceeded(f"{where}: TIFF tiles of {tile} pixels")
    # Subsampled YCbCr takes less than its size; what is compressed cannot be told.
    plain = compression == 1 and photometric != 6
    needed = height * -(-width * samples * depth // 8) if plain else 0
    _check_strips(tiff, first, needed, where)
    modes = {2: "RGB", 3: "P", 5: "CMYK", 6: "YCbCr", 8: "LAB"}
    mode = "1" if depth == 1 and photometric in (0, 1) else modes.get(photometric, "L")
    if 338 in first and mode in ("RGB", "L"):
        mode += "A"
    return width, height, mode, depth, compression


def _check_strips(tiff: Tiff, first: dict[int, Field], needed: int, where: str) -> None:
    """Picture data must lie in the file, and suffice where they are not compressed."""
    starts, counts = (
        (first.get(324), first.get(325)) if 324 in first else (first.get(273), first.get(279))
    )
    if starts is None:
        raise MalformedMedia(f"{where}: the TIFF names no picture data")
    offsets = _integers(tiff, starts, where)
    lengths = _integers(tiff, counts, where) if counts else offsets[:0]
    size = len(tiff.data)
    paired = min(len(offsets), len(lengths))
    ends = offsets[:paired] + lengths[:paired]
    # Sums wrap around 64 bits, so both parts are compared.
    if (
        not len(offsets)
        or max(offsets) >= size
        or (paired and max(lengths.max(), ends.max()) > size)
    ):
        raise MalformedMedia(f"{where}: the TIFF is cut off: picture data lie beyond byte {size}")
    if paired and int(lengths.sum()) < needed:
        raise MalformedMedia(f"{where}: the TIFF holds fewer picture data than its size calls for")


def _integers(tiff: Tiff, field: Field, where: str) -> NDArray[np.uint64]:
    if field.count > _MAX_STRIPS:
        raise LimitExceeded(f"{where}: TIFF data in {field.count} pieces")
    code = {3: "u2", 4: "u4", 13: "u4", 16: "u8", 18: "u8"}.get(field.type)
    if code is None:
        raise MalformedMedia(f"{where}: the TIFF names its picture data in no known way")
    return np.frombuffer(field.raw(), tiff.order + code).astype(np.uint64)
