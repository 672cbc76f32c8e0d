"""Walk the markers of a JPEG and check everything that a decoder could stumble over.

Nothing here decodes entropy-coded data; `dct.py` does.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from tellsign.errors import LimitExceeded, MalformedMedia, UnsupportedFormat
from tellsign.media import mpf
from tellsign.media.jpeg import ZIGZAG, Component, Frame, Huffman, JpegStructure, Scan, Segment
from tellsign.types import ByteRange

# A 256 MiB file of empty segments would keep a walk busy for minutes; metadata of 100 MB in
# segments of 64 kB are 1,600.
_MAX_SEGMENTS = 20_000

# Restart markers outside a scan and FF00 are no markers; FF may repeat before one.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_SCAN_END = _MARKER

_FRAMES = {
    0xC0: "baseline",
    0xC1: "extended",
    0xC2: "progressive",
    0xC3: "lossless",
    0xC5: "hierarchical",
    0xC6: "hierarchical",
    0xC7: "hierarchical lossless",
    0xC9: "arithmetic-coded",
    0xCA: "arithmetic-coded",
    0xCB: "arithmetic-coded lossless",
    0xCD: "arithmetic-coded hierarchical",
    0xCE: "arithmetic-coded hierarchical",
    0xCF: "arithmetic-coded hierarchical",
}


def parse(data: bytes, name: str) -> JpegStructure:
    """Walk the markers of the first picture, without decoding it.

    Raises UnsupportedFormat for kinds of JPEG that cannot be decoded (12 bit, arithmetic,
    lossless, hierarchical) and MalformedMedia for broken ones, saying where.
    """
    return _Walk(data, name).run()


class _Walk:
    """State of one walk. Everything a decoder could stumble over is checked here, once."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data, self.name = data, name
        self.segments: list[Segment] = []
        self.tables: dict[int, NDArray[np.uint16]] = {}
        self.first_tables: dict[int, NDArray[np.uint16]] = {}
        self.latched: dict[int, NDArray[np.uint16]] = {}
        self.huffman: list[Huffman] = []
        self.scans: list[Scan] = []
        self.frame: Frame | None = None
        self.restart = 0
        self.restart_seen = 0
        self.comment: bytes | None = None
        self.adobe: int | None = None
        self.stray = 0

    def broken(self, what: str, at: int) -> MalformedMedia:
        return MalformedMedia(f"{self.name}: the JPEG {what}, byte {at} of {len(self.data)}")

    def run(self) -> JpegStructure:
        data, at, complete = self.data, 2, False
        self.segments.append(Segment(0xD8, 0, 2))
        while (found := _MARKER.search(data, at)) is not None:
            begin = found.end() - 2
            # Fill bytes FF are allowed before any marker; other bytes are not, but decoders skip.
            self.stray += len(data[at:begin].rstrip(b"\xff"))
            marker = data[begin + 1]
            if len(self.segments) >= _MAX_SEGMENTS:
                raise LimitExceeded(f"{self.name}: more than {_MAX_SEGMENTS} JPEG segments")
            if marker == 0xD9:
                self.segments.append(Segment(marker, begin, 2))
                at, complete = begin + 2, True
                break
            if marker == 0xD8:
                raise self.broken("begins a second picture before the first ends", begin)
            if marker == 0x01:
                self.segments.append(Segment(marker, begin, 2))
                at = begin + 2
                continue
            at = self.segment(marker, begin)
        else:
            at = len(data)
        if self.frame is None:
            raise self.broken("ends before its frame header", min(at, len(data)))
        if not self.scans:
            raise self.broken("ends before its picture data", min(at, len(data)))
        return JpegStructure(
            segments=tuple(self.segments),
            frame=self.frame,
            tables=self.first_tables,
            component_tables=tuple(self.table_of(c) for c in self.frame.components),
            huffman=tuple(self.huffman),
            scans=tuple(self.scans),
            restart_interval=self.restart_seen,
            comment=self.comment,
            adobe_transform=self.adobe,
            end=at,
            complete=complete,
            trailing=ByteRange(at, len(data) - at) if complete and at < len(data) else None,
            stray_bytes=self.stray,
            mpf=mpf.entries(data, self.segments),
        )

    def table_of(self, component: Component) -> NDArray[np.uint16]:
        table = self.latched.get(component.id)
        if table is None:
            raise self.broken(f"holds no data for component {component.id}", len(self.data))
        return table

    def segment(self, marker: int, begin: int) -> int:
        data = self.data
        end = begin + 2 + int.from_bytes(data[begin + 2 : begin + 4], "big")
        if end < begin + 4 or end > len(data):
            raise self.broken(f"is cut off in segment FF{marker:02X}", begin)
        self.segments.append(Segment(marker, begin, end - begin))
        content = data[begin + 4 : end]
        if marker == 0xDB:
            self.dqt(content, begin)
        elif marker == 0xC4:
            self.dht(content, begin)
        elif marker == 0xDD:
            if len(content) != 2:
                raise self.broken("has a broken restart interval", begin)
            self.restart = int.from_bytes(content, "big")
        elif marker == 0xFE and self.comment is None:
            self.comment = content
        elif marker == 0xEE and content[:5] == b"Adobe" and len(content) >= 12:
            self.adobe = content[11]
        elif marker in _FRAMES:
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
            table = np.empty((8, 8), np.uint16)
            table.flat[list(ZIGZAG)] = np.frombuffer(raw, ">u2" if wide else "u1")
            table.flags.writeable = False
            self.tables[number] = table
            at += 1 + size

    def dht(self, content: bytes, begin: int) -> None:
        at = 0
        while at < len(content):
            kind, number = content[at] >> 4, content[at] & 15
            bits = tuple(content[at + 1 : at + 17])
            values = tuple(content[at + 17 : at + 17 + sum(bits)])
            if kind > 1 or number > 3 or len(bits) < 16 or len(values) < sum(bits):
                raise self.broken("has a broken Huffman table", begin)
            if not _is_prefix_code(bits) or (kind == 0 and any(v > 15 for v in values)):
                raise self.broken("has an impossible Huffman table", begin)
            self.huffman.append(Huffman("ac" if kind else "dc", number, bits, values))
            at += 17 + sum(bits)

    def sof(self, marker: int, content: bytes, begin: int) -> None:
        if self.frame is not None:
            raise self.broken("has a second frame header", begin)
        if marker not in (0xC0, 0xC1, 0xC2):
            raise UnsupportedFormat(f"{self.name}: {_FRAMES[marker]} JPEG cannot be examined")
        if len(content) < 6 or len(content) != 6 + 3 * content[5]:
            raise self.broken("has a broken frame header", begin)
        if content[0] != 8:
            raise UnsupportedFormat(f"{self.name}: {content[0]}-bit JPEG cannot be examined")
        if content[5] not in (1, 3, 4):
            raise UnsupportedFormat(f"{self.name}: JPEG of {content[5]} components is not known")
        parts = [content[6 + 3 * i : 9 + 3 * i] for i in range(content[5])]
        components = tuple(Component(p[0], p[1] >> 4, p[1] & 15, p[2]) for p in parts)
        if any(not (1 <= c.h <= 4 and 1 <= c.v <= 4 and c.table <= 3) for c in components):
            raise self.broken("has impossible sampling factors", begin)
        if len({c.id for c in components}) < len(components):
            raise self.broken("has components of the same name", begin)
        height, width = (int.from_bytes(content[i : i + 2], "big") for i in (1, 3))
        if not height or not width:
            raise self.broken("states no size", begin)
        self.frame = Frame(marker, content[0], width, height, components)

    def sos(self, content: bytes, begin: int, end: int) -> int:
        if self.frame is None:
            raise self.broken("has a scan before its frame header", begin)
        count = content[0] if content else 0
        if not 1 <= count <= 4 or len(content) != 4 + 2 * count:
            raise self.broken("has a broken scan header", begin)
        ids = tuple(content[1 + 2 * i] for i in range(count))
        codes = tuple((content[2 + 2 * i] >> 4, content[2 + 2 * i] & 15) for i in range(count))
        low, high, shift = content[1 + 2 * count : 4 + 2 * count]
        known = {c.id: c for c in self.frame.components}
        if len(set(ids)) < count or not set(ids) <= set(known):
            raise self.broken("has a scan of unknown components", begin)
        if count > 1 and sum(known[i].h * known[i].v for i in ids) > 10:
            raise self.broken("has an impossible scan", begin)
        found = _SCAN_END.search(self.data, end)
        stop = found.start() if found else len(self.data)
        scan = Scan(
            components=ids,
            codes=codes,
            spectral=(low, high),
            approximation=(shift >> 4, shift & 15),
            restart_interval=self.restart,
            data=ByteRange(end, stop - end),
            segments_before=len(self.segments),
        )
        self.check(scan, begin)
        for i in ids:
            table = self.tables.get(known[i].table)
            if table is None or not table.all():
                raise self.broken(f"has no usable quantisation table {known[i].table}", begin)
            self.latched.setdefault(i, table)
        if not self.scans:
            self.restart_seen = self.restart
        self.first_tables = {**self.tables, **self.first_tables}
        self.scans.append(scan)
        return stop

    def check(self, scan: Scan, begin: int) -> None:
        """Refuse what a decoder would abort on."""
        assert self.frame is not None
        (low, high), (past, now) = scan.spectral, scan.approximation
        needed = {("dc", d) for d, _ in scan.codes} | {("ac", a) for _, a in scan.codes}
        if self.frame.progressive:
            wrong = high != 0 if low == 0 else (low > high or high > 63 or len(scan.components) > 1)
            if wrong or (past and now != past - 1) or now > 13:
                raise self.broken("has an impossible progressive scan", begin)
            needed = (
                {n for n in needed if n[0] == ("ac" if low else "dc")} if low or not past else set()
            )
            if low and scan.components[0] not in self.latched:
                raise self.broken("has a scan out of order", begin)
        elif set(scan.components) & set(self.latched):
            raise self.broken("holds more scans than its frame header allows", begin)
        if not needed <= {(h.kind, h.id) for h in self.huffman}:
            raise self.broken("uses a Huffman table that it does not define", begin)


def _is_prefix_code(bits: tuple[int, ...]) -> bool:
    """Whether codes of these counts per length exist (ITU-T T.81, annex C)."""
    code = 0
    for length, count in enumerate(bits, start=1):
        code += count
        if code > 1 << length:
            return False
        code <<= 1
    return sum(bits) <= 256
