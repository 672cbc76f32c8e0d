"""The table: the contract's columns, rows equal to a report's JSON, nothing lost on the way."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tellsign.batch import table
from tellsign.errors import UnreadableSource
from tellsign.examiner import Examiner
from tellsign.media import from_bytes
from tellsign.plan import Plan
from tellsign.report.report import to_dict
from tellsign.types import Question, Report, Unopened

TOYS = Path(__file__).resolve().parent.parent / "toys"
NAMES = ("toy_brightness", "toy_network", "toy_broken")

# As written in the contract, in its order.
CONTRACT = (
    "row source sha256 size format width height duration provenance digital_source_type question "
    "detector version family artifact_sha256 kind code text score unit llr llr_low llr_high "
    "condition support direction findings seconds plan tool_version schema"
)
NUMBERS = {"size": "int64", "width": "int32", "height": "int32"}
NUMBERS |= dict.fromkeys(("duration", "score", "llr", "llr_low", "llr_high", "seconds"), "double")


@pytest.fixture(scope="module")
def report(photo: NDArray[np.uint8]) -> Report:
    plan = Plan.select(detectors=NAMES, loaded=[str(TOYS / f"{name}.py") for name in NAMES])
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "PNG")
    return Examiner(plan).examine(from_bytes(buffer.getvalue(), "a.png"))


def test_columns_and_types_are_those_of_the_contract() -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    schema = table.arrow_schema({})
    assert " ".join(schema.names) == CONTRACT
    assert list(table.COLUMNS) == CONTRACT.split()
    for name in CONTRACT.split():
        shown = str(schema.field(name).type)
        if name == "findings":
            assert shown.startswith("list<")
            assert str(schema.field(name).type.value_type) == "string"
        else:
            assert shown == NUMBERS.get(name, "string")


def test_rows_say_what_the_report_says(report: Report) -> None:
    rows, shown = table.rows(report), to_dict(report)
    assert [r["row"] for r in rows] == ["outcome"] * 3 + ["conclusion"] * 3
    for row, outcome in zip(rows, shown["outcomes"], strict=False):
        for key in ("kind", "detector", "version", "family", "question", "code", "text"):
            assert row[key] == outcome[key]
        assert (row["score"], row["unit"]) == (outcome["score"], outcome["unit"])
        assert row["seconds"] == shown["timings"]["detect"][row["detector"]]
    for row, conclusion in zip(rows[3:], shown["conclusions"], strict=True):
        for key in ("question", "text", "llr", "support", "direction"):
            assert row[key] == conclusion[key]
        assert row["detector"] is None
        assert row["kind"] is None
    for row in rows:
        assert list(row) == CONTRACT.split()
        assert (row["sha256"], row["size"]) == (shown["source"]["sha256"], shown["source"]["size"])
        assert (row["format"], row["width"], row["height"]) == ("png", 640, 480)
        assert (row["plan"], row["schema"]) == (shown["plan"], "tellsign.report/1")
    assert [r["findings"] for r in rows[:3]] == [
        [f["code"] for f in o["findings"]] for o in shown["outcomes"]
    ]
    assert rows[0]["findings"] == ["toy.bright"]


def test_an_unreadable_source_has_failure_rows_even_without_detectors() -> None:
    gone = Unopened("gone.png", UnreadableSource("gone.png: no such file"))
    plan = Plan.select(detectors=NAMES[:1], loaded=[str(TOYS / "toy_brightness.py")])
    nothing = Plan((), plan.policy, asked=(Question.FACE,))
    for each, count in ((plan, 4), (nothing, 2)):
        rows = table.rows(Examiner(each).examine(gone))
        assert len(rows) == count
        assert rows[0]["row"] == "outcome"
        assert rows[0]["kind"] == "failure"
        assert rows[0]["text"] == "gone.png: no such file"
        assert rows[0]["sha256"] is rows[0]["size"] is rows[0]["provenance"] is None


def test_packing_loses_nothing(report: Report) -> None:
    rows = table.rows(report)
    assert table.unpacked(table.packed(rows)) == rows


def test_a_table_is_written_in_groups_and_read_back(report: Report, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    rows = table.rows(report)
    names = [b"%d.png" % i for i in range(1100)] + [b"\xff\x1b[31m\xe2\x80\xae.png", b"d/" * 300]
    pairs = ((name, table.packed(rows)) for name in names)
    table.assemble(pairs, tmp_path / "t.parquet", {"plan": "p"})
    file = parquet.ParquetFile(tmp_path / "t.parquet")
    assert file.num_row_groups == 3
    assert file.metadata.num_rows == 6 * 1102
    found = file.read().to_pylist()
    assert found[0] == {**rows[0], "source": "0.png"}
    assert found[-12]["source"] == "\ufffd.png"
    assert found[-1]["source"] == "d/" * 300
    assert table.facts_of(tmp_path / "t.parquet") == {"plan": "p"}


def test_another_file_has_no_facts(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    (tmp_path / "t.parquet").write_bytes(b"no table")
    assert table.facts_of(tmp_path / "t.parquet") == {}
