"""What a benchmark keeps between runs: results by content and plan, and the laundered files.

A result is named by everything it depends on, so that a stale one cannot be found.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tellsign.errors import UsageError

FILE = "kept.sqlite"
# Errors of the moment, not of the content: a file that is missing, or changed meanwhile. A result
# with one of them is not kept, or the file would count as missing for ever.
PASSING = frozenset({"UnreadableSource", "InputError"})
_BATCH = 500  # names asked for in one statement; SQLite allows 999 variables


def name_of(*parts: Any) -> str:
    """A short name of everything given, as JSON."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Kept:
    """A table of JSON values by name, and a folder of files by hash. One process writes."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(folder / FILE, isolation_level=None)
            self._db.execute("create table if not exists kept (name text primary key, value text)")
        except (OSError, sqlite3.Error) as error:
            raise UsageError(f"{folder}: results cannot be kept there: {error}") from error
        self.files = folder / "laundered"

    def many(self, names: Iterable[str]) -> dict[str, Any]:
        """The values there are."""
        wanted, found = list(names), {}
        for start in range(0, len(wanted), _BATCH):
            part = wanted[start : start + _BATCH]
            marks = ",".join("?" * len(part))
            query = f"select name, value from kept where name in ({marks})"
            found.update({n: json.loads(v) for n, v in self._db.execute(query, part)})
        return found

    def keep(self, name: str, value: Any) -> None:
        self._db.execute("insert or replace into kept values (?, ?)", (name, json.dumps(value)))

    def close(self) -> None:
        self._db.close()


def file_of(folder: Path, sha256: str) -> Path:
    return folder / sha256[:2] / sha256


def write_file(folder: Path, sha256: str, data: bytes) -> Path:
    """Write under its hash, whole or not at all."""
    path = file_of(folder, sha256)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(data)
        part.replace(path)
    return path
