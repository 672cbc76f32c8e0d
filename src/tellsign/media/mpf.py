"""Multi-Picture Format (CIPA DC-007): the list of pictures in one JPEG file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from tellsign.media.jpeg import MpfEntry, Segment
from tellsign.media.tiff import Tiff

_MPF = b"MPF\0"
_ENTRIES = 0xB002
_MOST = 32  # pictures


def entries(data: bytes, segments: Sequence[Segment]) -> tuple[MpfEntry, ...]:
    """Pictures listed by an MPF segment, the first included; broken lists give nothing."""
    for segment in segments:
        start = segment.offset + 4
        if segment.marker == 0xE2 and data[start : start + 4] == _MPF:
            return _parse(data[start + 4 : segment.offset + segment.length], start + 4, len(data))
    return ()


def _parse(block: bytes, base: int, size: int) -> tuple[MpfEntry, ...]:
    tiff = Tiff.open(block)
    if tiff is None:
        return ()
    fields, _, _ = tiff.directory(tiff.first)
    table = next((f.raw(16 * _MOST) for f in fields if f.tag == _ENTRIES), b"")
    order: Literal["little", "big"] = "little" if tiff.order == "<" else "big"
    found = []
    for at in range(0, len(table) - 15, 16):
        attributes, length, offset = (
            int.from_bytes(table[at + i : at + i + 4], order) for i in (0, 4, 8)
        )
        # Offsets count from the MPF header; 0 stands for the first picture of the file.
        start = base + offset if offset else 0
        if length and start + length <= size:
            found.append(MpfEntry(start, length, attributes))
    return tuple(found)
