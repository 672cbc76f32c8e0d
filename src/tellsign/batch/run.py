"""One batch from its list to its table."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tellsign.batch import table
from tellsign.batch.crew import Crew
from tellsign.batch.journal import FORMAT, Journal, fingerprint
from tellsign.batch.listing import Listing
from tellsign.batch.loop import Loop
from tellsign.batch.progress import Shown
from tellsign.errors import UsageError
from tellsign.plan import Plan


@dataclass(frozen=True)
class Places:
    """Where a run writes: the table, and beside it a folder for as long as the run takes."""

    output: Path

    @property
    def parts(self) -> Path:
        return self.output.with_name(self.output.name + ".parts")

    @property
    def journal(self) -> Path:
        return self.parts / "journal.sqlite"

    @property
    def table(self) -> Path:
        return self.parts / "table.parquet"

    @property
    def own(self) -> frozenset[str]:
        return frozenset({str(self.output.absolute()), str(self.parts.absolute())})

    def check(self, resume: bool) -> None:
        """Raise UsageError where a run must not begin, before anything is examined."""
        if not self.output.parent.is_dir():
            raise UsageError(f"{self.output.parent}: no such folder")
        if self.output.is_dir():
            raise UsageError(f"{self.output}: is a folder")
        if self.output.exists() and not resume:
            raise UsageError(f"{self.output}: exists already and is not overwritten")
        if self.parts.exists() and not resume:
            raise UsageError(
                f"{self.parts}: left by an unfinished run; continue it with --resume,"
                " or delete the folder"
            )

    def clear(self) -> None:
        """Delete the folder and what a run puts there, and nothing else.

        The journal goes first: a table without a journal is a finished run.
        """
        if not self.parts.exists():
            return
        name = self.journal.name
        for file in (name, name + "-wal", name + "-shm", name + "-journal", self.table.name):
            (self.parts / file).unlink(missing_ok=True)
        self.parts.rmdir()


@dataclass(frozen=True)
class Outcome:
    """`total` sources have their rows, `failed` of them could not be examined."""

    total: int
    failed: int


def run(
    target: str,
    output: Path,
    plan: Plan,
    crew_of: Callable[[], Crew],
    *,
    time_limit: float,
    resume: bool = False,
) -> Outcome:
    """Examine `target` into the table `output`, making the crew only where work is left.

    Raises UsageError before anything is examined. KeyboardInterrupt, like any other end, leaves
    the journal as it is, to be resumed.
    """
    table.require_pyarrow()
    places = Places(output)
    places.check(resume)
    listing = Listing(target, places.own)
    if output.exists() and not places.journal.exists():
        outcome = _finished_before(output, listing, plan)
        places.clear()
        return outcome
    try:
        places.parts.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"{places.parts} cannot be made: {error.strerror}") from error
    journal = Journal(places.journal)
    try:
        _begin_or_resume(journal, listing, plan)
        _examine(journal, plan, crew_of, time_limit)
        outcome = _write(journal, places)
    except sqlite3.Error as error:
        raise UsageError(f"{places.journal}: {error}; see to it and use --resume") from error
    finally:
        journal.close()
    places.clear()
    return outcome


def _begin_or_resume(journal: Journal, listing: Listing, plan: Plan) -> None:
    if not journal.begun:
        journal.begin(listing, plan.digest)
    else:
        _compare(journal.facts, listing, plan, str(journal.file.parent))


def _compare(facts: dict[str, str], listing: Listing, plan: Plan, where: str) -> None:
    """Raise UsageError unless `facts` are those of this very run."""
    if facts.get("format") != FORMAT:
        raise UsageError(f"{where}: written by another version of tellsign")
    if facts.get("plan") != plan.digest:
        raise UsageError(
            f"{where}: begun with another plan (other options, detectors, policy or version);"
            " answers of two plans are never mixed"
        )
    now = fingerprint(listing)
    if any(facts.get(key) != value for key, value in now.items()):
        raise UsageError(
            f"{where}: begun with another list ({facts.get('sources')} sources then,"
            f" {now['sources']} now)"
        )


def _examine(journal: Journal, plan: Plan, crew_of: Callable[[], Crew], time_limit: float) -> None:
    done, total = journal.done, journal.total
    if done == total:
        return
    crew = crew_of()
    try:
        with Shown(total, done) as shown:
            Loop(journal, crew, plan.policy.limits, time_limit, shown.tell).run()
    finally:
        crew.close()


def _write(journal: Journal, places: Places) -> Outcome:
    """Assemble the table beside the journal, then put it in its place in one step."""
    outcome = Outcome(journal.total, journal.failed)
    facts = {**journal.facts, "failed": str(outcome.failed)}
    try:
        table.assemble(journal.answers(), places.table, facts)
        places.table.replace(places.output)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"{places.output} cannot be written: {reason}; see to it and use --resume"
        ) from error
    return outcome


def _finished_before(output: Path, listing: Listing, plan: Plan) -> Outcome:
    """A resumed run whose table is there already has nothing to do."""
    facts = table.facts_of(output)
    _compare(facts, listing, plan, str(output))
    return Outcome(int(facts["sources"]), int(facts["failed"]))
