"""What the file says about itself, with the place of every statement in the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tellsign.types import ByteRange

Value = str | int | float | bytes | tuple[int | float, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One statement. `value` is as in the file: hostile until cleaned for display.

    `offset` and `length` are bytes in the file; None where the text was compressed or assembled
    from several pieces. `truncated` marks a value cut at `Limits.max_metadata_bytes`.
    """

    key: str  # namespaced: "exif:Make", "xmp:dc:creator", "png:parameters"
    value: Value
    offset: int | None = None
    length: int | None = None
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Metadata:
    """All statements of a file, in the order of the file within each namespace.

    `blocks` holds the raw blocks "exif", "xmp", "icc", "iptc". `jumbf` are the byte ranges of
    C2PA/JUMBF stores. `problems` are one-line notes on what could not be parsed; broken metadata
    never makes a picture unreadable.
    """

    entries: tuple[Entry, ...] = ()
    jumbf: tuple[ByteRange, ...] = ()
    problems: tuple[str, ...] = ()
    blocks: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))

    def get(self, key: str) -> Entry | None:
        """The first entry of this key."""
        return next((entry for entry in self.entries if entry.key == key), None)

    def all(self, key: str) -> tuple[Entry, ...]:
        """Every entry of this key, for keys a file may repeat."""
        return tuple(entry for entry in self.entries if entry.key == key)

    def text(self, key: str) -> str | None:
        """The first value of this key as text; bytes as UTF-8 or Latin-1, numbers printed."""
        entry = self.get(key)
        if entry is None:
            return None
        return as_text(entry.value)

    def raw(self, name: str) -> bytes | None:
        """A whole block as stored: "exif" (from its TIFF header on), "xmp", "icc", "iptc"."""
        return self.blocks.get(name)


def as_text(value: Value) -> str:
    """Text of a value; undecodable bytes become Latin-1, which maps every byte."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.decode("latin-1")
    if isinstance(value, tuple):
        return " ".join(str(item) for item in value)
    return str(value)
