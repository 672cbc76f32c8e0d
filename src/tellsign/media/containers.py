"""One entrance to the container modules: header, facts, metadata, frames and children by format."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from functools import partial

from tellsign.errors import MalformedMedia
from tellsign.media import bmff, bmp, dct, exif, gif, jpeg_metadata, png, tiff, webp
from tellsign.media.decode import Decoder, Raster
from tellsign.media.header import Header
from tellsign.media.jpeg import JpegStructure, nearest_quality, tables_sha256
from tellsign.media.limits import Limits
from tellsign.media.metadata import Builder, Metadata
from tellsign.types import CameraFacts, JpegFacts, MediaFacts

Load = Callable[[], Raster]

_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_TAKEN = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)")
# A camera's name; what is longer is not one.
_MAX_NAME = 200


def header(
    data: bytes, kind: str, name: str, limits: Limits, structure: JpegStructure | None
) -> Header:
    """Container facts, with every limit checked. Raises InputError subclasses."""
    if structure is not None:
        mode = _MODES[len(structure.frame.components)]
        return Header(structure.width, structure.height, mode, structure.frame.precision)
    if kind in ("heif", "avif"):
        return _bmff_header(data, kind, name, limits)
    readers = {
        "png": png.header,
        "webp": webp.header,
        "tiff": tiff.header,
        "gif": gif.header,
        "bmp": bmp.header,
    }
    return readers[kind](data, name, limits)


def _bmff_header(data: bytes, kind: str, name: str, limits: Limits) -> Header:
    """Sizes as stated in boxes are checked first; then the codec's own answer counts."""
    stated = bmff.header(data, name, limits)
    decoder = Decoder(kind, data, name)
    width, height = decoder.size()
    limits.check_size(width, height, name)
    frames = decoder.count() if kind == "avif" else 1
    limits.check_frames(frames, name)
    # In these containers Exif orientation is informative only. libheif has turned the pixels.
    orientation = decoder.orientation() if kind == "avif" else 1
    codec = "AV1" if kind == "avif" else "HEVC"
    return Header(width, height, "RGB", stated.bit_depth, frames, orientation, codec, data)


def describe(
    data: bytes, kind: str, name: str, limits: Limits, structure: JpegStructure | None
) -> Metadata:
    """All metadata; what is broken becomes a problem, never an error."""
    into = Builder(limits.max_metadata_bytes)
    readers = {
        "png": png.describe,
        "webp": webp.describe,
        "gif": gif.describe,
        "heif": bmff.describe,
        "avif": bmff.describe,
    }
    if structure is not None:
        jpeg_metadata.describe(data, structure, into)
    elif kind == "tiff":
        exif.parse_file(data, into)
    elif kind in readers:
        readers[kind](data, name, limits, into)
    return into.build()


def facts(
    kind: str, header: Header, metadata: Metadata, structure: JpegStructure | None
) -> MediaFacts:
    """Put together what is in the file."""
    entry = metadata.get("exif:Orientation")
    orientation = entry.value if entry and isinstance(entry.value, int) else None
    orientation = header.orientation or orientation
    return MediaFacts(
        type="image",
        format=kind,
        width=header.width,
        height=header.height,
        orientation=orientation if orientation in range(1, 9) else None,
        mode=header.mode,
        bit_depth=header.bit_depth,
        frames=header.frames,
        duration=None,
        codec=header.codec,
        jpeg=_jpeg_facts(structure) if structure is not None else None,
        camera=_camera(metadata),
    )


def _jpeg_facts(structure: JpegStructure) -> JpegFacts:
    return JpegFacts(
        nearest_quality(structure.component_tables[0]),
        structure.subsampling,
        structure.progressive,
        tables_sha256(structure.tables),
    )


def _camera(metadata: Metadata) -> CameraFacts | None:
    def first(*keys: str) -> str | None:
        for key in keys:
            text = (metadata.text(key) or "").strip("\0 \t\r\n")[:_MAX_NAME]
            if text:
                return text
        return None

    found = CameraFacts(
        make=first("exif:Make", "xmp:tiff:Make"),
        model=first("exif:Model", "xmp:tiff:Model"),
        software=first("exif:Software", "xmp:xmp:CreatorTool", "png:Software"),
        taken=iso_time(first("exif:DateTimeOriginal", "exif:DateTimeDigitized")),
    )
    return found if any((found.make, found.model, found.software, found.taken)) else None


def iso_time(text: str | None) -> str | None:
    """Exif's "YYYY:MM:DD hh:mm:ss" as ISO 8601; None when it is no date."""
    match = _TAKEN.match(text or "")
    if match is None:
        return None
    try:
        year, month, day, hour, minute, second = (int(part) for part in match.groups())
        return datetime.datetime(year, month, day, hour, minute, second).isoformat()
    except ValueError:
        return None


def jpeg_loader(data: bytes, structure: JpegStructure, name: str) -> Load:
    """Rebuilds the stream on demand rather than holding a second copy of the file."""

    def load() -> Raster:
        return Decoder("jpeg", dct.rebuild(data, structure, colour=True), name).read()

    return load


def loader(data: bytes, kind: str, header: Header, name: str) -> Load:
    """Decodes the still picture, or the first of several."""
    if kind == "tiff":
        return partial(_page, data, 0, name)
    return Decoder(kind, header.picture, name).read


def jpeg_children(data: bytes, structure: JpegStructure) -> list[tuple[str, bytes]]:
    return jpeg_metadata.children(data, structure)


def frames(
    data: bytes, facts: MediaFacts, name: str, limits: Limits
) -> list[tuple[int, int, Load]]:
    """Width, height and loader of every picture in the file."""
    if facts.format == "tiff":
        return [
            (width, height, partial(_page, data, number, name))
            for number, (width, height) in enumerate(tiff.sizes(data, limits))
        ]
    kind = facts.format or ""
    stream = png.animation(data, name) if kind == "png" else data
    decoder = Decoder(kind, stream, name)
    return [
        (facts.width, facts.height, partial(decoder.read, number, keep=True))
        for number in range(facts.frames)
    ]


def _page(data: bytes, number: int, name: str) -> Raster:
    try:
        return Decoder("tiff", tiff.page(data, number), name).read()
    except IndexError:
        raise MalformedMedia(f"{name}: the TIFF has no page {number + 1}") from None
