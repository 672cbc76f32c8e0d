"""Run detectors over a batch of sources: isolation of failures and constant micro-batches.

Every trouble of a detector ends here as a `Failure` outcome of that detector on that picture.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tellsign.detectors.base import Abstain, BatchedDetector, Detector
from tellsign.errors import InputError, MissingExtra, TellsignError
from tellsign.media import Limits, open_media
from tellsign.media.media import Media
from tellsign.types import Abstention, Failure, Outcome, Source, Unopened

Rows = NDArray[np.float32]


@dataclass
class Case:
    """One source on its way through a batch: opened or not, then outcomes by detector."""

    source: Source
    depth: int
    started: float = field(default_factory=time.perf_counter)
    media: Media | None = None
    error: TellsignError | None = None
    rows: dict[str, Rows] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    opened: float = 0.0


def open_case(source: Source | Unopened, depth: int, limits: Limits) -> Case:
    """Open and decode; a source that cannot be opened becomes a case with its error."""
    if isinstance(source, Unopened):
        case = Case(Source(source.name, 0, "", b""), depth)
        case.error = source.error
    else:
        case = Case(source, depth)
        try:
            case.media = open_media(source, limits)
        except (InputError, MissingExtra) as error:
            case.error = error
    case.opened = time.perf_counter() - case.started
    return case


def detect(case: Case, detectors: Sequence[Detector], threads: int) -> None:
    """Examine, or for networks prepare; then drop the decoded views."""
    if case.media is not None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda detector: _detect(detector, case), detectors))
        case.media.release()


def list_only(case: Case, detectors: Sequence[Detector]) -> None:
    """Large embedded pictures would cost as much as the picture that holds them."""
    text = "A large embedded picture is listed, not examined; extract it and examine it by itself."
    for d in detectors:
        abstention = Abstention(d.origin, d.info.question, "embedded_large", text)
        case.outcomes[d.info.name] = abstention


def infer(cases: Sequence[Case], detectors: Sequence[Detector]) -> None:
    """Run each network once over the rows of the whole batch; on trouble, case by case."""
    for detector in detectors:
        waiting = [c for c in cases if detector.info.name in c.rows]
        if not isinstance(detector, BatchedDetector) or not waiting:
            continue
        started = time.perf_counter()
        try:
            rows = np.concatenate([c.rows[detector.info.name] for c in waiting])
            parts: list[Rows | None] = list(_split(detector.infer_rows(rows), detector, waiting))
        except Exception:  # the boundary: the culprit is found below
            parts = [None] * len(waiting)
        each = (time.perf_counter() - started) / len(waiting)
        for case, part in zip(waiting, parts, strict=True):
            _interpret(detector, case, part)
            case.seconds[detector.info.name] += each


def _detect(detector: Detector, case: Case) -> None:
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


def _interpret(detector: BatchedDetector, case: Case, out: Rows | None) -> None:
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


def _split(out: Rows, detector: BatchedDetector, cases: Sequence[Case]) -> Iterator[Rows]:
    start = 0
    for case in cases:
        end = start + len(case.rows[detector.info.name])
        yield out[start:end]
        start = end


def _failure(detector: Detector, error: Exception) -> Failure:
    code = type(error).__name__ if isinstance(error, InputError) else "internal"
    text = f"{type(error).__name__}: {error}"
    return Failure(detector.origin, detector.info.question, text, code)
