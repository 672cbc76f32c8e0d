"""Statements of the file that contradict each other or its picture.

Question     Was part of the picture altered after the camera wrote the file?
How          Rules over what is stated: the embedded thumbnail against the main picture, by
             correlation after alignment and by local difference [1]_; dates that run backwards;
             a declared composite. Each such contradiction counts points, once. Told as history,
             without points, is what any harmless re-saving does: editors named by metadata,
             quantisation tables and segments of a program where a camera is stated [2]_ [3]_,
             editing histories, another size, a lost maker note.
Score        Sum of the points of the contradictions found; 0 when there is none. Unit: points.
Blind spots  Files without metadata, which is most of the web. Metadata is written by whoever
             writes the file: all of it can be forged, and a careful forger leaves no
             contradiction. An editor named in the file proves that it was opened there, not that
             its content was changed.
References   .. [1] Kee and Farid, SPIE 7541 (2010), :DOI:`10.1117/12.839124`.
             .. [2] Farid, Digital image ballistics from JPEG quantization, TR2006-583 (2006).
             .. [3] Kee, Johnson and Farid, IEEE TIFS 6 (2011), :DOI:`10.1109/TIFS.2011.2128309`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import numpy as np

from tellsign.detectors.base import Detector, detector
from tellsign.errors import InputError
from tellsign.media import open_media
from tellsign.media.media import Media
from tellsign.media.metadata import Entry
from tellsign.signal import jpeg_signature, thumbnail_match
from tellsign.types import (
    Box,
    ByteRange,
    Evidence,
    Family,
    Finding,
    Map,
    MapKind,
    Question,
    View,
)

# Points of a contradiction: how hard it is to explain without an alteration. A thumbnail that
# shows something else needs another picture; a clock can be wrong. An editor's name, tables or
# history need only a save, so these count nothing.
POINTS = {
    "exif.thumbnail.mismatch": 3.0,
    "exif.thumbnail.local": 3.0,
    "iptc.source.composite": 2.0,
    "exif.dates.backwards": 0.5,
}
LOCAL = 4.0  # local thumbnail difference, in tolerated errors, that no tone curve explains
LOCAL_SHARE = (0.004, 0.35)  # of the picture; more is another rendering, less is noise
COMPACT = 0.75  # share of all deviating cells in the largest place; aliasing deviates all over
SHOWN = 80  # characters of a stated name that a finding quotes
SAME_TIME = timedelta(seconds=2)

# Makers whose cameras write a maker note into every file (seen in all their files of public Exif
# collections; ExifTool's MakerNotes tag table lists their formats).
NOTE_MAKERS = ("canon", "nikon", "olympus", "panasonic", "sony", "fujifilm", "pentax", "apple")


@detector(
    name="metadata_consistency",
    version="1",
    family=Family.FEATURE,
    question=Question.MANIPULATED,
    needs=[View.METADATA, View.PIXELS],
    unit="points",
    abstentions={
        "no_metadata": "The file states nothing about its making that could be compared.",
    },
    findings={
        "exif.thumbnail.mismatch": "The embedded thumbnail shows another picture.",
        "exif.thumbnail.local": "The embedded thumbnail differs from the picture in one place.",
        "exif.thumbnail.cropped": "The embedded thumbnail shows more than the picture.",
        "exif.thumbnail.rotated": "The embedded thumbnail is turned against the picture.",
        "metadata.editor": "The file names a picture editor that has written it.",
        "jpeg.tables.editor": "A camera is stated, but the tables are those of an editor.",
        "jpeg.tables.library": "A camera is stated, but the tables are those of a common library.",
        "jpeg.huffman.optimised": "A camera is stated, but the codes are fitted to this picture.",
        "jpeg.segment": "A segment of the file is typical of a program.",
        "xmp.history.edited": "The file's editing history lists changes.",
        "exif.dates.backwards": "Dates in the file contradict their order.",
        "exif.dates.modified": "The file was modified after the picture was taken.",
        "exif.dimensions": "The size stated by the camera is not the size of the picture.",
        "exif.makernote.missing": "The maker's private block, which its cameras write, is missing.",
        "iptc.source.composite": "The file declares itself to be a composite.",
    },
)
class MetadataConsistency(Detector):
    def applicable(self, media: Media) -> str | None:
        structure = media.jpeg
        marks = structure is not None and (structure.comment or _segments(media))
        return None if media.metadata.entries or marks else "no_metadata"

    def examine(self, media: Media) -> Evidence:
        findings: list[Finding] = []
        maps: list[Map] = []
        for rule in RULES:
            findings += rule(media)
        thumbnail, local = thumbnail_findings(media)
        findings += thumbnail
        maps += local
        scored = {f.code for f in findings}
        return self.evidence(sum(POINTS.get(code, 0.0) for code in scored), maps, findings)


def thumbnail_findings(media: Media) -> tuple[list[Finding], list[Map]]:
    """Compare each embedded Exif thumbnail; the first that says something decides."""
    for child in media.children:
        if child.name != "thumbnail":
            continue
        try:
            small = open_media(child, media.limits).luma
        except InputError:
            continue  # a broken thumbnail is reported as a child of the report
        match = thumbnail_match.match_thumbnail(media.luma, small)
        if match is not None:
            return _described(match, media)
    return [], []


def _described(
    match: thumbnail_match.ThumbnailMatch, media: Media
) -> tuple[list[Finding], list[Map]]:
    values = {"correlation": round(match.correlation, 3)}
    if match.relation == "different":
        text = "The embedded thumbnail does not show this picture."
        return [Finding("exif.thumbnail.mismatch", text, None, values)], []
    if match.relation == "cropped":
        text = "The embedded thumbnail shows more than the picture: it was cropped later."
        return [Finding("exif.thumbnail.cropped", text, None, values)], []
    if match.relation == "rotated":
        text = "The embedded thumbnail is turned or mirrored against the picture."
        return [Finding("exif.thumbnail.rotated", text, None, values)], []
    if match.difference is None or not match.difference.size:
        return [], []
    return _local(match.difference, media)


def _local(difference: np.ndarray, media: Media) -> tuple[list[Finding], list[Map]]:
    """One compact place where the thumbnail shows something else than the picture."""
    import cv2

    height, width = media.shape
    above = difference > LOCAL
    _, _, stats, _ = cv2.connectedComponentsWithStats(above.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    if not areas.size or areas.max() < COMPACT * areas.sum():
        return [], []
    share = float(areas.max() / above.size)
    if not LOCAL_SHARE[0] <= share <= LOCAL_SHARE[1]:
        return [], []
    column, row, columns, rows, _ = (int(v) for v in stats[1 + int(areas.argmax())])
    stride = width / difference.shape[1]
    left, top = int(column * stride), min(int(row * stride), height - 1)
    right, bottom = int((column + columns) * stride), int((row + rows) * stride)
    box = Box(left, top, max(1, min(width, right) - left), max(1, min(height, bottom) - top))
    text = "In this place the embedded thumbnail shows something else than the picture."
    found = Finding("exif.thumbnail.local", text, box, {"share": round(share, 4)})
    shown = Map(
        MapKind.SCORE,
        np.ascontiguousarray(difference, np.float32),
        stride,
        np.ones(difference.shape, bool),
        "Difference between thumbnail and picture, in tolerated errors",
    )
    return [found], [shown]


# --- rules over statements --------------------------------------------------------------------


def software_rule(media: Media) -> Iterator[Finding]:
    """Editors named by Software, CreatorTool and the like."""
    for key in ("exif:Software", "xmp:xmp:CreatorTool", "exif:ProcessingSoftware", "png:Software"):
        entry = media.metadata.get(key)
        name = media.metadata.text(key)
        if entry and name and jpeg_signature.software_kind(name) == "editor":
            text = f"The file states that it was written by {name[:SHOWN].strip()!r}."
            yield Finding("metadata.editor", text, _where(entry), {"key": key})
            return


def tables_rule(media: Media) -> Iterator[Finding]:
    """Quantisation tables against the camera that the file states."""
    camera, dct = media.facts.camera, media.dct
    if dct is None or camera is None or not camera.model:
        return
    match = jpeg_signature.match_table(dct.tables[0])
    model = camera.model[:SHOWN].strip()
    if match.family == "photoshop":
        text = f"The file states the camera {model!r}, but its tables are those of Photoshop."
        yield Finding("jpeg.tables.editor", text, None, {"tables": match.name or "Photoshop"})
    elif match.family == "ijg":
        text = (
            f"The tables are those of the common library libjpeg at quality {match.quality}; "
            f"some cameras and most programs write these."
        )
        yield Finding("jpeg.tables.library", text, None, {"quality": match.quality or 0})


def huffman_rule(media: Media) -> Iterator[Finding]:
    """Codes fitted to the picture under a stated camera: a program has saved it, mostly."""
    structure, camera = media.jpeg, media.facts.camera
    if structure is None or camera is None or not camera.model or media.facts.jpeg is None:
        return
    kind = jpeg_signature.huffman_kind((t.bits, t.values) for t in structure.huffman)
    if kind == "optimised" and not media.facts.jpeg.progressive:
        text = "The Huffman codes are fitted to this picture; most cameras write standard ones."
        yield Finding("jpeg.huffman.optimised", text)


def segments_rule(media: Media) -> Iterator[Finding]:
    """Segments and comments that a program leaves."""
    marks = jpeg_signature.segment_marks(_segments(media))
    structure = media.jpeg
    if structure is not None and structure.comment:
        comment = structure.comment.decode("latin-1", "replace")
        mark = jpeg_signature.comment_mark(comment)
        marks += [mark] if mark else []
    for mark in marks:
        text = f"The {mark.where} segment is typical of {mark.program}."
        yield Finding("jpeg.segment", text, None, {"segment": mark.where})


def history_rule(media: Media) -> Iterator[Finding]:
    """What an XMP editing history says was done after opening."""
    entries = [e for e in media.metadata.entries if e.key.startswith("xmp:xmpMM:History")]
    changed = [e for e in entries if isinstance(e.value, str) and e.value in ("edited", "derived")]
    if changed:
        text = f"The editing history in the file lists {len(changed)} change(s)."
        yield Finding("xmp.history.edited", text, _where(changed[0]), {"changes": len(changed)})


def dates_rule(media: Media) -> Iterator[Finding]:
    """Dates that run backwards are a contradiction; a later modification is history."""
    taken = _date(media, "exif:DateTimeOriginal")
    digitised = _date(media, "exif:DateTimeDigitized")
    modified = _date(media, "exif:DateTime")
    if taken and digitised and digitised + SAME_TIME < taken:
        entry = media.metadata.get("exif:DateTimeDigitized")
        text = f"Stated as digitised at {digitised}, before it was taken at {taken}."
        yield Finding("exif.dates.backwards", text, _where(entry))
    elif taken and modified and modified + SAME_TIME < taken:
        entry = media.metadata.get("exif:DateTime")
        text = f"Stated as last modified at {modified}, before it was taken at {taken}."
        yield Finding("exif.dates.backwards", text, _where(entry))
    elif taken and modified and modified > taken + SAME_TIME:
        entry = media.metadata.get("exif:DateTime")
        text = f"Stated as modified at {modified}, after it was taken at {taken}."
        yield Finding("exif.dates.modified", text, _where(entry))


def dimensions_rule(media: Media) -> Iterator[Finding]:
    """The size the camera stated; another one means that the file was resized or cropped."""
    width, height = (
        media.metadata.get("exif:ExifImageWidth"),
        media.metadata.get("exif:ExifImageHeight"),
    )
    if not (width and height and isinstance(width.value, int) and isinstance(height.value, int)):
        return
    stated, stored = (width.value, height.value), (media.facts.width, media.facts.height)
    if min(stated) > 0 and sorted(stated) != sorted(stored):
        text = (
            f"The camera stated {stated[0]} x {stated[1]} pixels, the picture has "
            f"{stored[0]} x {stored[1]}: it was resized or cropped."
        )
        yield Finding("exif.dimensions", text, _where(width))


def maker_note_rule(media: Media) -> Iterator[Finding]:
    camera = media.facts.camera
    taken = media.metadata.get("exif:ExposureTime")
    if camera is None or not camera.make or taken is None:
        return
    known = any(maker in camera.make.lower() for maker in NOTE_MAKERS)
    if known and media.metadata.get("exif:MakerNote") is None:
        text = (
            "The private block that this maker's cameras write is missing: the file was re-saved."
        )
        yield Finding("exif.makernote.missing", text)


def declared_rule(media: Media) -> Iterator[Finding]:
    """A declared digital source type that says composite."""
    for entry in media.metadata.entries:
        if entry.key.lower().endswith("digitalsourcetype") and isinstance(entry.value, str):
            term = entry.value.rsplit("/", 1)[-1]
            if term.lower().startswith("composite"):
                text = f"The file declares the source type {term[:SHOWN]!r}."
                yield Finding("iptc.source.composite", text, _where(entry))
                return


RULES: tuple[Callable[[Media], Iterator[Finding]], ...] = (
    software_rule,
    tables_rule,
    huffman_rule,
    segments_rule,
    history_rule,
    dates_rule,
    dimensions_rule,
    maker_note_rule,
    declared_rule,
)


def _segments(media: Media) -> list[tuple[str, str]]:
    """(marker, identifier) of the application segments, for those that carry an identifier."""
    structure = media.jpeg
    if structure is None:
        return []
    pairs = []
    for segment in structure.segments:
        if 0xE0 <= segment.marker <= 0xEF:
            start = segment.offset + 4
            head = media.data[start : start + min(32, segment.length)]
            for name in (b"Ducky", b"Photoshop 3.0", b"Adobe"):
                if head.startswith(name):
                    pairs.append((f"APP{segment.marker - 0xE0}", name.decode("ascii")))
    return pairs


def _where(entry: Entry | None) -> ByteRange | None:
    if entry is None or entry.offset is None or not entry.length:
        return None
    return ByteRange(entry.offset, entry.length)


def _date(media: Media, key: str) -> datetime | None:
    text = media.metadata.text(key)
    try:
        return datetime.strptime(text.strip("\0 "), "%Y:%m:%d %H:%M:%S") if text else None
    except ValueError:
        return None
