"""name@version -> verified folder: everything learned or fitted, always checked by sha256.

Search order: the folders of ``TELLSIGN_ARTIFACTS`` (a path list) or, where that is not set, the
user's folder of the platform (`user_folder`), then the wheel. Set but empty means the wheel alone.
Feature detectors have a folder too, with a card and a calibration but no network.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from tellsign.artifacts import card as cards
from tellsign.errors import ArtifactError, UsageError

CARD = "card.toml"
ENVIRONMENT = "TELLSIGN_ARTIFACTS"


@dataclass(frozen=True)
class Artifact:
    """One folder. Its files were hashed against the card when it was opened."""

    folder: Path
    card: cards.ModelCard

    @property
    def label(self) -> str:
        return f"{self.card.name}@{self.card.version}"

    @cached_property
    def sha256(self) -> str:
        """Hash over the card, which holds the hash of every other file."""
        return hashlib.sha256((self.folder / CARD).read_bytes()).hexdigest()

    def holds(self, name: str) -> bool:
        return name in {record.name for record in self.card.files}

    def path(self, name: str) -> Path:
        if not self.holds(name):
            raise ArtifactError(f"{self.label} has no file {name!r}")
        return self.folder / name

    def json(self, name: str) -> Any:
        return json.loads(self.path(name).read_text("utf-8"))


def open_artifact(folder: Path) -> Artifact:
    """Verify a folder against its card. Raises ArtifactError on any difference."""
    try:
        card = cards.parse((folder / CARD).read_text("utf-8"), str(folder.name))
        for record in card.files:
            data = (folder / record.name).read_bytes()
            if len(data) != record.bytes or hashlib.sha256(data).hexdigest() != record.sha256:
                raise ArtifactError(f"{card.name}@{card.version}: {record.name} was changed")
    except OSError as error:
        raise ArtifactError(f"artifact {folder.name}: {error}") from error
    if folder.name != f"{card.name}-{card.version}":
        raise ArtifactError(f"artifact folder {folder.name} holds {card.name}-{card.version}")
    return Artifact(folder, card)


class Store:
    """All artifacts of a list of folders; the first folder that has a name wins."""

    def __init__(self, roots: tuple[Path, ...]) -> None:
        self.roots = roots

    @classmethod
    def default(cls) -> Store:
        return _store(
            (*_user_folders(), Path(str(files("tellsign").joinpath("artifacts/builtin"))))
        )

    @cached_property
    def folders(self) -> Mapping[str, Path]:
        """name-version -> folder, unverified."""
        found: dict[str, Path] = {}
        for root in self.roots:
            if root.is_dir():
                for folder in sorted(p for p in root.iterdir() if (p / CARD).is_file()):
                    found.setdefault(folder.name, folder)
        return found

    def get(self, name: str, version: str) -> Artifact | None:
        folder = self.folders.get(f"{name}-{version}")
        return _opened(folder) if folder else None


def user_folder() -> Path:
    """Where `tellsign models add` copies to: the first entry of ``TELLSIGN_ARTIFACTS``, else

    ==========  ====================================================================
    Linux       ``$XDG_DATA_HOME/tellsign/artifacts``, by default below
                ``~/.local/share``
    macOS       ``~/Library/Application Support/tellsign/artifacts``
    Windows     ``%LOCALAPPDATA%\\tellsign\\artifacts``
    ==========  ====================================================================

    Raises UsageError where neither is to be had: no folder given, no home folder.
    """
    given = _user_folders()
    if not given:
        raise UsageError(f"no folder for your artifacts: name one in {ENVIRONMENT}")
    return given[0]


def _user_folders() -> tuple[Path, ...]:
    given = os.environ.get(ENVIRONMENT)
    if given is not None:
        return tuple(Path(p) for p in given.split(os.pathsep) if p)
    base = _platform_folder()
    return (base / "tellsign" / "artifacts",) if base else ()


def _platform_folder() -> Path | None:
    try:
        home = Path.home()
    except RuntimeError:  # an account without one, as in some containers
        return None
    if sys.platform == "darwin":
        return home / "Library" / "Application Support"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    # The XDG rules want a relative path to be ignored.
    given = Path(os.environ.get("XDG_DATA_HOME", ""))
    return given if given.is_absolute() else home / ".local" / "share"


def forget() -> None:
    """Look again at the next call: folders were written in this process."""
    _store.cache_clear()
    _opened.cache_clear()


@cache
def _store(roots: tuple[Path, ...]) -> Store:
    return Store(roots)


@cache
def _opened(folder: Path) -> Artifact:
    return open_artifact(folder)
