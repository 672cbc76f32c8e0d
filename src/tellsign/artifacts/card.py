"""`card.toml`: what an artifact is, what it was made from, what it cannot do."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, fields
from typing import Any

from tellsign.errors import ArtifactError


@dataclass(frozen=True, slots=True)
class FileRecord:
    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The checked content of a card. Every key must be there; unknown keys are refused."""

    name: str
    version: str
    detector: str
    detector_version: str
    summary: str
    licence_code: str
    licence_weights: str
    licence_data: str
    training_data: str
    intended_use: str
    known_failures: tuple[str, ...]
    measured: str  # how to repeat the numbers: the command
    made: str  # date
    files: tuple[FileRecord, ...]

    def __post_init__(self) -> None:
        for name in ("name", "version", "detector", "intended_use", "training_data"):
            if not getattr(self, name):
                raise ArtifactError(f"card: {name} is empty")
        if not self.known_failures:
            raise ArtifactError(f"card {self.name}: known_failures must not be empty")
        for record in self.files:
            if "/" in record.name or "\\" in record.name or record.name.startswith("."):
                raise ArtifactError(f"card {self.name}: {record.name!r} is not a plain file name")


def parse(text: str, where: str) -> ModelCard:
    """Read a card. Raises ArtifactError naming `where`."""
    try:
        raw: dict[str, Any] = tomllib.loads(text)
        raw["files"] = tuple(FileRecord(**record) for record in raw["files"])
        raw["known_failures"] = tuple(raw["known_failures"])
        return ModelCard(**raw)
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise ArtifactError(f"{where}: bad card: {error}") from error


def render(card: ModelCard) -> str:
    """The card as TOML; `parse` reads it back."""
    lines = []
    for field in fields(card):
        value = getattr(card, field.name)
        if field.name == "files":
            continue
        if isinstance(value, tuple):
            items = "".join(f"  {_quoted(v)},\n" for v in value)
            lines.append(f"{field.name} = [\n{items}]")
        else:
            lines.append(f"{field.name} = {_quoted(value)}")
    for record in card.files:
        lines.append(
            f"\n[[files]]\nname = {_quoted(record.name)}\n"
            f"sha256 = {_quoted(record.sha256)}\nbytes = {record.bytes}"
        )
    if not card.files:
        lines.insert(0, "files = []")
    return "\n".join(lines) + "\n"


# Control characters and changes of direction: a card is shown on terminals.
_UNSAFE = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def _quoted(text: str) -> str:
    """A TOML basic string; JSON's escapes are a part of TOML's."""
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
