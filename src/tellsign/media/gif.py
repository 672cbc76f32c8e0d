"""GIF: blocks, frames, comments."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tellsign.errors import LimitExceeded, MalformedMedia
from tellsign.media import xmp
from tellsign.media.header import Header
from tellsign.media.limits import Limits
from tellsign.media.metadata import Builder, decode
from tellsign.types import ByteRange

# Data come in pieces of at most 255 bytes; hostile files use pieces of one.
# 256 MiB hold 1,052,689 full ones.
_MAX_PIECES = 1_200_000
_MAX_BLOCKS = 20_000


_NOT_ZERO = re.compile(rb"[^\0]")


@dataclass(frozen=True, slots=True)
class Block:
    kind: str  # "frame", "comment", "application", "extension"
    label: bytes  # of an application extension
    offset: int  # of the first sub-block
    end: int
    box: tuple[int, int, int, int]  # x, y, width, height of a frame


def blocks(data: bytes, name: str) -> list[Block]:
    """All blocks up to the trailer. Raises MalformedMedia where the file is cut off."""
    walk = _Walk(data, name)
    at = 13 + (3 << (1 + (data[10] & 7)) if len(data) > 10 and data[10] & 0x80 else 0)
    found: list[Block] = []
    while at < len(data):
        lead = data[at]
        if lead == 0x3B:
            return found
        if lead == 0x21:
            label = data[at + 1 : at + 2]
            kind = {b"\xfe": "comment", b"\xff": "application"}.get(label, "extension")
            name_end = at + 3 + data[at + 2] if at + 2 < len(data) else at
            first = name_end if kind == "application" else at + 2
            end = walk.skip(first)
            found.append(Block(kind, data[at + 3 : name_end], first, end, (0, 0, 0, 0)))
        elif lead == 0x2C and at + 10 < len(data):
            x, y, w, h = (int.from_bytes(data[at + i : at + i + 2], "little") for i in (1, 3, 5, 7))
            flags = data[at + 9]
            first = at + 11 + (3 << (1 + (flags & 7)) if flags & 0x80 else 0)
            end = walk.skip(first)
            found.append(Block("frame", b"", first, end, (x, y, w, h)))
        elif lead == 0:  # stray terminators are common and harmless
            following = _NOT_ZERO.search(data, at)
            end = following.start() if following else len(data)
        else:
            raise MalformedMedia(f"{name}: the GIF has no block where one must be, byte {at}")
        if len(found) > _MAX_BLOCKS:
            raise LimitExceeded(f"{name}: more than {_MAX_BLOCKS} GIF blocks")
        at = end
    raise MalformedMedia(f"{name}: the GIF is cut off at byte {len(data)}")


class _Walk:
    def __init__(self, data: bytes, name: str) -> None:
        self.data, self.name, self.pieces = data, name, 0

    def skip(self, at: int) -> int:
        """Offset after the sub-blocks that begin at `at`."""
        while at < len(self.data):
            size = self.data[at]
            at += 1 + size
            self.pieces += 1
            if self.pieces > _MAX_PIECES:
                raise LimitExceeded(f"{self.name}: more than {_MAX_PIECES} GIF sub-blocks")
            if not size:
                return at
        raise MalformedMedia(f"{self.name}: the GIF is cut off at byte {len(self.data)}")


def _content(data: bytes, block: Block) -> bytes:
    parts, at = [], block.offset
    while at < block.end and data[at]:
        parts.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return b"".join(parts)


def header(data: bytes, name: str, limits: Limits) -> Header:
    """Check the structure. Raises MalformedMedia and LimitExceeded."""
    if len(data) < 13:
        raise MalformedMedia(f"{name}: the GIF is cut off at byte {len(data)}")
    width, height = (int.from_bytes(data[i : i + 2], "little") for i in (6, 8))
    limits.check_size(width, height, name)
    frames = [b for b in blocks(data, name) if b.kind == "frame"]
    if not frames:
        raise MalformedMedia(f"{name}: the GIF holds no picture")
    limits.check_frames(len(frames), name)
    for x, y, w, h in (b.box for b in frames):
        if not w or not h or x + w > width or y + h > height:
            raise MalformedMedia(f"{name}: a GIF frame lies outside the picture")
    return Header(width, height, "P", 8, frames=len(frames), picture=data)


def describe(data: bytes, name: str, limits: Limits, into: Builder) -> None:
    """Collect comments, XMP and C2PA."""
    for block in blocks(data, name):
        if block.kind == "comment":
            into.add(
                "gif:comment", decode(_content(data, block)), block.offset, block.end - block.offset
            )
        elif block.kind == "application" and block.label == b"XMP DataXMP":
            # The packet is stored as it is; a "magic trailer" of 258 bytes closes it.
            raw = data[block.offset : block.end].partition(b"\x01\xff\xfe\xfd")[0]
            xmp.parse(raw, block.offset, into)
        elif block.kind == "application" and block.label.startswith(b"C2PA_GIF"):
            into.jumbf.append(ByteRange(block.offset, block.end - block.offset))
