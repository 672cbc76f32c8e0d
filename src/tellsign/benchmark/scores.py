"""``<run>.scores.csv``: one row per item and condition, items without a score included."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from tellsign.errors import InputError

Status = Literal["ok", "abstained", "failed", "missing"]


@dataclass(frozen=True, slots=True)
class ScoreRow:
    dataset: str
    key: str
    group: str
    condition: str
    label: int  # 1 = the question's proposition holds
    score: float | None
    llr: float | None
    status: Status
    code: str

    def __post_init__(self) -> None:
        if (self.score is None) == (self.status == "ok"):
            raise ValueError(f"{self.key}: a score exists exactly where the status is ok")
        if self.label not in (0, 1):
            raise ValueError(f"{self.key}: label {self.label} is neither 0 nor 1")


COLUMNS = tuple(f.name for f in fields(ScoreRow))


def write(path: Path, rows: Iterable[ScoreRow]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        for row in rows:
            writer.writerow({k: "" if v is None else v for k, v in asdict(row).items()})


def read(path: Path) -> list[ScoreRow]:
    """Raises InputError naming the line that is not a score row."""
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise InputError(f"{path.name}: columns must be {', '.join(COLUMNS)}")
        rows = []
        for line, raw in enumerate(reader, start=2):
            try:
                rows.append(_row(raw))
            except (ValueError, TypeError) as error:
                raise InputError(f"{path.name}, line {line}: {error}") from error
    return rows


def _row(raw: dict[str, str]) -> ScoreRow:
    statuses: dict[str, Status] = {name: name for name in get_args(Status)}
    if raw["status"] not in statuses:
        raise ValueError(f"unknown status {raw['status']!r}")
    return ScoreRow(
        dataset=raw["dataset"],
        key=raw["key"],
        group=raw["group"],
        condition=raw["condition"],
        label=int(raw["label"]),
        score=float(raw["score"]) if raw["score"] else None,
        llr=float(raw["llr"]) if raw["llr"] else None,
        status=statuses[raw["status"]],
        code=raw["code"],
    )
