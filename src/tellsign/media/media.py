"""`Media`: one decoded picture that all detectors share, as lazy, cached, read-only views."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from threading import RLock
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from tellsign.errors import MalformedMedia, UnreadableSource, UnsupportedFormat
from tellsign.media import containers, dct, jpeg_walk
from tellsign.media.dct import Dct
from tellsign.media.decode import Raster, frozen
from tellsign.media.jpeg import JpegStructure
from tellsign.media.limits import DEFAULT_LIMITS, Limits
from tellsign.media.metadata import Metadata
from tellsign.media.sniff import HEAD, sniff
from tellsign.media.source import check_size, from_bytes, open_regular
from tellsign.types import MediaFacts, Source

__all__ = ["Dct", "Media", "open_media"]

T = TypeVar("T")

# Rows of `luma` computed at a time: bounds the temporary arrays.
_STRIP = 256
# Coefficients from which on memory matters more than the better message for a damaged file.
_LARGE = 64_000_000


class Media:
    """One picture. Views are computed on first use, cached, read-only and safe to share.

    `frames` are the pictures of an animation, a sequence or a multi-page file, each a `Media` of
    its own without metadata; `children` are further pictures embedded in the file.
    """

    def __init__(
        self,
        source: Source,
        data: bytes,
        facts: MediaFacts,
        limits: Limits,
        load: Callable[[], Raster],
        *,
        depth: int = 0,
        structure: JpegStructure | None = None,
        whole: bool = True,
    ) -> None:
        self.source = source
        self.facts = facts
        self.limits = limits
        self.data = data
        self.depth = depth  # 0 for the file, 1 for its children, ...
        self._structure = structure
        self._whole = whole  # False for one frame of several
        self._load = load
        self._lock = RLock()
        self._views: dict[str, object] = {}

    def __repr__(self) -> str:
        height, width = self.shape
        return f"<Media {self.source.name!r}: {self.facts.format}, {width} x {height}>"

    def _view(self, name: str, make: Callable[[], T]) -> T:
        with self._lock:
            if name not in self._views:
                self._views[name] = make()
            return cast(T, self._views[name])

    def _raster(self) -> Raster:
        return self._view("raster", self._decode)

    def _decode(self) -> Raster:
        raster = self._load()
        if raster.pixels.shape[:2] != self.shape:
            height, width = raster.pixels.shape[:2]
            raise MalformedMedia(
                f"{self.source.name}: the header says {self.facts.width} x {self.facts.height}"
                f" pixels, the data hold {width} x {height}"
            )
        return raster

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) in stored pixels."""
        return self.facts.height, self.facts.width

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB, stored orientation.

        Grey is replicated, CMYK converted, palettes expanded, 16 bits cut to 8, alpha dropped.
        """
        return self._raster().pixels

    @property
    def alpha(self) -> NDArray[np.uint8] | None:
        """(H, W) uint8, 0 = transparent; None where the picture has no alpha."""
        return self._raster().alpha

    @property
    def luma(self) -> NDArray[np.uint8]:
        """(H, W) uint8 = round(0.299 R + 0.587 G + 0.114 B), halves up."""
        return self._view("luma", lambda: luma_of(self.pixels))

    @property
    def jpeg(self) -> JpegStructure | None:
        """Segments, tables, scans and trailing bytes of a JPEG; None for other formats."""
        return self._structure

    @property
    def dct(self) -> Dct | None:
        """Quantised coefficients as stored; None when the file is no JPEG."""
        structure = self._structure
        if structure is None:
            return None
        return self._view("dct", lambda: dct.read(self.data, structure, self.source.name))

    @property
    def metadata(self) -> Metadata:
        """Every statement of the file, with offsets. Empty for single frames."""
        return self._view("metadata", self._describe)

    def _describe(self) -> Metadata:
        if not self._whole or self.facts.format is None:
            return Metadata()
        return containers.describe(
            self.data, self.facts.format, self.source.name, self.limits, self._structure
        )

    @property
    def frames(self) -> tuple[Media, ...]:
        """Every picture of an animation or multi-page file, this one first; () for a still."""
        return self._view("frames", self._frames)

    def _frames(self) -> tuple[Media, ...]:
        if not self._whole or self.facts.frames < 2 or self.facts.format is None:
            return ()
        loads = containers.frames(self.data, self.facts, self.source.name, self.limits)
        return tuple(
            Media(
                replace(self.source, name=f"{self.source.name}, frame {number}"),
                self.data,
                replace(self.facts, frames=1, width=width, height=height),
                self.limits,
                load,
                depth=self.depth,
                whole=False,
            )
            for number, (width, height, load) in enumerate(loads, start=1)
        )

    @property
    def children(self) -> tuple[Source, ...]:
        """Embedded pictures: "thumbnail", "thumbnail:photoshop", "mpf:2", "concatenated".

        Open them with ``open_media(child, depth=media.depth + 1)``; empty at `Limits.max_depth`.
        """
        return self._view("children", self._children)

    def _children(self) -> tuple[Source, ...]:
        if not self._whole or self.depth >= self.limits.max_depth:
            return ()
        found = list(self.metadata.thumbnails.items())
        if self._structure is not None:
            found += containers.jpeg_children(self.data, self._structure)
        return tuple(from_bytes(raw, name, self.limits) for name, raw in found if raw)

    def release(self) -> None:
        """Drop every cached view; the next use computes it again."""
        with self._lock:
            self._views.clear()


def luma_of(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W) uint8 = round(0.299 R + 0.587 G + 0.114 B) in exact integers, halves up."""
    out = np.empty(pixels.shape[:2], np.uint8)
    for row in range(0, len(pixels), _STRIP):
        strip = pixels[row : row + _STRIP].astype(np.uint32)
        total = strip[..., 0] * 299
        total += strip[..., 1] * 587
        total += strip[..., 2] * 114
        total += 500
        out[row : row + _STRIP] = total // 1000
    return cast("NDArray[np.uint8]", frozen(out))


def open_media(
    source: Source, limits: Limits = DEFAULT_LIMITS, *, depth: int = 0, decode: bool = True
) -> Media:
    """Open one picture; what is returned has been decoded once and can be examined.

    Parameters
    ----------
    depth
        How deep `source` is embedded: 0 for a file, 1 for its thumbnail.
    decode
        False skips the proof that the picture data are whole, for uses that read metadata only;
        views of a broken picture may then raise.

    Raises only subclasses of `tellsign.errors.InputError`, and MissingExtra for HEIF.
    """
    data = _bytes(source, limits)
    kind = sniff(data[:HEAD])
    if kind is None:
        raise UnsupportedFormat(
            f"{source.name}: no picture format that can be examined"
            " (JPEG, PNG, WebP, TIFF, GIF, BMP, HEIF, AVIF)"
        )
    structure = None
    if kind == "jpeg":
        structure = jpeg_walk.parse(data, source.name)
        limits.check_size(structure.width, structure.height, source.name)
        dct.check_work(structure, source.name)
    header = containers.header(data, kind, source.name, limits, structure)
    metadata = containers.describe(data, kind, source.name, limits, structure)
    facts = containers.facts(kind, header, metadata, structure)
    if structure is not None:
        load = containers.jpeg_loader(data, structure, source.name)
    else:
        load = containers.loader(data, kind, header, source.name)
    media = Media(source, data, facts, limits, load, depth=depth, structure=structure)
    media._views["metadata"] = metadata
    if decode and structure is not None and dct.coefficients(structure) > _LARGE:
        _ = media.pixels, media.dct  # decoders of pixels need memory of their own: first
    elif decode:
        _ = media.dct, media.pixels
    return media


def _bytes(source: Source, limits: Limits) -> bytes:
    """All bytes, which must still be those that were hashed."""
    check_size(source.size, source.name, limits)
    if isinstance(source.uri, bytes):
        return source.uri
    try:
        with open_regular(source.uri) as stream:
            data = stream.read(source.size + 1)
    except OSError as error:
        raise UnreadableSource(f"{source.name}: cannot be read any more") from error
    if len(data) != source.size or hashlib.sha256(data).hexdigest() != source.sha256:
        raise UnreadableSource(f"{source.name}: changed while it was examined")
    return data
