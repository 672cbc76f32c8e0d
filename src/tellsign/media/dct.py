"""Quantised DCT coefficients of a JPEG, read from the file, with proof that the data are whole.

libjpeg (through jpeglib) reads the coefficients. It aborts the process on some broken headers, so
it is never given the file: it gets a stream rebuilt from segments that `jpeg_walk.py` has checked,
in which only the entropy-coded data are foreign; on these libjpeg only warns. The first warning,
which it prints, is what tells a damaged or cut-off picture from a whole one.
"""

from __future__ import annotations

import ctypes
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellsign.errors import LimitExceeded, MalformedMedia, UnreadableSource
from tellsign.media.jpeg import JpegStructure, Scan
from tellsign.media.quiet import quietly

# libjpeg: JPEG_MAX_DIMENSION.
_MAX_SIDE = 65_500
# Every scan of a progressive picture walks all blocks of its components: 17 million for
# 100 megapixels of 4:2:2 in the usual ten scans.
_MAX_VISITS = 32_000_000
# libjpeg and the views each hold all of them, 2 x 400 MB: 100 megapixels of 4:2:2, 66 of 4:4:4.
_MAX_COEFFICIENTS = 200_000_000
# Bytes after the last coded block that are still taken for padding by an encoder.
_PADDING = 4

# jerror.h of libjpeg 6b; the warnings that a stream of checked segments can still cause.
_WARNING = re.compile(
    rb"Corrupt JPEG data: (?P<extra>\d+) extraneous bytes before marker.*"
    rb"|Corrupt JPEG data: .*|Premature end of JPEG file|Inconsistent progression sequence.*"
)


@dataclass(frozen=True, slots=True)
class Dct:
    """Quantised DCT coefficients as stored in a JPEG file; never from re-decoded pixels.

    `planes[0]` is luma: (blocks down, blocks across, 8, 8) int16, natural (not zig-zag) order.
    `tables[i]` is the (8, 8) uint16 quantisation table of plane i, natural order.
    `sampling[i]` is (vertical, horizontal) sampling factor.
    """

    planes: tuple[NDArray[np.int16], ...]
    tables: tuple[NDArray[np.uint16], ...]
    sampling: tuple[tuple[int, int], ...]


def check_work(structure: JpegStructure, name: str) -> None:
    """Refuse pictures that take far longer to decode than their size tells: LimitExceeded."""
    visits = sum(_blocks(structure, scan) for scan in structure.scans)
    if max(structure.width, structure.height) > _MAX_SIDE:
        raise LimitExceeded(f"{name}: JPEG longer than {_MAX_SIDE} pixels a side")
    if coefficients(structure) > _MAX_COEFFICIENTS:
        raise LimitExceeded(
            f"{name}: {structure.width} x {structure.height} pixels of {structure.subsampling}"
            f" JPEG hold more than {_MAX_COEFFICIENTS} coefficients"
        )
    if visits > _MAX_VISITS:
        raise LimitExceeded(
            f"{name}: {len(structure.scans)} JPEG scans need {visits} blocks to be decoded,"
            f" over the limit of {_MAX_VISITS}"
        )


def coefficients(structure: JpegStructure) -> int:
    """Number of coefficients of all components."""
    sizes = [structure.frame.blocks(c) for c in structure.frame.components]
    return 64 * sum(down * across for down, across in sizes)


def _blocks(structure: JpegStructure, scan: Scan) -> int:
    parts = [c for c in structure.frame.components if c.id in scan.components]
    sizes = [structure.frame.blocks(c) for c in parts]
    return sum(down * across for down, across in sizes)


def rebuild(data: bytes, structure: JpegStructure, *, colour: bool) -> bytes:
    """The same picture with checked segments only; `colour` keeps what says how to show it."""
    frame = structure.frame
    parts = [b"\xff\xd8"]
    if colour:
        parts += [
            data[s.offset : s.offset + s.length]
            for s in structure.segments[: structure.scans[0].segments_before]
            if s.marker == 0xEE and data[s.offset + 4 : s.offset + 9] == b"Adobe" and s.length >= 16
        ]
        if any(data[s.offset + 4 : s.offset + 9] == b"JFIF\0" for s in structure.of(0xE0)):
            parts.insert(1, b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0")
    specs = b"".join(bytes([c.id, c.h << 4 | c.v, c.table]) for c in frame.components)
    size = frame.height.to_bytes(2, "big") + frame.width.to_bytes(2, "big")
    head = bytes([frame.precision]) + size + bytes([len(frame.components)]) + specs
    done = 0
    for number, scan in enumerate(structure.scans):
        for segment in structure.segments[done : scan.segments_before]:
            if segment.marker in (0xDB, 0xC4, 0xDD):
                parts.append(data[segment.offset : segment.offset + segment.length])
        if number == 0:
            parts.append(_segment(frame.marker, head))
        done = scan.segments_before
        parts += [_scan_header(structure, scan), _bytes(data, scan)]
    parts.append(b"\xff\xd9")
    return b"".join(parts)


def _segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


def _scan_header(structure: JpegStructure, scan: Scan) -> bytes:
    codes = zip(scan.components, scan.codes, strict=True)
    specs = b"".join(bytes([i, dc << 4 | ac]) for i, (dc, ac) in codes)
    (low, high), (past, now) = scan.spectral, scan.approximation
    # Some encoders write nonsense here for sequential pictures, where it has no meaning.
    ends = bytes([low, high, past << 4 | now]) if structure.progressive else bytes([0, 63, 0])
    return _segment(0xDA, bytes([len(scan.components)]) + specs + ends)


def _bytes(data: bytes, scan: Scan) -> bytes:
    raw = data[scan.data.offset : scan.data.offset + scan.data.length]
    # A file cut off between the two bytes of a marker or of a stuffed FF leaves a lone FF.
    return raw.rstrip(b"\xff")


def read(data: bytes, structure: JpegStructure, name: str) -> Dct:
    """Read all coefficients. Raises MalformedMedia when the picture data are not whole."""
    _check_restarts(data, structure, name)
    frame = structure.frame
    planes = tuple(np.zeros((*frame.blocks(c), 8, 8), np.int16) for c in frame.components)
    warning = _libjpeg(rebuild(data, structure, colour=False), planes, name)
    if warning or not structure.complete:
        _judge(warning, data, structure, planes, name)
    for plane in planes:
        plane.flags.writeable = False
    sampling = tuple((c.v, c.h) for c in frame.components)
    return Dct(planes, structure.component_tables, sampling)


def _check_restarts(data: bytes, structure: JpegStructure, name: str) -> None:
    """Count restart intervals: an exact test of the size in the header, before any decoding."""
    for scan in structure.scans:
        if not scan.restart_interval:
            continue
        start, stop = scan.data.offset, scan.data.offset + scan.data.length
        found = sum(data.count(bytes([0xFF, 0xD0 + i]), start, stop) for i in range(8))
        wanted = -(-structure.frame.mcus(scan) // scan.restart_interval) - 1
        # Some encoders close the last interval with a marker as well.
        if structure.complete and found not in (wanted, wanted + 1):
            raise MalformedMedia(
                f"{name}: the JPEG header says {structure.width} x {structure.height} pixels,"
                f" {wanted + 1} restart intervals, but the data hold {found + 1}"
            )


def _judge(
    warning: bytes,
    data: bytes,
    structure: JpegStructure,
    planes: tuple[NDArray[np.int16], ...],
    name: str,
) -> None:
    """Decide whether what libjpeg warned of makes the picture unusable. Raises MalformedMedia."""
    if not structure.complete:
        where = f"byte {len(data)}"
        if structure.progressive:
            where += f", in scan {len(structure.scans)} of a progressive picture"
        elif warning:
            where += f", about row {_last_row(planes[0], structure)} of {structure.height}"
        else:
            where += ": only the end marker is missing"
        raise MalformedMedia(f"{name}: the JPEG is cut off at {where}")
    extra = _WARNING.match(warning)
    if extra and extra["extra"]:
        if _is_padding(int(extra["extra"]), data, structure):
            return
        raise MalformedMedia(
            f"{name}: the JPEG header says {structure.width} x {structure.height} pixels, but the"
            f" data go on for {int(extra['extra'])} bytes after the last of them"
        )
    if b"premature end of data" in warning and not structure.progressive:
        raise MalformedMedia(
            f"{name}: the JPEG header says {structure.width} x {structure.height} pixels, but the"
            f" data end about row {_last_row(planes[0], structure)}"
        )
    raise MalformedMedia(
        f"{name}: the JPEG data are damaged ({warning.decode('ascii', 'replace')})"
    )


def _is_padding(extra: int, data: bytes, structure: JpegStructure) -> bool:
    """Whether this many bytes after the last block of a scan are an encoder's padding.

    Less than a quarter of what a row of blocks takes on average cannot be a row that the header
    leaves out. Constant bytes, with which some cameras pad, pass in any number, unless blocks were
    decoded from them as well: so end files whose rest was lost and filled with zeros.
    """
    last = _bytes(data, structure.scans[-1])
    constant = len(last) - len(last.rstrip(last[-1:]))
    if constant > extra + 2 * _PADDING:
        return False
    rows = structure.frame.blocks(structure.frame.components[0])[0]
    shortest = min(scan.data.length for scan in structure.scans)
    return extra <= max(_PADDING, constant, shortest // (4 * rows))


def _last_row(plane: NDArray[np.int16], structure: JpegStructure) -> int:
    """Row of pixels where the coefficients end; libjpeg repeats the last mean from there."""
    flat = plane.reshape(-1, 64)
    steps = np.diff(flat[:, 0], prepend=flat[0, 0])
    busy = np.flatnonzero(flat[:, 1:].any(axis=1) | (steps != 0))
    last = int(busy[-1]) if busy.size else 0
    rows = plane.shape[0]
    return last // int(plane.shape[1]) * structure.height // int(rows)


def _libjpeg(stream: bytes, planes: tuple[NDArray[np.int16], ...], name: str) -> bytes:
    """Fill `planes`; returns libjpeg's first warning, or nothing."""
    from jpeglib._bind import CJpegLib

    pointers = [p.ctypes.data_as(ctypes.POINTER(ctypes.c_short)) for p in planes]
    padding = [None] * (4 - len(planes))
    try:
        descriptor, path = tempfile.mkstemp(suffix=".jpg")
    except OSError as error:
        raise UnreadableSource(f"{name}: no temporary file can be made") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(stream)
    except OSError as error:
        Path(path).unlink(missing_ok=True)
        raise UnreadableSource(f"{name}: no temporary file can be written") from error
    try:
        read = CJpegLib.get().read_jpeg_dct
        status, printed = quietly(
            lambda: read(os.fsencode(path), *pointers, *padding, None, None), _WARNING
        )
    finally:
        Path(path).unlink(missing_ok=True)
    if not status:
        raise MalformedMedia(f"{name}: the JPEG cannot be decoded")
    return printed
