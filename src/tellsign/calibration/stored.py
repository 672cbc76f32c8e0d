"""The calibration that ships with a detector, checked to be that detector's own."""

from __future__ import annotations

import json

from tellsign.artifacts.store import Store
from tellsign.calibration.calibrators import Calibration
from tellsign.errors import ArtifactError

FILE = "calibration.json"


def calibration_for(detector: str, version: str, store: Store) -> Calibration | None:
    """None when none was fitted. Raises ArtifactError when it belongs to another detector."""
    found = store.get(detector, version)
    if found is None or not found.holds(FILE):
        return None
    return checked(found.path(FILE).read_bytes(), detector, version, found.label)


def checked(data: bytes, detector: str, version: str, label: str) -> Calibration:
    """Read a calibration and check whose it is. Raises ArtifactError naming `label`."""
    try:
        raw = json.loads(data)
    except ValueError as error:
        raise ArtifactError(f"{label}: {FILE} is no JSON: {error}") from error
    calibration = Calibration.from_dict(raw)
    if (calibration.detector, calibration.detector_version) != (detector, version):
        raise ArtifactError(
            f"{label}: calibrated for {calibration.detector} version "
            f"{calibration.detector_version}, loaded is {detector} version {version}"
        )
    return calibration
