"""name@version -> verified folder: everything learned or fitted, always checked by sha256.

Search order: folders given by the user (``TELLSIGN_ARTIFACTS``, a path list), then the wheel.
Feature detectors have a folder too, with a card and a calibration but no network.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from tellsign.artifacts import card as cards
from tellsign.calibration.calibrators import Calibration
from tellsign.detectors.base import DetectorInfo
from tellsign.errors import ArtifactError

CALIBRATION = "calibration.json"
CARD = "card.toml"
FUSION = "fusion.json"
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

    def path(self, name: str) -> Path:
        if name not in {record.name for record in self.card.files}:
            raise ArtifactError(f"{self.label} has no file {name!r}")
        return self.folder / name


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
        given = os.environ.get(ENVIRONMENT, "")
        extra = tuple(Path(p) for p in given.split(os.pathsep) if p)
        return _store((*extra, Path(str(files("tellsign").joinpath("artifacts/builtin")))))

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

    def calibration(self, info: DetectorInfo) -> Calibration | None:
        """The detector's calibration, or None. Raises ArtifactError when it is another's."""
        found = self.get(info.name, info.version)
        if found is None or CALIBRATION not in {r.name for r in found.card.files}:
            return None
        calibration = Calibration.from_dict(_json(found.path(CALIBRATION)))
        if (calibration.detector, calibration.detector_version) != (info.name, info.version):
            raise ArtifactError(
                f"{found.label}: calibrated for {calibration.detector} version "
                f"{calibration.detector_version}, loaded is {info.name} version {info.version}"
            )
        return calibration

    def calibration_sha256(self, info: DetectorInfo) -> str | None:
        found = self.get(info.name, info.version)
        return found.sha256 if found else None

    @cached_property
    def fusion(self) -> Mapping[str, Mapping[str, float]]:
        """Question -> detector -> weight; empty where nothing was fitted."""
        found = self.get("fusion", "1")
        weights: dict[str, dict[str, float]] = _json(found.path(FUSION)) if found else {}
        return weights

    def fusion_sha256(self) -> str | None:
        found = self.get("fusion", "1")
        return found.sha256 if found else None


@cache
def _store(roots: tuple[Path, ...]) -> Store:
    return Store(roots)


@cache
def _opened(folder: Path) -> Artifact:
    return open_artifact(folder)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path.name}: {error}") from error
