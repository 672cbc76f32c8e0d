"""Rows of facts that all renderings share: the file, and what repeats its examination.

Everything returned is plain text, already cleaned; a rendering only escapes and lays it out.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from tellsign import __version__
from tellsign.report.report import SENTENCE, number
from tellsign.report.text import clean
from tellsign.types import Report


def media_rows(report: Report) -> Iterator[tuple[str, str]]:
    """(label, value) of the file's facts."""
    source, media = report.source, report.media
    yield "File", clean(source.name)
    yield "Size", f"{source.size:,} bytes"
    if source.sha256:
        yield "SHA-256", clean(source.sha256)
    if media is None:
        return
    form = clean(media.format or "unknown format").upper()
    yield (
        "Picture",
        f"{form}, {media.width} x {media.height} pixels, {clean(media.mode)}, "
        + (f"{media.bit_depth} bits" + (f", {media.frames} frames" if media.frames > 1 else "")),
    )
    if media.duration is not None:
        yield (
            "Duration",
            f"{number(media.duration):g} s"
            + (f", codec {clean(media.codec)}" if media.codec else ""),
        )
    if media.jpeg:
        quality = "no standard table" if media.jpeg.quality is None else f"{media.jpeg.quality}"
        kind = ", progressive" if media.jpeg.progressive else ""
        yield "JPEG", f"quality {quality}, {clean(media.jpeg.subsampling)}{kind}"
    if media.orientation not in (None, 1):
        yield "Orientation", f"Exif {media.orientation}; coordinates are of stored pixels"
    camera = media.camera
    if camera:
        stated = [camera.make, camera.model, camera.software, camera.taken]
        said = ", ".join(clean(s) for s in stated if s)
        if said:
            yield "Stated camera", said


def repeat_rows(report: Report, command: str | None) -> Iterator[tuple[str, str]]:
    """(label, value) of what it takes to get the same report again."""
    yield "Command", command_text(report, command)
    yield "Version", f"tellsign {__version__}"
    yield "Plan", clean(report.plan)
    if report.source.sha256:
        yield "Input SHA-256", clean(report.source.sha256)
    yield "Examined", clean(report.created)


def command_text(report: Report, command: str | None) -> str:
    """The command as given, or the one that examines this file again, quoted for a shell."""
    if command is not None:
        return clean(command, SENTENCE)
    return f"tellsign examine {shlex.quote(clean(report.source.name))}"


def method_rows(report: Report) -> Iterator[tuple[str, str]]:
    """(detector, version and hashes) of everything that ran."""
    for outcome in report.outcomes:
        origin = outcome.origin
        parts = [f"version {clean(origin.version)}"]
        if origin.code_sha256:
            parts.append(f"code sha256 {clean(origin.code_sha256)}")
        if origin.artifact:
            a = origin.artifact
            parts.append(f"artifact {clean(a.name)}@{clean(a.version)} sha256 {clean(a.sha256)}")
        calibrated = report.calibrated.get(origin.detector)
        if calibrated:
            parts.append(f"calibration {clean(calibrated.calibration)}")
        yield clean(origin.detector), ", ".join(parts)
