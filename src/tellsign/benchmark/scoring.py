"""One laundered picture through the engine, as plain values that can be kept. Runs in a worker."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from tellsign.errors import InputError
from tellsign.examiner import Examiner
from tellsign.media import from_path
from tellsign.plan import Plan
from tellsign.types import Abstention, Evidence, Outcome, Question, Report, Unopened

_examiners: dict[str, Examiner] = {}


@dataclass(frozen=True, slots=True)
class Task:
    path: str
    sha256: str
    plan: Plan
    question: Question


# Outcomes by detector, the conclusion, and what it cost, as JSON values.
Scored = dict[str, Any]


def score(task: Task) -> Scored:
    """Examine one picture. A file that changed since it was prepared gives failures."""
    plan = task.plan
    if plan.digest not in _examiners:
        _examiners.clear()
        _examiners[plan.digest] = Examiner(plan, threads=1)
    try:
        found = from_path(task.path)
        if found.sha256 != task.sha256:
            raise InputError(f"{task.path}: changed since it was prepared")
    except InputError as error:
        return told(_examiners[plan.digest].examine(Unopened(task.path, error)), task.question)
    return told(_examiners[plan.digest].examine(found), task.question)


def told(report: Report, question: Question) -> Scored:
    llr = next((c.llr for c in report.conclusions if c.question is question), None)
    seconds = report.timings["detect"]
    return {
        "detectors": {
            o.origin.detector: _outcome(o, report) | {"seconds": seconds.get(o.origin.detector)}
            for o in report.outcomes
        },
        "conclusion": llr,
        "error": report.error,
        "seconds": report.timings["total"],
        "peak": peak_megabytes(),
    }


def _outcome(outcome: Outcome, report: Report) -> dict[str, Any]:
    name = outcome.origin.detector
    if isinstance(outcome, Evidence):
        llr = report.calibrated[name].llr if name in report.calibrated else None
        return {"status": "ok", "score": outcome.score, "llr": llr, "code": ""}
    status = "abstained" if isinstance(outcome, Abstention) else "failed"
    return {"status": status, "score": None, "llr": None, "code": outcome.code}


def failed(names: tuple[str, ...], code: str) -> Scored:
    """What stands for a picture that never reached the engine."""
    nothing = {"status": "failed", "score": None, "llr": None, "code": code, "seconds": None}
    return {
        "detectors": {name: dict(nothing) for name in names},
        "conclusion": None,
        "error": code,
        "seconds": None,
        "peak": None,
    }


def peak_megabytes() -> float | None:
    """The most memory this process ever held; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    return round(most * unit / 1e6, 1)
