"""tellsign's own detectors in the toys' world: as installed, and with a head fitted on one toy.

Pictures reach them as PNG files, like those of any user.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tellsign import registry
from tellsign.artifacts.store import Artifact
from tellsign.benchmark.calibrate import MARK
from tellsign.benchmark.metrics import Interval
from tellsign.detectors.base import Abstain, Detector
from tellsign.detectors.installed import InstalledDetector
from tellsign.errors import ArtifactError
from tellsign.media import from_bytes, open_media
from tellsign.media.media import Media
from tellsign.training.embed import Embed
from tellsign.training.toys.experiments import auc_of
from tellsign.training.toys.probes import Extract, Pixels
from tellsign.training.toys.world import PRISTINE, Split
from tellsign.types import Question


def media(picture: Pixels) -> Media:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    return open_media(from_bytes(file.getvalue()))


def embeddings(embed: Embed, label: str) -> Extract:
    """Pictures to the mean embedding of their crops, by the artifact `label`.

    Raises ArtifactError for a picture without any.
    """

    def extract(pictures: Pixels) -> NDArray[np.float32]:
        try:
            rows = [embed(media(picture)).mean(axis=0) for picture in pictures]
        except Abstain as abstain:
            raise ArtifactError(f"{label} abstains: {abstain.code}") from None
        return np.stack(rows).astype(np.float32)

    return extract


@dataclass(frozen=True, slots=True)
class Installed:
    """A detector that never saw a toy, on all of them."""

    detector: str
    artifact: str  # first digits of its sha256; empty where the detector learned nothing
    learned: tuple[str, ...]  # groups of the photographs here that its card names as training data
    aucs: Mapping[str, Interval]  # by toy; only toys it spoke about
    silent: Mapping[str, int]  # pictures of all classes by the code of the abstention


def synthetic_detectors() -> list[Detector]:
    """All that answer whether a picture was generated, by name."""
    found = registry.load().values()
    return [cls() for cls in found if cls.info.question is Question.SYNTHETIC]


def as_installed(
    split: Split, detectors: Sequence[Detector], groups: Sequence[str]
) -> Iterator[Installed]:
    """Every detector on the measuring pictures; a picture it abstains on counts for neither.

    `groups` are the sources of the photographs, as cards of artifacts name them.
    """
    pools = {name: split.measuring[name] for name in (PRISTINE, *split.generators)}
    for detector in detectors:
        silent: Counter[str] = Counter()
        scores = {name: _scores(detector, pool, silent) for name, pool in pools.items()}
        taken = scores.pop(PRISTINE)
        spoke = np.isfinite(taken)
        owners = tuple(np.array(split.owners)[spoke].tolist())
        aucs = {
            name: auc_of(made[np.isfinite(made)], taken[spoke], owners)
            for name, made in scores.items()
            if spoke.any() and np.isfinite(made).any()
        }
        artifact = detector.artifact if isinstance(detector, InstalledDetector) else None
        learned = _learned(artifact, groups) if artifact else ()
        sha256 = artifact.sha256[:12] if artifact else ""
        yield Installed(detector.info.name, sha256, learned, aucs, dict(silent))


def _learned(artifact: Artifact, groups: Sequence[str]) -> tuple[str, ...]:
    # What calibrated the detector turned scores into evidence and changed no score.
    material = artifact.card.training_data.partition(MARK)[0]
    return tuple(group for group in groups if group in material)


def _scores(detector: Detector, pictures: Pixels, silent: Counter[str]) -> NDArray[np.float64]:
    """(n,) scores; NaN where the detector abstains, which `silent` counts."""
    out = np.full(len(pictures), np.nan)
    for i, picture in enumerate(pictures):
        seen = media(picture)
        code = detector.applicable(seen)
        if code is None:
            try:
                out[i] = detector.examine(seen).score
            except Abstain as abstain:
                code = abstain.code
        if code is not None:
            silent[code] += 1
    return out
