"""IPTC IIM datasets and the Photoshop resources that carry them."""

from __future__ import annotations

from tellsign.media import icc, xmp
from tellsign.media.metadata import Builder, decode

_IIM, _THUMBNAIL, _ICC, _EXIF, _XMP = 0x0404, 0x040C, 0x040F, 0x0422, 0x0424
_MOST = 2_000  # resources or datasets of one block
_THUMBNAIL_HEADER = 28  # bytes before the JPEG in a thumbnail resource

# Application record datasets (IPTC-NAA IIM 4.2, chapter 6).
_NAMES = {
    5: "ObjectName",
    7: "EditStatus",
    10: "Urgency",
    15: "Category",
    20: "SupplementalCategory",
    25: "Keywords",
    40: "SpecialInstructions",
    55: "DateCreated",
    60: "TimeCreated",
    62: "DigitalCreationDate",
    63: "DigitalCreationTime",
    65: "OriginatingProgram",
    70: "ProgramVersion",
    80: "By-line",
    85: "By-lineTitle",
    90: "City",
    92: "Sub-location",
    95: "Province-State",
    100: "CountryCode",
    101: "CountryName",
    103: "OriginalTransmissionReference",
    105: "Headline",
    110: "Credit",
    115: "Source",
    116: "CopyrightNotice",
    118: "Contact",
    120: "Caption-Abstract",
    122: "Writer-Editor",
}


def parse_resources(block: bytes, offset: int | None, into: Builder) -> None:
    """Walk Photoshop image resources (8BIM); their text, profile and thumbnail are collected."""
    if not into.begin("Photoshop"):
        return
    at = 0
    for _ in range(_MOST):
        if at + 12 > len(block):
            return
        if block[at : at + 4] not in (b"8BIM", b"PHUT", b"DCSR", b"AgHg", b"MeSa"):
            into.problem("the Photoshop resources are broken")
            return
        number = int.from_bytes(block[at + 4 : at + 6], "big")
        name = block[at + 6] + 1
        start = at + 6 + name + (name & 1)
        size = int.from_bytes(block[start : start + 4], "big")
        content = block[start + 4 : start + 4 + size]
        if len(content) < size:
            into.problem("the Photoshop resources are cut off")
        _resource(number, content, None if offset is None else offset + start + 4, into)
        at = start + 4 + size + (size & 1)


def _resource(number: int, content: bytes, place: int | None, into: Builder) -> None:
    if number == _IIM:
        parse_iim(content, place, into)
    elif number == _XMP:
        xmp.parse(content, place, into)
    elif number == _ICC:
        icc.parse(content, place, into)
    elif number == _THUMBNAIL and content[_THUMBNAIL_HEADER:][:2] == b"\xff\xd8":
        into.thumbnails.setdefault("thumbnail:photoshop", content[_THUMBNAIL_HEADER:])


def parse_iim(raw: bytes, offset: int | None, into: Builder) -> None:
    """Add "iptc:Caption-Abstract" and the like; unnamed datasets as "iptc:2:231"."""
    if not into.begin("IPTC"):
        return
    into.block("iptc", raw)
    at, unicode = 0, False
    for _ in range(_MOST):
        if at + 5 > len(raw):
            return
        if raw[at] != 0x1C:
            if raw[at:].strip(b"\0"):
                into.problem("the IPTC block is broken")
            return
        record, dataset = raw[at + 1], raw[at + 2]
        size = int.from_bytes(raw[at + 3 : at + 5], "big")
        start = at + 5
        if size & 0x8000:  # an extended dataset: the low bits count the bytes of its length
            width = size & 0x7FFF
            size = int.from_bytes(raw[start : start + width], "big")
            start += width
        content = raw[start : start + size]
        if start + size > len(raw):
            into.problem("the IPTC block is cut off")
            return
        if (record, dataset) == (1, 90):
            unicode = content == b"\x1b%G"
        known = _NAMES.get(dataset) if record == 2 else None
        key = f"iptc:{known or f'{record}:{dataset}'}"
        text = content.decode("utf-8", "replace") if unicode else decode(content)
        into.add(key, text, None if offset is None else offset + start, size)
        at = start + size
