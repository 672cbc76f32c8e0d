"""The map of tellsign: bytes -> media -> detectors -> evidence -> calibration -> fusion -> report.

One engine serves one picture, a folder and a cluster. Callers feed sources and store reports.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
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
from tellsign.detectors.base import Abstain, BatchedDetector, Detector
from tellsign.errors import InputError, MissingExtra, TellsignError
from tellsign.fusion.fuse import conclude, stored_weights
from tellsign.media import open_media
from tellsign.media.media import Media
from tellsign.plan import Plan
from tellsign.report.headline import headline
from tellsign.types import (
    Abstention,
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


@dataclass
class _Case:
    """One source on its way through a batch."""

    source: Source
    started: float
    media: Media | None = None
    error: TellsignError | None = None
    rows: dict[str, Rows] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    opened: float = 0.0
    depth: int = 0


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
            cases = [self._open_and_detect(source, depth) for source in batch]
            self._infer(cases)
        return [self._report(case) for case in cases]

    @property
    def _child_limit(self) -> int:
        return self.plan.policy.max_child_pixels

    # --- detect -------------------------------------------------------------------------------

    def _open_and_detect(self, source: Source | Unopened, depth: int) -> _Case:
        if isinstance(source, Unopened):
            case = _Case(Source(source.name, 0, "", b""), time.perf_counter(), depth=depth)
            case.error = source.error
        else:
            case = _Case(source, time.perf_counter(), depth=depth)
            try:
                case.media = open_media(source, self.plan.policy.limits)
            except (InputError, MissingExtra) as error:
                case.error = error
        case.opened = time.perf_counter() - case.started
        if case.media is not None and depth and _pixels(case.media) > self._child_limit:
            for detector in self.detectors:
                case.outcomes[detector.info.name] = _too_large_child(detector)
        elif case.media is not None:
            with ThreadPoolExecutor(self.threads) as pool:
                list(pool.map(lambda d: self._detect(d, case), self.detectors))
            case.media.release()
        return case

    def _detect(self, detector: Detector, case: _Case) -> None:
        assert case.media is not None
        name, started = detector.info.name, time.perf_counter()
        try:
            code = detector.applicable(case.media)
            if code is not None:
                case.outcomes[name] = detector.abstention(code)
            elif isinstance(detector, BatchedDetector):
                case.rows[name] = detector.prepare(case.media)
            else:
                case.outcomes[name] = detector.examine(case.media)
        except Abstain as abstain:
            case.outcomes[name] = detector.abstention(abstain.code)
        except Exception as error:  # the boundary: one detector's bug must not cost the report
            case.outcomes[name] = _failure(detector, error)
        case.seconds[name] = time.perf_counter() - started

    def _infer(self, cases: list[_Case]) -> None:
        """Run each network once over the rows of the whole batch; on trouble, case by case."""
        for detector in self.detectors:
            if not isinstance(detector, BatchedDetector):
                continue
            waiting = [c for c in cases if detector.info.name in c.rows]
            if not waiting:
                continue
            started = time.perf_counter()
            try:
                rows = np.concatenate([c.rows[detector.info.name] for c in waiting])
                parts: list[Rows | None] = list(
                    _split(detector.infer_rows(rows), detector, waiting)
                )
            except Exception:  # the boundary again: find the culprit below
                parts = [None] * len(waiting)
            each = (time.perf_counter() - started) / len(waiting)
            for case, part in zip(waiting, parts, strict=True):
                self._interpret(detector, case, part, each)

    def _interpret(
        self, detector: BatchedDetector, case: _Case, out: Rows | None, seconds: float
    ) -> None:
        assert case.media is not None
        name = detector.info.name
        try:
            rows = case.rows.pop(name)
            case.outcomes[name] = detector.interpret(
                detector.infer_rows(rows) if out is None else out, case.media
            )
        except Abstain as abstain:
            case.outcomes[name] = detector.abstention(abstain.code)
        except Exception as error:  # the boundary
            case.outcomes[name] = _failure(detector, error)
        case.seconds[name] += seconds

    # --- conclude -----------------------------------------------------------------------------

    def _report(self, case: _Case) -> Report:
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

    def _unreadable(self, case: _Case) -> Report:
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


def _split(out: Rows, detector: BatchedDetector, cases: list[_Case]) -> Iterator[Rows]:
    start = 0
    for case in cases:
        end = start + len(case.rows[detector.info.name])
        yield out[start:end]
        start = end


def _pixels(media: Media) -> int:
    return media.facts.width * media.facts.height


def _too_large_child(detector: Detector) -> Abstention:
    text = "A large embedded picture is listed, not examined; extract it and examine it by itself."
    return Abstention(detector.origin, detector.info.question, "embedded_large", text)


def _failure(detector: Detector, error: Exception) -> Failure:
    code = type(error).__name__ if isinstance(error, InputError) else "internal"
    return Failure(
        detector.origin, detector.info.question, f"{type(error).__name__}: {error}", code
    )


def _timings(case: _Case) -> dict[str, Any]:
    detect = {name: round(s, 4) for name, s in sorted(case.seconds.items())}
    total = round(time.perf_counter() - case.started, 4)
    return {"open": round(case.opened, 4), "detect": detect, "total": total}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _chunked(items: Iterable[Source | Unopened], size: int) -> Iterator[list[Source | Unopened]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
