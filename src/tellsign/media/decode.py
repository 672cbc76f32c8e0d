"""Pictures to arrays, through Pillow (libjpeg-turbo with its accurate integer DCT for JPEG).

Decoders get streams that the container modules have checked and stripped of metadata.
"""

from __future__ import annotations

import importlib
import io
import re
import struct
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tellsign.errors import MalformedMedia, MissingExtra, TellsignError, UnsupportedFormat
from tellsign.media.quiet import quietly

if TYPE_CHECKING:
    from PIL import Image

# Plugin classes are used directly: Image.open would try other formats as well, and warns through
# a process-wide filter about sizes that have been checked by then.
_PLUGINS = {
    "jpeg": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "png": ("PIL.PngImagePlugin", "PngImageFile"),
    "webp": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "tiff": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "gif": ("PIL.GifImagePlugin", "GifImageFile"),
    "bmp": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "avif": ("PIL.AvifImagePlugin", "AvifImageFile"),
}

# What Pillow is known to raise on broken files; it has no error class of its own.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    MemoryError,
    EOFError,
    struct.error,
    zlib.error,
)
# Decoders other than that of JPEG warn, libtiff prints to stderr; they take turns.
_STRIP = 1 << 20  # pixels copied at a time
# The form of libtiff's errors; Pillow turns its warnings off.
_PRINTED = re.compile(rb"(_?TIFF\w*|[A-Z]\w*(Decode|Setup|Lib|State)\w*|tempfile\.tif)[\w.]*: .*")
_warnings = RLock()


@dataclass(frozen=True, eq=False, slots=True)
class Raster:
    pixels: NDArray[np.uint8]  # (H, W, 3) RGB
    alpha: NDArray[np.uint8] | None  # (H, W)


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


class Decoder:
    """The pictures of one stream, in turn or at random; safe to share between threads."""

    def __init__(self, kind: str, stream: bytes, name: str) -> None:
        self.kind, self.stream, self.name = kind, stream, name
        self._lock = RLock()
        self._open: Image.Image | None = None

    def count(self) -> int:
        """Number of pictures as the decoder sees it. Raises MalformedMedia."""
        with self._lock:
            return int(getattr(self._picture(), "n_frames", 1))

    def size(self) -> tuple[int, int]:
        """Width and height as the decoder sees them. Raises MalformedMedia."""
        with self._lock:
            return self._picture().size

    def orientation(self) -> int:
        """Orientation that the container states, as an Exif value. Raises MalformedMedia."""
        with self._lock:
            picture = self._picture()
            return int(self._guarded(lambda: picture.getexif().get(0x0112, 1)))

    def read(self, number: int = 0, *, keep: bool = False) -> Raster:
        """Decode picture `number`; `keep` leaves the stream open for the next one.

        Raises MalformedMedia, and UnsupportedFormat for colours that cannot be converted.
        """
        with self._lock:
            try:
                found: Raster = self._guarded(lambda: self._read(number))
                return found
            finally:
                if not keep:
                    self._open = None

    def _picture(self) -> Image.Image:
        if self._open is None:
            self._open = self._guarded(self._plugin)
        return self._open

    def _plugin(self) -> Image.Image:
        if self.kind == "heif":
            return _heif(self.stream)
        module, name = _PLUGINS[self.kind]
        opened: Image.Image = getattr(importlib.import_module(module), name)(
            io.BytesIO(self.stream)
        )
        return opened

    def _read(self, number: int) -> Raster:
        picture = self._open if self._open is not None else self._plugin()
        self._open = picture
        if number or self._open_position():
            picture.seek(number)
        picture.load()
        return raster(picture, self.name)

    def _open_position(self) -> int:
        return self._open.tell() if self._open is not None else 0

    def _guarded(self, call: Callable[[], Any]) -> Any:
        try:
            if self.kind == "jpeg":
                return call()
            with _warnings, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._quiet(call) if self.kind == "tiff" else call()
        except TellsignError:
            raise
        except _BROKEN as error:
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            kind = self.kind.upper()
            raise MalformedMedia(f"{self.name}: the {kind} cannot be decoded ({reason})") from error

    def _quiet(self, call: Callable[[], Any]) -> Any:
        result, printed = quietly(call, _PRINTED)
        if printed:  # not every error of JPEG inside TIFF reaches Pillow
            reason = printed.decode("latin-1")[:120]
            raise MalformedMedia(f"{self.name}: the TIFF data are damaged ({reason})")
        return result


def _heif(stream: bytes) -> Image.Image:
    try:
        import pillow_heif
    except ImportError:
        raise MissingExtra("HEIF pictures", "heif") from None
    opener: Callable[[io.BytesIO], Image.Image] = pillow_heif.HeifImageFile
    return opener(io.BytesIO(stream))


def raster(picture: Image.Image, name: str) -> Raster:
    """Convert any picture to RGB and alpha. Raises UnsupportedFormat for unknown colours."""
    mode = picture.mode
    if mode in ("F", "LAB", "HSV"):
        raise UnsupportedFormat(f"{name}: pictures of colour type {mode} cannot be examined")
    if mode.startswith("I"):
        grey = (np.asarray(picture).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8)
        return Raster(frozen(np.repeat(grey[..., None], 3, axis=2)), None)
    if mode in ("LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
    if picture.mode not in ("RGB", "RGBA"):
        picture = picture.convert("RGB")
    return _copy(picture)


def _copy(picture: Image.Image) -> Raster:
    """Row by row: Pillow's own export holds the picture three times."""
    width, height = picture.size
    pixels = np.empty((height, width, 3), np.uint8)
    alpha = np.empty((height, width), np.uint8) if picture.mode == "RGBA" else None
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        strip = np.asarray(picture.crop((0, top, width, min(top + rows, height))))
        pixels[top : top + rows] = strip[..., :3]
        if alpha is not None:
            alpha[top : top + rows] = strip[..., 3]
    return Raster(frozen(pixels), None if alpha is None else frozen(alpha))
