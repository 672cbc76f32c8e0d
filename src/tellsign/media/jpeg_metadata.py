"""Metadata in JPEG segments: Exif, XMP, IPTC, ICC, JUMBF, comments; and further pictures."""

from __future__ import annotations

from tellsign.media import exif, icc, iptc, xmp
from tellsign.media.jpeg import JpegStructure, Segment
from tellsign.media.metadata import Builder, decode
from tellsign.types import ByteRange

_EXIF = b"Exif\0\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_MORE = b"http://ns.adobe.com/xmp/extension/\0"
_ICC = b"ICC_PROFILE\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
_JUMBF = b"JP"


def describe(data: bytes, structure: JpegStructure, into: Builder) -> None:
    """Collect all segments before the end of the first picture."""
    photoshop: list[Segment] = []
    for segment in structure.segments:
        content = _content(data, segment)
        place = segment.offset + 4
        if segment.marker == 0xE1 and content.startswith(_EXIF):
            exif.parse(content[6:], place + 6, into)
        elif segment.marker == 0xE1 and content.startswith(_XMP):
            xmp.parse(content[len(_XMP) :], place + len(_XMP), into)
        elif segment.marker == 0xED and content.startswith(_PHOTOSHOP):
            photoshop.append(segment)
        elif segment.marker == 0xFE:
            into.add("jpeg:comment", decode(content.rstrip(b"\0")), place, len(content))
    _resources(data, photoshop, into)
    _extended_xmp(data, structure, into)
    _profile(data, structure, into)
    into.jumbf += _jumbf(data, structure)


def _content(data: bytes, segment: Segment) -> bytes:
    return data[segment.offset + 4 : segment.offset + segment.length]


def _resources(data: bytes, segments: list[Segment], into: Builder) -> None:
    """Resources may run on over several segments; then they have no single place."""
    parts = [_content(data, s)[len(_PHOTOSHOP) :] for s in segments]
    if parts:
        place = segments[0].offset + 4 + len(_PHOTOSHOP) if len(parts) == 1 else None
        iptc.parse_resources(b"".join(parts), place, into)


def _extended_xmp(data: bytes, structure: JpegStructure, into: Builder) -> None:
    """Pieces of one packet: 32 bytes of identity, length, offset, content."""
    head = len(_XMP_MORE)
    pieces: dict[bytes, list[tuple[int, bytes]]] = {}
    for segment in structure.of(0xE1):
        content = _content(data, segment)
        if content.startswith(_XMP_MORE) and len(content) > head + 40:
            start = int.from_bytes(content[head + 36 : head + 40], "big")
            pieces.setdefault(content[head : head + 32], []).append((start, content[head + 40 :]))
    for parts in pieces.values():
        parts.sort()
        joined = b""
        for start, part in parts:
            if start != len(joined):
                into.problem("an extended XMP packet has gaps")
                return
            joined += part
        xmp.parse(joined, None, into)


def _profile(data: bytes, structure: JpegStructure, into: Builder) -> None:
    parts: list[tuple[int, bytes, int]] = []
    for segment in structure.of(0xE2):
        content = _content(data, segment)
        if content.startswith(_ICC) and len(content) > 14:
            parts.append((content[12], content[14:], segment.offset + 18))
    if parts:
        parts.sort()
        place = parts[0][2] if len(parts) == 1 else None
        icc.parse(b"".join(part for _, part, _ in parts), place, into)


def _jumbf(data: bytes, structure: JpegStructure) -> list[ByteRange]:
    """One range per superbox, whose segments share an instance number (ISO 19566-5, D.2)."""
    ranges: dict[bytes, tuple[int, int]] = {}
    for segment in structure.of(0xEB):
        content = _content(data, segment)
        if content[:2] != _JUMBF:
            continue
        instance, end = content[2:4], segment.offset + segment.length
        start, _ = ranges.get(instance, (segment.offset, end))
        ranges[instance] = (start, end)
    return [ByteRange(start, end - start) for start, end in ranges.values()]


def children(data: bytes, structure: JpegStructure) -> list[tuple[str, bytes]]:
    """Further pictures in the file: "mpf:2"... as listed, "concatenated" after the end."""
    found: list[tuple[str, bytes]] = []
    starts = set()
    for number, entry in enumerate(structure.mpf, start=1):
        raw = data[entry.offset : entry.offset + entry.length]
        # An entry that overlaps the first picture would examine it again, without end.
        if entry.offset >= structure.end and raw[:2] == b"\xff\xd8" and entry.offset not in starts:
            starts.add(entry.offset)
            found.append((f"mpf:{number}", raw))
    if structure.trailing is not None and not found:
        at = structure.trailing.offset
        raw = data[at:].lstrip(b"\0")
        if raw[:3] == b"\xff\xd8\xff":
            found.append(("concatenated", raw))
    return found
