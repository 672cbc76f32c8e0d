"""Teach an installed embedding detector a generator from a few examples: no gradients of a network.

Only the linear head is refitted, over embeddings that are kept by content hash. The result is an
artifact folder like any other, named like the one it stands in for, with card and calibration.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tellsign.artifacts import card as cards
from tellsign.artifacts.card import FileRecord
from tellsign.artifacts.install import write
from tellsign.artifacts.store import CARD, Artifact
from tellsign.benchmark.metrics import auc, tpr_at_fpr
from tellsign.calibration.stored import FILE as CALIBRATION
from tellsign.calibration.stored import checked
from tellsign.errors import ArtifactError, UsageError
from tellsign.training.embed import CONDITIONS, Embed, Skipped, embed_all, embedder
from tellsign.training.head import HEAD_FILE, MEMORY_FILE, Head, Memory, condensed
from tellsign.training.recalibrate import recalibrated
from tellsign.training.refit import TOLERATED, Cases, Choice, choose, learning_curve
from tellsign.types import Source

__all__ = ["Adapted", "Quality", "adapt", "derived", "learning_curve"]

REMEMBERED = 200  # rows of the new material that join the memory, so that the next does not forget


@dataclass(frozen=True, slots=True)
class Quality:
    """On the user's material; `tpr` at 5 % false alarms. Cross-fitted where a head was refitted."""

    auc: float
    tpr: float


@dataclass(frozen=True, slots=True)
class Adapted:
    """What was written, and how good it is."""

    artifact: Artifact
    examples: int
    pristine: int
    before: Quality
    after: Quality
    elsewhere_before: float  # mean AUC over the generators remembered
    elsewhere_after: float
    penalty: float
    forced: bool
    strata: tuple[str, ...]  # calibrated
    skipped: tuple[Skipped, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        return {
            "artifact": self.artifact.label,
            "sha256": self.artifact.sha256,
            "folder": str(self.artifact.folder),
            "examples": self.examples,
            "pristine": self.pristine,
            "before": {"auc": self.before.auc, "tpr": self.before.tpr},
            "after": {"auc": self.after.auc, "tpr": self.after.tpr},
            "elsewhere": {"before": self.elsewhere_before, "after": self.elsewhere_after},
            "penalty": self.penalty,
            "forced": self.forced,
            "strata": list(self.strata),
            "skipped": [{"name": s.name, "reason": s.reason} for s in self.skipped],
            "seconds": round(self.seconds, 2),
        }


def adapt(
    examples: Sequence[Source],
    pristine: Sequence[Source],
    base: Artifact,
    out: Path,
    *,
    name: str = "new",
    embed: Embed | None = None,
    conditions: Sequence[str] = CONDITIONS,
    cache: Path | None = None,
    force: str = "",
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Adapted:
    """Refit the head of `base` to tell `examples`, and write the artifact below `out`.

    Parameters
    ----------
    examples, pristine
        At least ten usable pictures of the generator, and as many photographs; alike in content
        and size, or the head learns the difference.
    base
        An artifact with ``head.json`` and ``memory.json``.
    out
        A folder of artifacts, as ``TELLSIGN_ARTIFACTS`` lists them.
    name
        What the generator is called on the card and in the memory.
    embed
        The embedding step; by default that of the detector which `base` belongs to.
    cache
        Folder that keeps embeddings by content hash.
    force
        The base's name, to have a head written although it forgets.

    Raises ArtifactError when the head is worse on what the memory holds by more than 0.01 mean
    AUC and `force` does not name the base, UsageError when there is too little material.
    """
    started = time.monotonic()
    head, memory = opened(base)
    sources = [*((s, True) for s in examples), *((s, False) for s in pristine)]
    cases, skipped = embed_all(
        sources,
        embed or embedder(base),
        conditions=conditions,
        cache=cache,
        model=_model(base),
        seed=seed,
        progress=progress,
    )
    choice = choose(head, cases, memory, seed)
    forced = choice.forgets and force == base.card.name
    if choice.forgets and not forced:
        raise ArtifactError(
            f"not written: mean AUC on the generators remembered falls from "
            f"{choice.elsewhere_before:.3f} to {choice.elsewhere_after:.3f}, by more than "
            f"{TOLERATED}; to have it all the same, give --force {base.card.name}"
        )
    made = datetime.now(UTC).strftime("%Y-%m-%d")
    changed = _files(base, choice, cases, memory, name, made, seed)
    before = _quality(cases.scores(head), cases)
    after = _quality(choice.scores, cases)
    notes = _notes(base, name, cases, before, after, choice, forced)
    artifact = derived(base, changed, notes, out, made)
    strata = json.loads(changed[CALIBRATION])["strata"] if CALIBRATION in changed else ()
    return Adapted(
        artifact,
        cases.count(True),
        cases.count(False),
        before,
        after,
        choice.elsewhere_before,
        choice.elsewhere_after,
        choice.penalty,
        forced,
        tuple(strata),
        skipped,
        time.monotonic() - started,
    )


def opened(base: Artifact) -> tuple[Head, Memory]:
    """Head and memory of an artifact. Raises UsageError when it has none."""
    if not (base.holds(HEAD_FILE) and base.holds(MEMORY_FILE)):
        raise UsageError(f"{base.label} has no {HEAD_FILE} with {MEMORY_FILE}: not adaptable")
    try:
        return Head.from_dict(base.json(HEAD_FILE)), Memory.from_dict(base.json(MEMORY_FILE))
    except ValueError as error:
        raise ArtifactError(f"{base.label}: {error}") from error


@dataclass(frozen=True, slots=True)
class Notes:
    """What the card of a derived artifact says beyond its base's."""

    summary: str
    data: str
    failures: tuple[str, ...]
    command: str


def derived(
    base: Artifact, changed: Mapping[str, bytes], notes: Notes, out: Path, made: str
) -> Artifact:
    """Write a copy of `base` below `out` with some files changed; its card says what it is."""
    content = {r.name: base.path(r.name).read_bytes() for r in base.card.files}
    content.update(changed)
    card = replace(
        base.card,
        summary=notes.summary,
        training_data=f"{base.card.training_data}; {notes.data}",
        known_failures=(*base.card.known_failures, *notes.failures),
        measured=notes.command,
        made=made,
        files=tuple(
            FileRecord(name, hashlib.sha256(data).hexdigest(), len(data))
            for name, data in sorted(content.items())
        ),
    )
    content[CARD] = cards.render(card).encode()
    return write(content, out / f"{card.name}-{card.version}")


def _model(base: Artifact) -> str:
    """What an embedding depends on: the network and the detector's own version."""
    hashes = [f"{r.name} {r.sha256}" for r in base.card.files if r.name.endswith((".onnx", ".bin"))]
    return "\n".join([base.card.detector, base.card.detector_version, *sorted(hashes)])


def _files(
    base: Artifact,
    choice: Choice,
    cases: Cases,
    memory: Memory,
    name: str,
    made: str,
    seed: int,
) -> dict[str, bytes]:
    import numpy as np

    labels = cases.labels[cases.units]
    groups = np.where(labels, f"adapted:{name}", f"adapted:{name}:pristine")
    fresh = condensed(cases.rows, labels, groups, REMEMBERED, seed)
    kept = memory.with_rows(fresh.rows, fresh.labels, fresh.groups)
    changed = {
        HEAD_FILE: as_json(choice.head.to_dict()),
        MEMORY_FILE: as_json(kept.to_dict()),
    }
    if base.holds(CALIBRATION):
        data = base.path(CALIBRATION).read_bytes()
        stored = checked(data, base.card.detector, base.card.detector_version, base.label)
        fitted = recalibrated(
            stored, choice.scores, cases.labels, cases.pictures, cases.strata, made
        )
        changed[CALIBRATION] = as_json(fitted.to_dict())
    return changed


def as_json(content: Any) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _quality(scores: Any, cases: Cases) -> Quality:
    return Quality(
        round(auc(scores, cases.labels), 4), round(tpr_at_fpr(scores, cases.labels, 0.05), 4)
    )


def _notes(
    base: Artifact,
    name: str,
    cases: Cases,
    before: Quality,
    after: Quality,
    choice: Choice,
    forced: bool,
) -> Notes:
    examples, pristine = cases.count(True), cases.count(False)
    failures = [
        f"The head for {name} rests on {examples} examples and {pristine} photographs: where these "
        "differ in content, it may know the content."
    ]
    if forced:
        failures.append(
            f"Written by force: mean AUC on the generators remembered fell from "
            f"{choice.elsewhere_before:.3f} to {choice.elsewhere_after:.3f}."
        )
    return Notes(
        summary=f"{base.card.detector} adapted to {name}: cross-fitted AUC {before.auc:.3f} "
        f"before, {after.auc:.3f} after; elsewhere {choice.elsewhere_before:.3f} before, "
        f"{choice.elsewhere_after:.3f} after (base {base.sha256[:12]})",
        data=f"{examples} pictures of {name} and {pristine} photographs of the user",
        failures=tuple(failures),
        command="tellsign adapt, with the pictures that only the user has",
    )
