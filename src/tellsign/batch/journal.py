"""The journal of a run: its list and its finished answers, on disk, safe against any kill.

One SQLite file, so that memory stays constant, a half-written answer never counts, and two files of
the same content find each other however far apart they are in the list.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from tellsign.batch.listing import Listing
from tellsign.batch.worker import Answer
from tellsign.errors import UsageError

FORMAT: Final = "1"

_TABLES = """
CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE sources (number INTEGER PRIMARY KEY, name BLOB NOT NULL, answer INTEGER);
CREATE TABLE answers (
    id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL, shared INTEGER NOT NULL,
    reason TEXT, rows BLOB NOT NULL
);
CREATE INDEX by_content ON answers (sha256, shared);
CREATE TEMP TABLE found (name BLOB NOT NULL);
"""
_READ_AHEAD = 256  # names in memory at a time


class Tally:
    """Count and fingerprint of names, whatever their order: the sum of their hashes.

    Adding hashes needs no memory and no sorting; it guards against a mix-up, not against an enemy.
    """

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0

    def through(self, names: Iterable[bytes]) -> Iterator[bytes]:
        for name in names:
            self.count += 1
            self._sum += int.from_bytes(hashlib.sha256(name).digest(), "big")
            yield name

    @property
    def digest(self) -> str:
        return f"{self._sum % 2**256:064x}"


def fingerprint(listing: Listing) -> dict[str, str]:
    tally = Tally()
    for _ in tally.through(listing):
        pass
    return {"sources": str(tally.count), "names": tally.digest}


class Journal:
    """Opened for one run at a time; `UsageError` when another one has it or it is no journal."""

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            self._db = sqlite3.connect(file, isolation_level=None, timeout=0.5)
            # Exclusive before the first access: no second run, and no shared memory, which network
            # file systems lack. A committed answer survives the process in any case (WAL).
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise UsageError(f"{file}: in use by another run, or not writable: {error}") from error
        except sqlite3.DatabaseError as error:
            raise UsageError(f"{file}: is not the journal of a run: {error}") from error

    def close(self) -> None:
        self._db.close()

    @property
    def begun(self) -> bool:
        """Whether the list was taken down: a run killed before that left nothing."""
        query = "SELECT count(*) FROM sqlite_master WHERE name = 'facts'"
        return bool(self._one(query))

    def begin(self, listing: Listing, plan: str) -> None:
        """Take the list down, in one transaction: folders sorted by name, lists as they are."""
        tally = Tally()
        order = "name" if listing.is_folder else "rowid"
        script = _TABLES.split(";\n")
        self._db.execute("BEGIN")
        try:
            for statement in filter(str.strip, script):
                self._db.execute(statement)
            names = ((name,) for name in tally.through(listing))
            self._db.executemany("INSERT INTO found VALUES (?)", names)
            # The order is one of two constants above.
            self._db.execute(f"INSERT INTO sources (name) SELECT name FROM found ORDER BY {order}")
            facts = {"format": FORMAT, "plan": plan}
            facts |= {"sources": str(tally.count), "names": tally.digest}
            self._db.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
            self._db.execute("DROP TABLE found")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @property
    def facts(self) -> dict[str, str]:
        return dict(self._db.execute("SELECT key, value FROM facts"))

    @property
    def total(self) -> int:
        return self._one("SELECT count(*) FROM sources")

    @property
    def done(self) -> int:
        return self._one("SELECT count(*) FROM sources WHERE answer IS NOT NULL")

    @property
    def failed(self) -> int:
        return self._one(
            "SELECT count(*) FROM sources s JOIN answers a ON a.id = s.answer"
            " WHERE a.reason IS NOT NULL"
        )

    def undone(self) -> Iterator[tuple[int, bytes]]:
        """One pass over the sources without an answer, in order; answers may come meanwhile."""
        last = 0
        while chunk := self._db.execute(
            "SELECT number, name FROM sources WHERE answer IS NULL AND number > ?"
            " ORDER BY number LIMIT ?",
            (last, _READ_AHEAD),
        ).fetchall():
            yield from chunk
            last = chunk[-1][0]

    def known(self, sha256: str) -> tuple[int, bool] | None:
        """An earlier answer for this content, and whether it holds for any file of it."""
        found = self._db.execute(
            "SELECT id, shared FROM answers WHERE sha256 = ? ORDER BY shared DESC LIMIT 1",
            (sha256,),
        ).fetchone()
        return (found[0], bool(found[1])) if found else None

    def link(self, number: int, answer: int) -> None:
        self._db.execute("UPDATE sources SET answer = ? WHERE number = ?", (answer, number))

    def keep(self, number: int, answer: Answer) -> None:
        """Store an answer; when this returns, a kill cannot lose it."""
        self._db.execute("BEGIN")
        stored = self._db.execute(
            "INSERT INTO answers (sha256, shared, reason, rows) VALUES (?, ?, ?, ?)",
            (answer.sha256, answer.shared, answer.reason, answer.rows),
        )
        assert stored.lastrowid is not None
        self.link(number, stored.lastrowid)
        self._db.execute("COMMIT")

    def answers(self) -> Iterator[tuple[bytes, bytes]]:
        """(name, packed rows) of every source, in order, streamed."""
        yield from self._db.execute(
            "SELECT s.name, a.rows FROM sources s JOIN answers a ON a.id = s.answer"
            " ORDER BY s.number"
        )

    def _one(self, query: str) -> int:
        return int(self._db.execute(query).fetchone()[0])
