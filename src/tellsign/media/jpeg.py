"""JPEG structure: segments, tables, frame and scans, as `jpeg_walk.py` finds them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellsign.types import ByteRange

# Natural index of the k-th zig-zag coefficient (ITU-T T.81, figure A.6).
ZIGZAG = (
    0,
    1,
    8,
    16,
    9,
    2,
    3,
    10,
    17,
    24,
    32,
    25,
    18,
    11,
    4,
    5,
    12,
    19,
    26,
    33,
    40,
    48,
    41,
    34,
    27,
    20,
    13,
    6,
    7,
    14,
    21,
    28,
    35,
    42,
    49,
    56,
    57,
    50,
    43,
    36,
    29,
    22,
    15,
    23,
    30,
    37,
    44,
    51,
    58,
    59,
    52,
    45,
    38,
    31,
    39,
    46,
    53,
    60,
    61,
    54,
    47,
    55,
    62,
    63,
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
# The chroma table of quality 50 (table K.2): 99 but for its corner.
_K2 = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
# A table further than this from every IJG table, in mean absolute relative difference, has no
# IJG quality; tables of neighbouring qualities differ by 0.01 to 0.1.
_FAR = 0.1
_SUBSAMPLING = {
    (1, 1): "4:4:4",
    (2, 1): "4:2:2",
    (1, 2): "4:4:0",
    (2, 2): "4:2:0",
    (4, 1): "4:1:1",
    (4, 2): "4:1:0",
    (1, 4): "4:4:1",
}


@dataclass(frozen=True, slots=True)
class Segment:
    """One marker segment; `length` counts the marker's two bytes and its length field."""

    marker: int  # the byte after FF
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Component:
    id: int
    h: int  # horizontal sampling factor
    v: int
    table: int  # id of its quantisation table


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame header (SOF)."""

    marker: int  # 0xC0 baseline, 0xC1 extended sequential, 0xC2 progressive
    precision: int  # bits per sample
    width: int
    height: int
    components: tuple[Component, ...]

    @property
    def progressive(self) -> bool:
        return self.marker == 0xC2

    def blocks(self, component: Component) -> tuple[int, int]:
        """Blocks down and across that hold picture, without the padding of the last MCU."""
        h = max(c.h for c in self.components)
        v = max(c.v for c in self.components)
        down = -(-self.height * component.v // (v * 8))
        return down, -(-self.width * component.h // (h * 8))

    def mcus(self, scan: Scan) -> int:
        """Minimum coded units in a scan (ITU-T T.81, A.2)."""
        parts = [c for c in self.components if c.id in scan.components]
        if len(parts) == 1:
            down, across = self.blocks(parts[0])
            return down * across
        h = 8 * max(c.h for c in self.components)
        v = 8 * max(c.v for c in self.components)
        return -(-self.width // h) * -(-self.height // v)


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
    codes: tuple[tuple[int, int], ...]  # ids of the DC and AC Huffman table per component
    spectral: tuple[int, int]  # first and last zig-zag index
    approximation: tuple[int, int]  # successive approximation, high and low
    restart_interval: int
    data: ByteRange  # entropy-coded bytes, restart markers included
    segments_before: int  # how many segments of the file precede these data


@dataclass(frozen=True, slots=True)
class MpfEntry:
    """One picture of a Multi-Picture Format file (CIPA DC-007)."""

    offset: int  # in the file
    length: int
    attributes: int


@dataclass(frozen=True, eq=False, slots=True)
class JpegStructure:
    """What the first picture of a JPEG file is made of."""

    segments: tuple[Segment, ...]
    frame: Frame
    tables: Mapping[int, NDArray[np.uint16]]  # (8, 8), natural order, by id, as first used
    component_tables: tuple[NDArray[np.uint16], ...]  # of each component, as first used
    huffman: tuple[Huffman, ...]  # in the order of the file; ids may repeat
    scans: tuple[Scan, ...]
    restart_interval: int  # MCUs, of the first scan; 0 when there are none
    comment: bytes | None  # the first COM segment
    adobe_transform: int | None  # of APP14: 0 RGB or CMYK, 1 YCbCr, 2 YCCK
    end: int  # offset just after EOI, or of the end of the file
    complete: bool  # EOI was found
    trailing: ByteRange | None  # bytes after EOI
    stray_bytes: int  # between segments, where none belong
    mpf: tuple[MpfEntry, ...]  # pictures listed by an MPF segment, the first included

    @property
    def progressive(self) -> bool:
        return self.frame.progressive

    @property
    def width(self) -> int:
        return self.frame.width

    @property
    def height(self) -> int:
        return self.frame.height

    @property
    def subsampling(self) -> str:
        """J:a:b notation, "grey", or the factors of unusual samplings ("3x1,1x1,1x1")."""
        components = self.frame.components
        if len(components) == 1:
            return "grey"
        luma, blue, red = components[:3]
        if (blue.h, blue.v) == (red.h, red.v) and not (luma.h % blue.h or luma.v % blue.v):
            known = _SUBSAMPLING.get((luma.h // blue.h, luma.v // blue.v))
            if known:
                return known
        return ",".join(f"{c.h}x{c.v}" for c in components)

    def of(self, marker: int) -> tuple[Segment, ...]:
        """All segments of one marker."""
        return tuple(s for s in self.segments if s.marker == marker)


def ijg_table(quality: int, component: int = 0) -> NDArray[np.int64]:
    """(8, 8) table of the IJG library at `quality` 1..100 (jcparam.c), natural order.

    `component` 0 is luma, anything else chroma.
    """
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    base = np.array(_K2 if component else _K1)
    table: NDArray[np.int64] = np.clip((base * scale + 50) // 100, 1, 255)
    return table


def nearest_quality(table: NDArray[np.uint16]) -> int | None:
    """IJG quality of a luma table (8, 8): exact where there is one, else the nearest, else None.

    The lowest of several exact ones is given.
    """
    given = table.astype(np.float64)
    distances = [float(np.mean(np.abs(given - t) / t)) for t in map(ijg_table, range(1, 101))]
    best = int(np.argmin(distances))
    return best + 1 if distances[best] <= _FAR else None


def tables_sha256(tables: Mapping[int, NDArray[np.uint16]]) -> str:
    """Hash over all tables, natural order, little-endian 16 bit, in order of id."""
    digest = hashlib.sha256()
    for _, table in sorted(tables.items()):
        digest.update(table.astype("<u2").tobytes())
    return digest.hexdigest()
