"""Hold the false alarms of a user's own photographs: calibrations moved, nothing refitted.

A camera, a studio or a scanner that the reference set lacks can stand higher on a detector's scale
than the photographs it was calibrated on. Given such photographs, the curves of a question's
detectors are moved up the scores until at most the stated share reaches "moderate" support.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tellsign.artifacts.store import Artifact, Store
from tellsign.benchmark.metrics import proportion
from tellsign.calibration.calibrators import Calibration
from tellsign.calibration.stored import FILE as CALIBRATION
from tellsign.calibration.stored import calibration_for
from tellsign.errors import ForgeError, InputError, UsageError
from tellsign.examiner import Examiner
from tellsign.forge import derive_seed, launder
from tellsign.fusion.fuse import stored_weights
from tellsign.media import from_bytes
from tellsign.plan import Plan
from tellsign.training.adapt import Notes, as_json, derived
from tellsign.training.embed import CONDITIONS, Skipped
from tellsign.training.head import Floats
from tellsign.training.recalibrate import fused, reference, shifted, shifts_that_hold
from tellsign.types import Question, Source

# Photographs in a condition, below which nothing is moved: the share of fewer says little.
LEAST = 20
SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Held:
    """One condition: photographs, how many were accused before and after, and each shift.

    A shift is in the detector's unit; None means that the condition is no longer calibrated for it.
    `bound` is the upper end of the exact 95 % interval of the share after.
    """

    condition: str
    photographs: int
    before: int
    after: int
    bound: float
    shifts: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class HeldAll:
    artifacts: tuple[Artifact, ...]
    conditions: tuple[Held, ...]
    untouched: Mapping[str, int]  # condition with too few photographs -> how many
    skipped: tuple[Skipped, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "artifacts": [
                {"artifact": a.label, "sha256": a.sha256, "folder": str(a.folder)}
                for a in self.artifacts
            ],
            "conditions": [
                {
                    "condition": h.condition,
                    "photographs": h.photographs,
                    "before": h.before,
                    "after": h.after,
                    "bound": round(h.bound, 4),
                    "shifts": dict(h.shifts),
                }
                for h in self.conditions
            ],
            "untouched": dict(self.untouched),
            "skipped": [{"name": s.name, "reason": s.reason} for s in self.skipped],
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """Scores of one laundered photograph by detector, where the detector is calibrated."""

    picture: str
    condition: str
    scores: Mapping[str, float]


def hold_false_alarms(
    photographs: Sequence[Source],
    out: Path,
    *,
    plan: Plan | None = None,
    question: Question = Question.SYNTHETIC,
    share: float = SHARE,
    treatments: Sequence[str] = ("raw", *CONDITIONS),
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> HeldAll:
    """Move the calibrations of a question's detectors and write those that moved below `out`.

    Parameters
    ----------
    photographs
        The user's own, known to be captured by a camera; at least 20.
    share
        Largest share of them that may reach "moderate" support in a condition.
    treatments
        Launderings (`tellsign.forge.launder`) under which they are examined.

    Raises UsageError when there are too few photographs or no detector is calibrated.
    """
    if not 0 <= share < 1:
        raise UsageError(f"a share of {share} is not from 0 up to 1")
    plan = plan or Plan.select(questions=[question], everything=True)
    store = Store.default()
    skipped: list[Skipped] = []
    answers = list(_answers(photographs, plan, treatments, seed, skipped, progress))
    if len({a.picture for a in answers}) < LEAST:
        raise UsageError(f"{len({a.picture for a in answers})} usable photographs; {LEAST} needed")
    calibrations = _calibrations(plan, question, store)
    weights = stored_weights(store).get(question, {})
    found: dict[str, Held] = {}
    untouched: dict[str, int] = {}
    for condition in sorted({a.condition for a in answers}):
        part = [a for a in answers if a.condition == condition]
        if len(part) < LEAST:
            untouched[condition] = len(part)
            continue
        found[condition] = _held(condition, part, calibrations, weights, share, plan)
    made = datetime.now(UTC).strftime("%Y-%m-%d")
    pictures = sorted({a.picture for a in answers})
    artifacts = tuple(
        _written(name, calibration, found, store, pictures, share, out, made)
        for name, calibration in calibrations.items()
        if any(h.shifts.get(name, 0.0) != 0.0 for h in found.values())
    )
    return HeldAll(artifacts, tuple(found.values()), untouched, tuple(skipped))


def _answers(
    photographs: Sequence[Source],
    plan: Plan,
    treatments: Sequence[str],
    seed: int,
    skipped: list[Skipped],
    progress: Callable[[int], None] | None,
) -> Iterator[Answer]:
    examiner = Examiner(plan)
    seen: set[str] = set()
    for i, source in enumerate(photographs):
        if progress is not None:
            progress(i)
        if source.sha256 in seen:
            skipped.append(Skipped(source.name, "given twice"))
            continue
        seen.add(source.sha256)
        for report in examiner.examine_many(_laundered(source, treatments, seed, skipped)):
            scores = {name: c.evidence.score for name, c in report.calibrated.items()}
            conditions = {c.condition for c in report.calibrated.values()}
            if report.error is not None:
                skipped.append(Skipped(source.name, report.error))
            elif conditions:
                yield Answer(source.sha256, conditions.pop(), scores)


def _laundered(
    source: Source, treatments: Sequence[str], seed: int, skipped: list[Skipped]
) -> Iterator[Source]:
    try:
        with source.open() as stream:
            data = stream.read()
    except OSError as error:
        skipped.append(Skipped(source.name, str(error.strerror)))
        return
    for treatment in treatments:
        try:
            own = derive_seed(seed, source.sha256, treatment)
            yield from_bytes(launder.apply(treatment, data, own).data, source.name)
        except (InputError, ForgeError) as error:
            skipped.append(Skipped(source.name, f"{treatment}: {error}"))


def _calibrations(plan: Plan, question: Question, store: Store) -> dict[str, Calibration]:
    infos = [plan.registry[name].info for name in plan.detectors]
    found = {
        i.name: calibration_for(i.name, i.version, store) for i in infos if i.question is question
    }
    kept = {name: c for name, c in found.items() if c is not None and c.strata}
    if not kept:
        raise UsageError(f"no calibrated detector for the question {question}")
    return kept


def _held(
    condition: str,
    answers: Sequence[Answer],
    calibrations: Mapping[str, Calibration],
    weights: Mapping[str, float],
    share: float,
    plan: Plan,
) -> Held:
    curves = {
        n: c.strata[condition].curve for n, c in calibrations.items() if condition in c.strata
    }
    scores: dict[str, Floats] = {
        name: np.array([a.scores.get(name, np.nan) for a in answers], np.float64) for name in curves
    }
    level = plan.policy.moderate
    shifts = shifts_that_hold(curves, weights, scores, share, level)
    none = dict.fromkeys(curves, 0.0)
    before = int((fused(curves, none, weights, scores) >= level).sum())
    after = int((fused(curves, shifts, weights, scores) >= level).sum())
    bound = proportion(after, len(answers)).high
    return Held(condition, len(answers), before, after, bound, shifts)


def _written(
    name: str,
    calibration: Calibration,
    found: Mapping[str, Held],
    store: Store,
    pictures: Sequence[str],
    share: float,
    out: Path,
    made: str,
) -> Artifact:
    base = store.get(name, calibration.detector_version)
    assert base is not None  # it holds the calibration
    strata = {}
    for condition, stratum in calibration.strata.items():
        shift = found[condition].shifts.get(name, 0.0) if condition in found else 0.0
        if shift is not None:
            strata[condition] = shifted(stratum, shift) if shift else stratum
    digest = reference(calibration.reference, pictures, [False] * len(pictures))
    changed = replace(calibration, made=made, reference=digest, strata=strata)
    told = ", ".join(
        f"{h.condition} {h.after} of {h.photographs} (was {h.before})" for h in found.values()
    )
    notes = Notes(
        summary=f"{base.card.summary} Moved to a user's photographs: "
        f"at most {share:.1%} reach moderate support: {told}",
        data=f"{len(pictures)} photographs of the user",
        failures=(
            "Moved for one user's photographs: elsewhere generated pictures are missed more.",
        ),
        command=f"tellsign adapt --pristine-only, share {share}",
    )
    return derived(base, {CALIBRATION: as_json(changed.to_dict())}, notes, out, made)
