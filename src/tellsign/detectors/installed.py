"""Detectors that have learned: the artifact they cannot do without, found in one place."""

from __future__ import annotations

from typing import ClassVar, Final

from tellsign.artifacts.store import Artifact, Store
from tellsign.detectors.base import Abstain, Detector
from tellsign.errors import DetectorError
from tellsign.media.media import Media
from tellsign.types import ArtifactRef

MODEL: Final = "model.onnx"
NO_ARTIFACT: Final = "no_artifact"
NOT_INSTALLED: Final = {NO_ARTIFACT: "The network of this detector is not installed."}


class InstalledDetector(Detector):
    """A detector that abstains with `NO_ARTIFACT` where the artifact of its `info` is missing.

    It declares that code: with `NOT_INSTALLED`, or with words of its own. Stands before
    `BatchedDetector` where a class derives from both.
    """

    # An artifact without these holds a calibration, as that of a method that learned nothing.
    FILES: ClassVar[tuple[str, ...]] = (MODEL,)

    def applicable(self, media: Media) -> str | None:
        return None if self.artifact else NO_ARTIFACT

    def artifact_ref(self) -> ArtifactRef | None:
        found = self.artifact
        return ArtifactRef(found.card.name, found.card.version, found.sha256) if found else None

    @property
    def artifact(self) -> Artifact | None:
        """The artifact as it is installed now, verified: the store caches, not the detector.

        Raises DetectorError where `info` names none, ArtifactError where its files were changed.
        """
        if self.info.artifact is None:
            raise DetectorError(f"{self.info.name}: states no artifact")
        name, _, version = self.info.artifact.partition("@")
        found = Store.default().get(name, version)
        return found if found and all(map(found.holds, self.FILES)) else None

    @property
    def needed(self) -> Artifact:
        """`artifact`, for use in `examine`. Raises Abstain where it is missing."""
        found = self.artifact
        if found is None:
            raise Abstain(NO_ARTIFACT)
        return found
