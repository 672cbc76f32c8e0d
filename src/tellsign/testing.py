"""`check_detector`: the public contract suite, for third-party detectors as for our own.

>>> from tellsign.testing import check_detector
>>> check_detector(MyDetector)  # doctest: +SKIP
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tellsign.detectors.base import HEADINGS, Abstain, BatchedDetector, Detector
from tellsign.errors import DetectorError, InputError
from tellsign.media import DEFAULT_LIMITS, from_bytes, open_media
from tellsign.media.media import Media
from tellsign.types import Abstention, Evidence, Map, MapKind

# A contract must also hold below the size that the command line refuses to examine.
_LIMITS = replace(DEFAULT_LIMITS, min_side=1)


def check_detector(cls: type[Detector]) -> None:
    """Run every rule of the detector contract. Raises DetectorError listing what is broken."""
    problems = [*_check_info(cls)]
    detector = cls()
    for name, data in odd_pictures().items():
        try:
            media = open_media(from_bytes(data, name), _LIMITS)
        except InputError:
            continue  # refused before any detector sees it
        problems += [f"{name}: {problem}" for problem in _check_on(detector, media)]
    problems += _check_batching(detector)
    if problems:
        raise DetectorError(f"{cls.info.name}: " + "; ".join(problems))


def run(detector: Detector, media: Media) -> Evidence | Abstention:
    """Run one detector the way the engine does, letting its errors through."""
    code = detector.applicable(media)
    if code is not None:
        return detector.abstention(code)
    try:
        return detector.examine(media)
    except Abstain as abstain:
        return detector.abstention(abstain.code)


def odd_pictures() -> Mapping[str, bytes]:
    """Small valid files of every kind that detectors tend to forget, by name."""
    rng = np.random.default_rng(7)
    noise = rng.integers(0, 256, (96, 128, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(noise).resize((320, 240), Image.Resampling.BICUBIC))
    grey = smooth[..., 1]
    deep = (grey.astype(np.uint16) << 8) | grey
    frames = [Image.fromarray(np.roll(smooth, 8 * i, axis=1)) for i in range(3)]
    return {
        "1x1.png": _encoded(smooth[:1, :1], "PNG"),
        "1x1.jpg": _encoded(smooth[:1, :1], "JPEG"),
        "strip.png": _encoded(smooth[:9], "PNG"),
        "constant.png": _encoded(np.full((240, 320, 3), 127, np.uint8), "PNG"),
        "constant.jpg": _encoded(np.full((240, 320, 3), 127, np.uint8), "JPEG"),
        "black-and-white.png": _encoded((grey > 127) * np.uint8(255), "PNG"),
        "noise.png": _encoded(noise, "PNG"),
        "colour.png": _encoded(smooth, "PNG"),
        "colour.jpg": _encoded(smooth, "JPEG", quality=90),
        "low.jpg": _encoded(smooth, "JPEG", quality=20),
        "progressive.jpg": _encoded(smooth, "JPEG", quality=85, progressive=True),
        "grey.jpg": _encoded(grey, "JPEG", quality=85),
        "cmyk.jpg": _encoded(np.dstack([smooth, grey]), "JPEG", mode="CMYK"),
        "odd-size.jpg": _encoded(smooth[:233, :315], "JPEG", quality=85, subsampling=0),
        "16-bit.png": _encoded(deep, "PNG"),
        "alpha.png": _encoded(np.dstack([smooth, grey]), "PNG"),
        "animated.gif": _animated(frames, "GIF"),
        "animated.webp": _animated(frames, "WEBP"),
        "colour.webp": _encoded(smooth, "WEBP"),
        "colour.tiff": _encoded(smooth, "TIFF"),
        "truncated.jpg": _encoded(smooth, "JPEG")[:4000],
    }


def _encoded(
    pixels: NDArray[np.generic], form: str, mode: str | None = None, **options: object
) -> bytes:
    buffer = io.BytesIO()
    picture = Image.fromarray(pixels)
    if mode is not None:
        picture = Image.frombytes(mode, picture.size, np.ascontiguousarray(pixels).tobytes())
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def _animated(frames: list[Image.Image], form: str) -> bytes:
    buffer = io.BytesIO()
    frames[0].save(buffer, form, save_all=True, append_images=frames[1:], duration=100)
    return buffer.getvalue()


def _check_info(cls: type[Detector]) -> Iterator[str]:
    info = cls.info
    if set(HEADINGS) - set(info.sections):
        yield "docstring headings are missing"
    if not info.unit:
        yield "the score has no unit"
    if not info.abstentions:
        yield "no abstention is declared; every method has pictures it cannot speak on"
    for code, text in {**info.abstentions, **info.findings}.items():
        if not text.endswith("."):
            yield f"{code}: its meaning is not a sentence"
    if pickle.loads(pickle.dumps(cls)) is not cls:  # noqa: S301 - our own bytes, made a line above
        yield "the class does not pickle, so no worker can run it"


def _check_on(detector: Detector, media: Media) -> Iterator[str]:
    before = _checksums(media)
    first = run(detector, media)
    if _checksums(media) != before:
        yield "a view of the media was written to"
    media.release()
    second = run(detector, media)
    if _facts(first) != _facts(second):
        yield "two runs differ"
    if isinstance(first, Evidence):
        for found in first.maps:
            yield from _check_map(found, media)


def _check_map(found: Map, media: Media) -> Iterator[str]:
    height, width = media.shape
    rows, columns = found.values.shape
    # A map may leave out a border narrower than one cell.
    if abs(rows * found.stride - height) >= 2 * found.stride + 8:
        yield f"a map of {rows} rows at stride {found.stride} does not cover {height} pixels"
    if abs(columns * found.stride - width) >= 2 * found.stride + 8:
        yield f"a map of {columns} columns at stride {found.stride} does not cover {width} pixels"
    if found.kind is MapKind.MASK and not np.isin(found.values, (0, 1)).all():
        yield "a mask holds other values than 0 and 1"


def _check_batching(detector: Detector) -> Iterator[str]:
    if not isinstance(detector, BatchedDetector):
        return
    data = odd_pictures()["colour.png"]
    media = open_media(from_bytes(data, "colour.png"), _LIMITS)
    if detector.applicable(media) is not None:
        return
    rows = detector.prepare(media)
    alone = [detector.infer_rows(rows[i : i + 1]) for i in range(len(rows))]
    if not np.array_equal(detector.infer_rows(rows), np.concatenate(alone)):
        yield "a row's output depends on its neighbours in the batch"


def _checksums(media: Media) -> tuple[int, ...]:
    views: list[NDArray[np.generic]] = [media.pixels, media.luma]
    if media.dct is not None:
        views.extend(media.dct.planes)
    return tuple(hash(view.tobytes()) for view in views)


def _facts(outcome: Evidence | Abstention) -> tuple[object, ...]:
    if isinstance(outcome, Abstention):
        return (outcome.code,)
    maps = tuple((m.kind, m.values.tobytes(), m.valid.tobytes()) for m in outcome.maps)
    return (outcome.score, outcome.findings, maps)
