"""The map of tellsign: bytes -> media -> detectors -> evidence -> calibration -> fusion -> report.

One engine serves one picture, a folder and a cluster. Callers feed sources and store reports.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib import import_module
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tellsign import provenance
from tellsign.artifacts.store import Store
from tellsign.calibration.conditions import condition_of
from tellsign.calibration.stored import calibration_for
from tellsign.detection import Case, detect, infer, list_only, open_case
from tellsign.detectors.base import Detector
from tellsign.fusion.fuse import conclude, stored_weights
from tellsign.media.media import Media
from tellsign.plan import Plan
from tellsign.report.headline import headline
from tellsign.types import (
    Calibrated,
    Evidence,
    Failure,
    Outcome,
    Provenance,
    ProvenanceState,
    Report,
    Source,
    Unopened,
)

Rows = NDArray[np.float32]

# Detectors import these inside functions, so that listing them costs nothing; an engine pays at its
# start instead of on its first picture.
_LIBRARIES = ("cv2", "jpeglib", "scipy.fft", "scipy.ndimage", "scipy.special", "scipy.stats")


class Examiner:
    """Holds what is heavy: detectors, calibrations, weights. One per process.

    Parameters
    ----------
    plan
        What to run.
    threads
        Detectors of one picture run on this many threads. No result depends on it.
    """

    def __init__(self, plan: Plan, threads: int = 2) -> None:
        self.plan = plan
        self.threads = threads
        for library in _LIBRARIES:
            import_module(library)
        store = Store.default()
        self.detectors: tuple[Detector, ...] = tuple(plan.registry[n]() for n in plan.detectors)
        self.calibrations = {
            d.info.name: calibration_for(d.info.name, d.info.version, store) for d in self.detectors
        }
        self.weights = stored_weights(store)

    def examine(self, source: Source | Unopened) -> Report:
        return next(self.examine_many([source]))

    def examine_many(self, sources: Iterable[Source | Unopened]) -> Iterator[Report]:
        """One report for each source, in order; a broken one never stops the others."""
        for batch in _chunked(sources, self.plan.policy.batch):
            yield from self._examine_batch(batch, depth=0)

    def _examine_batch(self, batch: list[Source | Unopened], depth: int) -> list[Report]:
        # One BLAS thread: with several, the order of summation and the last digits would depend
        # on the machine.
        with threadpool_limits(1, user_api="blas"):
            cases = [self._detected(source, depth) for source in batch]
            infer(cases, self.detectors)
        return [self._report(case) for case in cases]

    def _detected(self, source: Source | Unopened, depth: int) -> Case:
        case = open_case(source, depth, self.plan.policy.limits)
        facts = case.media.facts if case.media is not None else None
        if facts and depth and facts.width * facts.height > self.plan.policy.max_child_pixels:
            list_only(case, self.detectors)
        else:
            detect(case, self.detectors, self.threads)
        return case

    def _report(self, case: Case) -> Report:
        if case.media is None:
            return self._unreadable(case)
        media = case.media
        outcomes = tuple(case.outcomes[d.info.name] for d in self.detectors)
        calibrated = self._calibrate(outcomes, media)
        conclusions = tuple(
            conclude(q, outcomes, calibrated, self.plan.policy, self.weights.get(q, {}))
            for q in self.plan.asked
        )
        claims = provenance.read(media, self.plan.trust)
        children = self._children(media, case.depth)
        media.release()
        return Report(
            source=case.source,
            media=media.facts,
            provenance=claims,
            outcomes=outcomes,
            calibrated=calibrated,
            conclusions=conclusions,
            headline=headline(conclusions, claims, outcomes, None),
            plan=self.plan.digest,
            created=_now(),
            timings=_timings(case),
            children=children,
        )

    def _calibrate(self, outcomes: Iterable[Outcome], media: Media) -> Mapping[str, Calibrated]:
        """Likelihood ratios for evidence whose detector is calibrated in this condition."""
        condition = condition_of(media.facts)
        found = {}
        for outcome in outcomes:
            calibration = self.calibrations[outcome.origin.detector]
            if isinstance(outcome, Evidence) and calibration and condition in calibration.strata:
                llr, interval = calibration.strata[condition].curve(outcome.score)
                found[outcome.origin.detector] = Calibrated(
                    outcome, llr, interval, calibration.digest, condition
                )
        return found

    def _children(self, media: Media, depth: int) -> tuple[Report, ...]:
        if depth >= self.plan.policy.limits.max_depth:
            return ()
        return tuple(
            report for child in media.children for report in self._examine_batch([child], depth + 1)
        )

    def _unreadable(self, case: Case) -> Report:
        error = case.error
        assert error is not None
        outcomes = tuple(
            Failure(d.origin, d.info.question, str(error), type(error).__name__)
            for d in self.detectors
        )
        nothing = Provenance(ProvenanceState.ABSENT)
        conclusions = tuple(
            conclude(q, outcomes, {}, self.plan.policy, {}) for q in self.plan.asked
        )
        return Report(
            source=case.source,
            media=None,
            provenance=nothing,
            outcomes=outcomes,
            calibrated={},
            conclusions=conclusions,
            headline=headline(conclusions, nothing, outcomes, str(error)),
            plan=self.plan.digest,
            created=_now(),
            timings=_timings(case),
            error=str(error),
        )


def _timings(case: Case) -> dict[str, Any]:
    detect = {name: round(s, 4) for name, s in sorted(case.seconds.items())}
    total = round(time.perf_counter() - case.started, 4)
    return {"open": round(case.opened, 4), "detect": detect, "total": total}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _chunked(items: Iterable[Source | Unopened], size: int) -> Iterator[list[Source | Unopened]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
