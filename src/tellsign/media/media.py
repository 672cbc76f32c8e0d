"""`Media`: one decoded picture that all detectors share, as lazy, cached, read-only views."""

from __future__ import annotations

import io
import os
import tempfile
import warnings
from dataclasses import dataclass
from threading import RLock

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tellsign.errors import LimitExceeded, MalformedMedia, UnreadableSource, UnsupportedFormat
from tellsign.media import jpeg as jpegs
from tellsign.media.limits import DEFAULT_LIMITS, Limits
from tellsign.media.metadata import Entry, Metadata
from tellsign.media.sniff import sniff
from tellsign.types import JpegFacts, MediaFacts, Source


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


class Media:
    """One picture. Views are computed on first use, cached, read-only and safe to share."""

    def __init__(self, source: Source, data: bytes, facts: MediaFacts, limits: Limits) -> None:
        self.source, self.facts, self.limits = source, facts, limits
        self.data = data
        self._lock = RLock()
        self._cache: dict[str, object] = {}

    @property
    def shape(self) -> tuple[int, int]:
        return self.facts.height, self.facts.width

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB, stored orientation."""
        with self._lock:
            if "pixels" not in self._cache:
                self._decode()
            return self._cache["pixels"]  # type: ignore[return-value]

    @property
    def alpha(self) -> NDArray[np.uint8] | None:
        with self._lock:
            if "alpha" not in self._cache:
                self._decode()
            return self._cache["alpha"]  # type: ignore[return-value]

    @property
    def luma(self) -> NDArray[np.uint8]:
        """(H, W) uint8 = round(0.299 R + 0.587 G + 0.114 B)."""
        with self._lock:
            if "luma" not in self._cache:
                weights = np.array([0.299, 0.587, 0.114], np.float32)
                self._cache["luma"] = _frozen(np.rint(self.pixels @ weights).astype(np.uint8))
            return self._cache["luma"]  # type: ignore[return-value]

    @property
    def jpeg(self) -> jpegs.JpegStructure | None:
        with self._lock:
            if "jpeg" not in self._cache:
                is_jpeg = self.facts.format == "jpeg"
                self._cache["jpeg"] = jpegs.parse(self.data, self.source.name) if is_jpeg else None
            return self._cache["jpeg"]  # type: ignore[return-value]

    @property
    def dct(self) -> Dct | None:
        with self._lock:
            if "dct" not in self._cache:
                self._cache["dct"] = _read_dct(self.data) if self.jpeg else None
            return self._cache["dct"]  # type: ignore[return-value]

    @property
    def metadata(self) -> Metadata:
        with self._lock:
            if "metadata" not in self._cache:
                self._cache["metadata"] = _metadata(self.data)
            return self._cache["metadata"]  # type: ignore[return-value]

    @property
    def frames(self) -> tuple[Media, ...]:
        return ()

    @property
    def children(self) -> tuple[Source, ...]:
        return ()

    def release(self) -> None:
        """Drop every cached view; the next use computes it again."""
        with self._lock:
            self._cache.clear()

    def _decode(self) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                picture = Image.open(io.BytesIO(self.data))
                picture.load()
        except (OSError, SyntaxError, ValueError) as error:
            raise MalformedMedia(f"{self.source.name}: {error}") from error
        alpha = None
        if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
            alpha = _frozen(np.asarray(picture.convert("RGBA"))[..., 3].copy())
        if picture.mode.startswith("I"):
            values = np.asarray(picture).astype(np.uint32) >> 8
            pixels = np.repeat(values.astype(np.uint8)[..., None], 3, axis=2)
        else:
            pixels = np.asarray(picture.convert("RGB"))
        self._cache["pixels"] = _frozen(np.ascontiguousarray(pixels))
        self._cache["alpha"] = alpha


def open_media(source: Source, limits: Limits = DEFAULT_LIMITS) -> Media:
    """Open one picture. Raises only subclasses of `tellsign.errors.InputError`."""
    if source.size > limits.max_bytes:
        raise LimitExceeded(f"{source.name}: {source.size} bytes")
    try:
        with source.open() as stream:
            data = stream.read(limits.max_bytes + 1)
    except OSError as error:
        raise UnreadableSource(f"{source.name}: {error.strerror}") from error
    kind = sniff(data[:4096])
    if kind is None:
        raise UnsupportedFormat(f"{source.name}: not a picture in a format that can be examined")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = Image.open(io.BytesIO(data))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MalformedMedia(f"{source.name}: {error}") from error
    limits.check_size(picture.width, picture.height, source.name)
    structure = jpegs.parse(data, source.name) if kind == "jpeg" else None
    facts = MediaFacts(
        type="image",
        format=kind,
        width=picture.width,
        height=picture.height,
        orientation=picture.getexif().get(0x112),
        mode=picture.mode,
        bit_depth=16 if picture.mode.startswith("I") else 8,
        frames=getattr(picture, "n_frames", 1),
        duration=None,
        codec=None,
        jpeg=_jpeg_facts(structure) if structure else None,
        camera=None,
    )
    return Media(source, data, facts, limits)


def _jpeg_facts(s: jpegs.JpegStructure) -> JpegFacts:
    table = s.tables.get(s.components[0].table)
    quality = jpegs.nearest_quality(table) if table is not None else None
    return JpegFacts(quality, s.subsampling, s.progressive, jpegs.tables_sha256(s.tables))


def _metadata(data: bytes) -> Metadata:
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        texts = getattr(picture, "text", {}) or {}
        return Metadata(tuple(Entry(f"png:{k}", str(v)) for k, v in texts.items()))


def _read_dct(data: bytes) -> Dct:
    import jpeglib

    descriptor, path = tempfile.mkstemp(suffix=".jpg")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        read = jpeglib.read_dct(path)
        planes = [p for p in (read.Y, read.Cb, read.Cr, read.K) if p is not None]
    finally:
        os.unlink(path)
    tables = [read.qt[n].astype(np.uint16) for n in read.quant_tbl_no[: len(planes)]]
    sampling = tuple((int(v), int(h)) for v, h in read.samp_factor[: len(planes)])
    return Dct(tuple(map(_frozen, planes)), tuple(map(_frozen, tables)), sampling)


def _frozen(array):  # type: ignore[no-untyped-def]
    array.flags.writeable = False
    return array
