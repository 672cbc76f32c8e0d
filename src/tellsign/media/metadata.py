"""What the file says about itself, with the place of every statement in the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tellsign.types import ByteRange

Value = str | int | float | bytes | tuple[int | float, ...]

# Statements kept of one file; a camera writes a few hundred, a maker note counts as one.
_MAX_ENTRIES = 5_000
_MAX_PROBLEMS = 50
# All values together, in units of the limit of one: many values can point to the same bytes.
_BUDGET = 16
# Blocks of one kind that are read; files have one, or two that disagree.
_MAX_BLOCKS = 8
_BYTES_OF_NUMBER = 32


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
    never makes a picture unreadable. `thumbnails` are embedded previews, by name.
    """

    entries: tuple[Entry, ...] = ()
    jumbf: tuple[ByteRange, ...] = ()
    problems: tuple[str, ...] = ()
    blocks: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    thumbnails: Mapping[str, bytes] = field(
        default_factory=lambda: MappingProxyType({}), repr=False
    )

    def get(self, key: str) -> Entry | None:
        """The first entry of this key."""
        return next((entry for entry in self.entries if entry.key == key), None)

    def all(self, key: str) -> tuple[Entry, ...]:
        """Every entry of this key, for keys a file may repeat (lists in XMP and IPTC)."""
        return tuple(entry for entry in self.entries if entry.key == key)

    def text(self, key: str) -> str | None:
        """The first value of this key as text; bytes as UTF-8 or Latin-1, numbers printed."""
        entry = self.get(key)
        return None if entry is None else as_text(entry.value)

    def raw(self, name: str) -> bytes | None:
        """A whole block as stored: "exif" (from its TIFF header on), "xmp", "icc", "iptc"."""
        return self.blocks.get(name)


def as_text(value: Value) -> str:
    """Text of a value; undecodable bytes become Latin-1, which maps every byte."""
    if isinstance(value, bytes):
        return decode(value)
    if isinstance(value, tuple):
        return " ".join(str(item) for item in value)
    return str(value)


def decode(raw: bytes) -> str:
    """UTF-8 where it is that, else Latin-1; never fails."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


class Builder:
    """Collects statements while a file is read, within bounds."""

    def __init__(self, limit: int) -> None:
        self.limit = limit  # bytes of one value
        self.left = _BUDGET * limit
        self.begun: Counter[str] = Counter()
        self.entries: list[Entry] = []
        self.jumbf: list[ByteRange] = []
        self.problems: list[str] = []
        self.blocks: dict[str, bytes] = {}
        self.thumbnails: dict[str, bytes] = {}

    def add(
        self, key: str, value: Value, offset: int | None = None, length: int | None = None
    ) -> None:
        if len(self.entries) >= _MAX_ENTRIES:
            self.problem(f"more than {_MAX_ENTRIES} metadata entries; the rest was left out")
            return
        cut = False
        if isinstance(value, str | bytes):
            cut = len(value) > self.limit
            value = value[: self.limit]
            self.spend(len(value))
        elif isinstance(value, tuple):
            self.spend(len(value) * _BYTES_OF_NUMBER)
        if self.left > 0:
            self.entries.append(Entry(key[:300], value, offset, length, cut))

    def spend(self, size: int) -> None:
        """Account for `size` bytes of values."""
        self.left -= size
        if self.left <= 0:
            self.problem(
                f"more than {_BUDGET * self.limit} bytes of metadata; the rest was left out"
            )

    def begin(self, kind: str) -> bool:
        """Whether one more block of this kind is read."""
        self.begun[kind] += 1
        if self.begun[kind] > _MAX_BLOCKS or self.left <= 0:
            self.problem(f"more {kind} blocks than {_MAX_BLOCKS}; the rest was left out")
            return False
        return True

    def problem(self, text: str) -> None:
        """Note what could not be parsed; equal notes once."""
        if text not in self.problems and len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(text)

    def block(self, name: str, raw: bytes) -> None:
        self.blocks.setdefault(name, raw)

    def build(self) -> Metadata:
        return Metadata(
            tuple(self.entries),
            tuple(self.jumbf),
            tuple(self.problems),
            MappingProxyType(self.blocks),
            MappingProxyType(self.thumbnails),
        )
