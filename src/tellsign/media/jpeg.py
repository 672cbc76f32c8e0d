"""JPEG structure from an own marker walk: segments, tables, frame and scan facts, trailing bytes.

Nothing here decodes entropy-coded data; `dct.py` does.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellsign.errors import MalformedMedia
from tellsign.types import ByteRange

# Natural index of the k-th zig-zag coefficient (ITU-T T.81, figure A.6).
ZIGZAG = (
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
)

# Luma table of quality 50 (ITU-T T.81, table K.1), natural order.
_K1 = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
# A table further than this from every IJG table, in mean absolute relative difference, has no
# IJG quality; neighbouring qualities differ by about 0.02 to 0.1.
_FAR = 0.1


@dataclass(frozen=True, slots=True)
class Segment:
    """One marker segment; `length` counts the marker's two bytes and its length field."""

    marker: int  # 0xD8 .. 0xFE, the byte after 0xFF
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Component:
    id: int
    h: int  # horizontal sampling factor
    v: int
    table: int  # id of its quantisation table


@dataclass(frozen=True, slots=True)
class Huffman:
    """A Huffman table as defined in the file: `bits[i]` codes of length i + 1."""

    kind: str  # "dc" or "ac"
    id: int
    bits: tuple[int, ...]
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Scan:
    components: tuple[int, ...]
    spectral: tuple[int, int]
    approximation: tuple[int, int]
    data: ByteRange  # entropy-coded bytes, restart markers included


@dataclass(frozen=True, slots=True)
class MpfEntry:
    offset: int  # in the file
    length: int
    attributes: int


@dataclass(frozen=True, eq=False, slots=True)
class JpegStructure:
    """What the first picture of a JPEG file is made of."""

    segments: tuple[Segment, ...]
    sof: int  # marker byte: 0xC0 baseline, 0xC1 extended, 0xC2 progressive, 0xC9.. arithmetic
    precision: int
    width: int
    height: int
    components: tuple[Component, ...]
    tables: dict[int, NDArray[np.uint16]]  # (8, 8), natural order, by id
    huffman: tuple[Huffman, ...]
    scans: tuple[Scan, ...]
    restart_interval: int
    comment: bytes | None
    adobe_transform: int | None
    end: int  # offset just after EOI (or of the end of file)
    complete: bool  # EOI was found
    trailing: ByteRange | None  # bytes after EOI
    mpf: tuple[MpfEntry, ...] = ()

    @property
    def progressive(self) -> bool:
        return self.sof in (0xC2, 0xC6, 0xCA, 0xCE)

    @property
    def arithmetic(self) -> bool:
        return self.sof >= 0xC9

    @property
    def subsampling(self) -> str:
        """J:a:b notation, "grey", or the factors of unusual samplings ("3x2,1x1,1x1")."""
        if len(self.components) == 1:
            return "grey"
        first, *rest = self.components
        if len({(c.h, c.v) for c in rest[:2]}) == 1 and not (first.h % rest[0].h or first.v % rest[0].v):
            known = _SUBSAMPLING.get((first.h // rest[0].h, first.v // rest[0].v))
            if known:
                return known
        return ",".join(f"{c.h}x{c.v}" for c in self.components)

    def segment(self, marker: int) -> tuple[Segment, ...]:
        return tuple(s for s in self.segments if s.marker == marker)


_SUBSAMPLING = {
    (1, 1): "4:4:4",
    (2, 1): "4:2:2",
    (1, 2): "4:4:0",
    (2, 2): "4:2:0",
    (4, 1): "4:1:1",
    (4, 2): "4:1:0",
    (1, 4): "4:4:1",
}


def ijg_table(quality: int) -> NDArray[np.int64]:
    """Luma quantisation table of the IJG library at `quality` 1..100 (jcparam.c), natural order."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((np.array(_K1) * scale + 50) // 100, 1, 255)


def nearest_quality(table: NDArray[np.uint16]) -> int | None:
    """IJG quality of the luma table (8, 8): exact where there is one, else the nearest, else None."""
    given = table.astype(np.float64)
    best, distance = None, np.inf
    for quality in range(1, 101):
        reference = ijg_table(quality)
        d = float(np.mean(np.abs(given - reference) / reference))
        if d < distance:
            best, distance = quality, d
    return best if distance <= _FAR else None


def tables_sha256(tables: dict[int, NDArray[np.uint16]]) -> str:
    """Hash over all tables, natural order, little-endian 16 bit, in order of id."""
    digest = hashlib.sha256()
    for _, table in sorted(tables.items()):
        digest.update(table.astype("<u2").tobytes())
    return digest.hexdigest()


def parse(data: bytes, name: str) -> JpegStructure:
    """Walk the markers of the first picture. Raises MalformedMedia."""
    return _Walk(data, name).run()


class _Walk:
    def __init__(self, data: bytes, name: str) -> None:
        self.data, self.name = data, name
        self.segments: list[Segment] = []
        self.tables: dict[int, NDArray[np.uint16]] = {}
        self.huffman: list[Huffman] = []
        self.scans: list[Scan] = []
        self.frame: tuple[int, int, int, int, tuple[Component, ...]] | None = None
        self.restart = 0
        self.comment: bytes | None = None
        self.adobe: int | None = None

    def broken(self, what: str, at: int) -> MalformedMedia:
        return MalformedMedia(f"{self.name}: JPEG {what} at byte {at} of {len(self.data)}")

    def run(self) -> JpegStructure:
        data, at, complete = self.data, 2, False
        self.segments.append(Segment(0xD8, 0, 2))
        while at < len(data):
            if data[at] != 0xFF:
                raise self.broken("has no marker", at)
            start = at
            while at < len(data) and data[at] == 0xFF:
                at += 1
            if at >= len(data):
                break
            marker, begin = data[at], at - 1
            if marker == 0xD9:
                self.segments.append(Segment(marker, begin, 2))
                at, complete = at + 1, True
                break
            if marker == 0x01 or 0xD0 <= marker <= 0xD8:
                at += 1
                continue
            if marker == 0x00:
                raise self.broken("has no marker", start)
            at = self.segment(marker, begin)
        if self.frame is None:
            raise self.broken("ends before a picture begins", len(data))
        if not self.scans:
            raise self.broken("ends before the picture data begin", len(data))
        sof, precision, height, width, components = self.frame
        trailing = ByteRange(at, len(data) - at) if complete and at < len(data) else None
        return JpegStructure(
            segments=tuple(self.segments),
            sof=sof,
            precision=precision,
            width=width,
            height=height,
            components=components,
            tables=self.tables,
            huffman=tuple(self.huffman),
            scans=tuple(self.scans),
            restart_interval=self.restart,
            comment=self.comment,
            adobe_transform=self.adobe,
            end=min(at, len(data)),
            complete=complete,
            trailing=trailing,
        )

    def segment(self, marker: int, begin: int) -> int:
        data, body = self.data, begin + 4
        size = int.from_bytes(data[begin + 2 : begin + 4], "big")
        end = begin + 2 + size
        if size < 2 or end > len(data):
            raise self.broken(f"segment FF{marker:02X} is cut off", begin)
        self.segments.append(Segment(marker, begin, end - begin))
        content = data[body:end]
        if marker == 0xDB:
            self.dqt(content, begin)
        elif marker == 0xC4:
            self.dht(content, begin)
        elif marker == 0xDD:
            self.restart = int.from_bytes(content[:2], "big")
        elif marker == 0xFE and self.comment is None:
            self.comment = content
        elif marker == 0xEE and content[:5] == b"Adobe" and len(content) >= 12:
            self.adobe = content[11]
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            self.sof(marker, content, begin)
        elif marker == 0xDA:
            return self.sos(content, begin, end)
        return end

    def dqt(self, content: bytes, begin: int) -> None:
        at = 0
        while at < len(content):
            wide, number = content[at] >> 4, content[at] & 15
            size = 128 if wide else 64
            raw = content[at + 1 : at + 1 + size]
            if wide > 1 or number > 3 or len(raw) < size:
                raise self.broken("has a broken quantisation table", begin)
            values = np.frombuffer(raw, ">u2" if wide else "u1").astype(np.uint16)
            table = np.empty(64, np.uint16)
            table[list(ZIGZAG)] = values
            table = table.reshape(8, 8)
            table.flags.writeable = False
            self.tables.setdefault(number, table)
            at += 1 + size

    def dht(self, content: bytes, begin: int) -> None:
        at = 0
        while at < len(content):
            kind, number = content[at] >> 4, content[at] & 15
            bits = tuple(content[at + 1 : at + 17])
            values = tuple(content[at + 17 : at + 17 + sum(bits)])
            if kind > 1 or number > 3 or len(bits) < 16 or len(values) < sum(bits) or sum(bits) > 256:
                raise self.broken("has a broken Huffman table", begin)
            self.huffman.append(Huffman("ac" if kind else "dc", number, bits, values))
            at += 17 + sum(bits)

    def sof(self, marker: int, content: bytes, begin: int) -> None:
        if self.frame is not None:
            raise self.broken("has a second frame header", begin)
        if len(content) < 6 or len(content) < 6 + 3 * content[5] or content[5] == 0:
            raise self.broken("has a broken frame header", begin)
        parts = [content[6 + 3 * i : 9 + 3 * i] for i in range(content[5])]
        components = tuple(Component(p[0], p[1] >> 4, p[1] & 15, p[2]) for p in parts)
        if any(not (1 <= c.h <= 4 and 1 <= c.v <= 4 and c.table <= 3) for c in components):
            raise self.broken("has a broken frame header", begin)
        height, width = (int.from_bytes(content[i : i + 2], "big") for i in (1, 3))
        self.frame = (marker, content[0], height, width, components)

    def sos(self, content: bytes, begin: int, end: int) -> int:
        if self.frame is None:
            raise self.broken("has a scan before the frame header", begin)
        count = content[0] if content else 0
        if not 1 <= count <= 4 or len(content) < 4 + 2 * count:
            raise self.broken("has a broken scan header", begin)
        stop = _scan_end(self.data, end)
        ids = tuple(content[1 + 2 * i] for i in range(count))
        low, high, approximation = content[1 + 2 * count : 4 + 2 * count]
        self.scans.append(
            Scan(
                ids,
                (low, high),
                (approximation >> 4, approximation & 15),
                ByteRange(end, stop - end),
            )
        )
        return stop


def _scan_end(data: bytes, at: int) -> int:
    """Offset of the first marker after entropy-coded data that is neither stuffing nor a restart."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return len(data)
        following = data[at + 1]
        if following == 0xFF:
            at += 1
        elif following == 0x00 or 0xD0 <= following <= 0xD7:
            at += 2
        else:
            return at
