"""The calibration that ships with a detector, checked to be that detector's own."""

from __future__ import annotations

from tellsign.artifacts.store import Store
from tellsign.calibration.calibrators import Calibration
from tellsign.errors import ArtifactError

FILE = "calibration.json"


def calibration_for(detector: str, version: str, store: Store) -> Calibration | None:
    """None when none was fitted. Raises ArtifactError when it belongs to another detector."""
    found = store.get(detector, version)
    if found is None or not found.holds(FILE):
        return None
    calibration = Calibration.from_dict(found.json(FILE))
    if (calibration.detector, calibration.detector_version) != (detector, version):
        raise ArtifactError(
            f"{found.label}: calibrated for {calibration.detector} version "
            f"{calibration.detector_version}, loaded is {detector} version {version}"
        )
    return calibration
