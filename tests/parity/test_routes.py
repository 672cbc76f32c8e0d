"""One corpus through every route gives identical reports apart from times and display names."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tellsign.examiner import Examiner
from tellsign.media import from_bytes, from_path, from_stream
from tellsign.plan import Plan
from tellsign.report.report import to_dict
from tellsign.types import Report

ROOT = Path(__file__).resolve().parent.parent.parent
CORPUS = sorted(p for p in (ROOT / "samples").iterdir() if p.suffix in (".jpg", ".png"))[:8]


def facts(report: dict[str, Any]) -> dict[str, Any]:
    dropped = {"created", "timings"}
    content = {k: v for k, v in report.items() if k not in dropped}
    source = {k: v for k, v in content["source"].items() if k != "name"}
    children = [facts(child) for child in content["children"]]
    return {**content, "source": source, "children": children}


def as_facts(report: Report) -> dict[str, Any]:
    return facts(to_dict(report))


@pytest.fixture(scope="module")
def examiner() -> Examiner:
    return Examiner(Plan.default())


@pytest.fixture(scope="module")
def single(examiner: Examiner) -> list[dict[str, Any]]:
    return [as_facts(examiner.examine(from_path(p))) for p in CORPUS]


def test_the_corpus_is_there() -> None:
    assert len(CORPUS) >= 6


def test_one_batch(examiner: Examiner, single: list[dict[str, Any]]) -> None:
    assert [as_facts(r) for r in examiner.examine_many(map(from_path, CORPUS))] == single


def test_bytes_and_stream(examiner: Examiner, single: list[dict[str, Any]]) -> None:
    for path, expected in zip(CORPUS, single, strict=True):
        data = path.read_bytes()
        assert as_facts(examiner.examine(from_bytes(data))) == expected
        assert as_facts(examiner.examine(from_stream(io.BytesIO(data)))) == expected


def test_another_process_by_the_command_line(single: list[dict[str, Any]]) -> None:
    command = [sys.executable, "-m", "tellsign", "examine", "--json", *map(str, CORPUS)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=300)
    assert [facts(json.loads(line)) for line in done.stdout.splitlines()] == single
