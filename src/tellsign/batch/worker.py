"""`Worker`: one engine, one source at a time, rows out. A local process and a Ray actor run it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tellsign.batch import table
from tellsign.errors import InputError, UsageError
from tellsign.examiner import Examiner
from tellsign.plan import Plan
from tellsign.report.text import clean
from tellsign.types import Failure, Report, Source, Unopened

# Characters kept of the reason why a source could not be examined.
_REASON = 500

# One thread per worker: the pool is what uses the cores, and no result depends on it. They are
# read when the libraries are first loaded, hence from the environment of the new process.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True)
class Order:
    """One source to examine; with `lost`, the (code, text) of a failure to be reported instead."""

    number: int
    source: Source | Unopened
    attempt: int = 1
    lost: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What is kept of a report.

    `shared` is False when a text names the file, so that another file of the same content needs
    its own; `reason` says why nothing could be examined, else None.
    """

    sha256: str
    shared: bool
    reason: str | None
    rows: bytes


class Worker:
    """Builds the engine once; raises UsageError when it would not run the plan of `digest`."""

    def __init__(self, plan: Plan, digest: str) -> None:
        import cv2

        cv2.setNumThreads(1)
        # A copy forgets the digest that travelled along: it must be that of the code found here.
        here = replace(plan)
        if here.digest != digest:
            raise UsageError("a worker has other code or artifacts than the run: versions differ")
        self.examiner = Examiner(here, threads=1)

    def carry_out(self, order: Order) -> Answer:
        if order.lost is not None:
            return self._lost(order.source, *order.lost)
        try:
            report = self.examiner.examine(order.source)
        except Exception as error:  # the boundary: one source's trouble must not end the worker
            return self._lost(order.source, "internal", f"{type(error).__name__}: {error}")
        return _answer(report)

    def _lost(self, source: Source | Unopened, code: str, text: str) -> Answer:
        """The rows of a source that could be read but not examined: one failure per detector."""
        report = self.examiner.examine(Unopened(source.name, InputError(text)))
        outcomes = tuple(
            replace(o, code=code) if isinstance(o, Failure) else o for o in report.outcomes
        )
        kept = source if isinstance(source, Source) else report.source
        return _answer(replace(report, source=kept, outcomes=outcomes))


def _answer(report: Report) -> Answer:
    names = [o.error for o in report.outcomes if isinstance(o, Failure)] + [report.error or ""]
    why = report.error or "every detector failed"
    reason = None if report.examined else clean(why, _REASON)
    shared = bool(report.source.sha256) and not any(report.source.name in text for text in names)
    return Answer(report.source.sha256, shared, reason, table.packed(table.rows(report)))
