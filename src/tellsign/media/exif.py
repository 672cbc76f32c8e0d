"""Exif: all directories of one block, with byte offsets, safe against loops and false lengths."""

from __future__ import annotations

from collections.abc import Mapping

from tellsign.media import icc, iptc, xmp
from tellsign.media.metadata import Builder, Value, decode
from tellsign.media.tiff import Field, Tiff
from tellsign.types import ByteRange

_EXIF, _GPS, _INTEROP = 0x8769, 0x8825, 0xA005
_USER_COMMENT, _MAKER_NOTE = 0x9286, 0x927C
# Windows' XPTitle, XPComment, XPAuthor, XPKeywords, XPSubject: UTF-16LE in a byte array.
_XP = range(0x9C9B, 0x9CA0)
_THUMBNAIL, _THUMBNAIL_LENGTH = 0x0201, 0x0202
# Blocks of other kinds inside a TIFF structure: XMP, IPTC, Photoshop resources, ICC, C2PA.
_XMP, _IPTC, _PHOTOSHOP, _ICC, _C2PA = 0x02BC, 0x83BB, 0x8649, 0x8773, 0xCD41
# Where picture data lie is no statement about the picture.
_LAYOUT = frozenset((273, 279, 288, 289, 324, 325, 0x0201))

_CODINGS = {b"ASCII\0\0\0": "ascii", b"JIS\0\0\0\0\0": "iso2022_jp", bytes(8): "utf-8"}
# Directories of one block: two in the chain, three below each, and what cameras add.
_MAX_DIRECTORIES = 32

_INTEROP_NAMES = {1: "InteropIndex", 2: "InteropVersion"}


def _name(space: str, tag: int) -> str:
    from PIL import ExifTags  # 40 ms that listing detectors need not wait for

    names: Mapping[int, str] = {"gps": ExifTags.GPSTAGS, "interop": _INTEROP_NAMES}.get(
        space, ExifTags.TAGS
    )
    return names.get(tag) or f"0x{tag:04X}"


def parse(block: bytes, offset: int | None, into: Builder) -> None:
    """Collect every entry of a block that begins with a TIFF header.

    Keys are "exif:" for the first directory and the Exif directory, "thumbnail:", "gps:" and
    "interop:" for theirs. `offset` is the block's place in the file, None when it was unpacked.
    """
    if not into.begin("Exif"):
        return
    tiff = Tiff.open(block)
    if tiff is None:
        into.problem("the Exif block has no TIFF header")
        return
    into.block("exif", block)
    _Reader(tiff, offset, into).run()


def parse_file(data: bytes, into: Builder) -> None:
    """Collect the metadata of a TIFF picture: of its first page, and its thumbnail page if any."""
    tiff = Tiff.open(data)
    if tiff is not None:
        _Reader(tiff, 0, into).run(pages=1)


class _Reader:
    def __init__(self, tiff: Tiff, base: int | None, into: Builder) -> None:
        self.tiff, self.base, self.into = tiff, base, into
        self.seen: set[int] = set()

    def run(self, pages: int = 2) -> None:
        at = self.tiff.first
        for number in range(pages):
            if not at:
                return
            at = self.directory(at, "exif" if number == 0 else "thumbnail")

    def directory(self, at: int, space: str) -> int:
        if at in self.seen or len(self.seen) >= _MAX_DIRECTORIES:
            self.into.problem("Exif directories refer to each other in a loop")
            return 0
        self.seen.add(at)
        fields, following, sound = self.tiff.directory(at)
        if not sound:
            self.into.problem(f"Exif directory at byte {at} is damaged")
        numbers: dict[int, int] = {}
        for field in fields:
            values = self.tiff.numbers(field)
            if values and isinstance(values[0], int):
                numbers.setdefault(field.tag, values[0])
            if (
                space in ("exif", "thumbnail")
                and field.tag in (_EXIF, _GPS)
                and field.tag in numbers
            ):
                self.directory(numbers[field.tag], {_EXIF: space, _GPS: "gps"}[field.tag])
            elif field.tag == _INTEROP and space == "exif" and field.tag in numbers:
                self.directory(numbers[field.tag], "interop")
            elif not (space == "exif" and self.foreign(field)):
                self.entry(field, space)
        if space == "thumbnail":
            self.thumbnail(numbers.get(_THUMBNAIL, 0), numbers.get(_THUMBNAIL_LENGTH, 0))
        return following

    def place(self, field: Field) -> int | None:
        return None if self.base is None else self.base + field.offset

    def foreign(self, field: Field) -> bool:
        """Blocks of other kinds go to their own readers."""
        place = self.place(field)
        if field.tag == _XMP:
            xmp.parse(field.raw(), place, self.into)
        elif field.tag == _IPTC:
            iptc.parse_iim(field.raw(), place, self.into)
        elif field.tag == _PHOTOSHOP:
            iptc.parse_resources(field.raw(), place, self.into)
        elif field.tag == _ICC:
            icc.parse(field.raw(), place, self.into)
        elif field.tag == _C2PA and place is not None:
            self.into.jumbf.append(ByteRange(place, field.count))
        else:
            return False
        return True

    def entry(self, field: Field, space: str) -> None:
        if field.tag in _LAYOUT:
            return
        key = f"{space}:{_name(space, field.tag)}"
        if self.into.left > 0:
            self.into.add(key, self.value(field), self.place(field), field.size)

    def value(self, field: Field) -> Value:
        raw = field.raw(2 * self.into.limit + 2)
        if field.tag == _USER_COMMENT:
            return _user_comment(raw, self.tiff.order)
        if field.tag in _XP and field.type in (1, 7):
            return raw.decode("utf-16-le", "replace").rstrip("\0")
        if field.type == 2:
            return decode(raw.rstrip(b"\0"))
        if field.type == 7 or field.tag == _MAKER_NOTE:
            return raw
        numbers = self.tiff.numbers(field)
        if not numbers:
            return raw
        return numbers[0] if len(numbers) == 1 else numbers

    def thumbnail(self, start: int, length: int) -> None:
        raw = self.tiff.data[start : start + length]
        if raw[:2] == b"\xff\xd8":
            self.into.thumbnails.setdefault("thumbnail", raw)
            if len(raw) < length:
                self.into.problem("the Exif thumbnail is cut off")


def _user_comment(raw: bytes, order: str) -> str:
    """Text after the eight bytes that name its coding (Exif 2.32, UserComment)."""
    coding, body = raw[:8], raw[8:]
    if coding == b"UNICODE\0":
        # The byte order should be that of the block, but writers differ: see where zeros fall.
        high, low = body[0::2].count(0), body[1::2].count(0)
        big = high > low if high != low else order == ">"
        return body.decode("utf-16-be" if big else "utf-16-le", "replace").rstrip("\0 ")
    if coding in _CODINGS:
        try:
            return body.decode(_CODINGS[coding]).rstrip("\0 ")
        except UnicodeDecodeError:
            return decode(body).rstrip("\0 ")
    return decode(raw).rstrip("\0 ")
