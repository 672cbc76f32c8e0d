"""Bytes in, decoded media out."""

from tellsign.media.limits import DEFAULT_LIMITS, Limits
from tellsign.media.media import Dct, Media, open_media
from tellsign.media.metadata import Entry, Metadata
from tellsign.media.source import from_bytes, from_path, from_stream

__all__ = [
    "DEFAULT_LIMITS",
    "Dct",
    "Entry",
    "Limits",
    "Media",
    "Metadata",
    "from_bytes",
    "from_path",
    "from_stream",
    "open_media",
]
