from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_examples import EXAMPLES, hostile, pristine, spliced

from tellsign import __version__
from tellsign.errors import MalformedMedia
from tellsign.report import maps
from tellsign.report.report import SCHEMA, from_dict, number, region_dict, schema, to_dict, to_json
from tellsign.report.stored import StoredMap, maps_written
from tellsign.types import (
    Box,
    ByteRange,
    Evidence,
    Finding,
    Polygon,
    Provenance,
    ProvenanceState,
    Report,
    TimeSpan,
)

VALIDATOR = jsonschema.Draft202012Validator(schema())


def test_the_schema_is_a_schema_and_closed() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())

    def objects(node: Any) -> list[dict[str, Any]]:
        if isinstance(node, list):
            return [o for item in node for o in objects(item)]
        if not isinstance(node, dict):
            return []
        own = [node] if "properties" in node and node.get("type") == "object" else []
        return own + [o for value in node.values() for o in objects(value)]

    found = objects(schema())
    assert len(found) > 15
    for described in found:
        assert described["additionalProperties"] is False
        assert described["required"] == list(described["properties"])


def test_every_example_is_valid(example: Report) -> None:
    VALIDATOR.validate(to_dict(example))


def test_hostile_reports_are_valid() -> None:
    VALIDATOR.validate(to_dict(hostile("\x1b[31m<b>x</b>\u202e")))


def test_a_map_that_was_written_is_named(tmp_path: Any) -> None:
    report = spliced()
    written = maps.write(report, tmp_path)
    d = to_dict(report, written)
    VALIDATOR.validate(d)
    stated = d["outcomes"][0]["maps"][0]
    assert stated["file"] == "maps/jpeg_grid_zero.npz"
    assert stated["sha256"] == written["maps/jpeg_grid_zero.npz"]
    assert (tmp_path / stated["file"]).is_file()
    assert maps_written(d) == {k: v for k, v in written.items() if k.endswith(".npz")}


def test_a_map_that_was_not_written_has_no_file() -> None:
    stated = to_dict(spliced())["outcomes"][0]["maps"][0]
    assert stated == {
        "kind": "mask",
        "file": None,
        "sha256": None,
        "stride": 1,
        "shape": [480, 640],
        "coverage": pytest.approx(1 - 140 * 260 / (480 * 640), rel=1e-6),
    }


@pytest.mark.parametrize(
    "breakage",
    [
        lambda d: d.pop("children"),
        lambda d: d.update(extra=1),
        lambda d: d["outcomes"][0].update(code="x"),
        lambda d: d["outcomes"][0].update(interval=None),
        lambda d: d["outcomes"][4].update(score=1.0),
        lambda d: d["conclusions"][1].update(direction=None),
        lambda d: d["conclusions"][0].update(direction="for"),
        lambda d: d["media"].pop("jpeg"),
        lambda d: d["provenance"].update(state="unknown"),
        lambda d: d["outcomes"][0]["findings"][0]["region"].update(kind="circle"),
    ],
)
def test_the_schema_notices(breakage: Any) -> None:
    d = copy.deepcopy(to_dict(spliced()))
    breakage(d)
    assert not VALIDATOR.is_valid(d)


def test_keys_are_those_of_the_contract() -> None:
    d = to_dict(spliced())
    assert list(d) == [
        "schema",
        "tool",
        "plan",
        "created",
        "headline",
        "source",
        "media",
        "provenance",
        "outcomes",
        "conclusions",
        "timings",
        "children",
    ]
    assert d["schema"] == SCHEMA == "tellsign.report/1"
    assert d["tool"] == {"name": "tellsign", "version": __version__}
    assert d["source"] == {"name": "press-photo.jpg", "size": 2483311, "sha256": "9b1d" * 16}
    outcome = d["outcomes"][0]
    assert outcome["kind"] == "evidence"
    assert outcome["llr"] == 2.1
    assert outcome["interval"] == [1.6, 2.4]
    assert outcome["condition"] == "jpeg-q90+"
    assert d["outcomes"][2]["llr"] is None
    assert d["outcomes"][2]["artifact"]["name"] == "double_quantisation"
    assert d["outcomes"][4] | {"text": None} == {
        **dict.fromkeys(outcome),
        "kind": "abstention",
        "detector": "resampling",
        "version": "1",
        "family": "feature",
        "question": "manipulated",
        "code": "too_small",
        "findings": [],
        "maps": [],
    }
    assert d["outcomes"][5]["text"] == "LinAlgError: singular matrix"
    assert d["conclusions"][1]["unused"][0] == {
        "detector": "double_quantisation",
        "reason": "uncalibrated",
    }
    assert d["children"][0]["schema"] == SCHEMA


def test_an_unopened_source_has_no_media_and_failures() -> None:
    d = to_dict(EXAMPLES["unopened"]())
    assert d["media"] is None
    assert {o["kind"] for o in d["outcomes"]} == {"failure"}
    assert d["outcomes"][0]["code"] == "MalformedMedia"


def test_floats_keep_six_digits() -> None:
    d = to_dict(spliced())
    assert d["outcomes"][0]["score"] == 39.2412
    assert d["outcomes"][0]["findings"][0]["values"] == {"log10_nfa": -39.2412, "grid": 34}
    assert d["timings"]["open"] == 0.0412346


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (0.1 + 0.2, 0.3),
        (-0.0, 0.0),
        (1234567.8, 1234570.0),
        (12345678901234, 12345678901234),
        (1.23456789e-12, 1.23457e-12),
        (np.float32(0.1), 0.1),
        (np.int64(7), 7),
        (math.inf, None),
        (math.nan, None),
    ],
)
def test_number(value: Any, shown: Any) -> None:
    assert number(value) == shown
    assert str(number(value)) == str(shown)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_is_near_and_stable(value: float) -> None:
    shown = number(value)
    assert shown is not None
    assert math.isclose(shown, value, rel_tol=5.1e-6, abs_tol=1e-300)
    assert number(shown) == shown


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        (None, None),
        (Box(1, 2, 3, 4), {"kind": "box", "x": 1, "y": 2, "width": 3, "height": 4}),
        (
            Polygon(((0, 0), (1.00000049, 0), (1, 1))),
            {"kind": "polygon", "points": [[0, 0], [1.0, 0], [1, 1]]},
        ),
        (TimeSpan(0.5, 2), {"kind": "time", "start": 0.5, "end": 2}),
        (ByteRange(8, 16), {"kind": "bytes", "offset": 8, "length": 16}),
    ],
)
def test_regions(where: Any, shown: Any) -> None:
    assert region_dict(where) == shown


def test_round_trip(example: Report) -> None:
    d = to_dict(example)
    again = json.loads(json.dumps(d))
    assert to_dict(from_dict(again)) == d


def test_round_trip_of_regions_and_written_maps(tmp_path: Any) -> None:
    report = spliced()
    outcome = report.outcomes[0]
    assert isinstance(outcome, Evidence)
    places = (TimeSpan(0, 1), ByteRange(0, 9), Polygon(((0, 0), (1, 0), (1, 1))), None)
    found = tuple(Finding("a.b", "Here.", where) for where in places)
    changed = (replace(outcome, findings=found), *report.outcomes[1:])
    report = replace(report, outcomes=changed)
    d = to_dict(report, maps.write(report, tmp_path))
    assert to_dict(from_dict(d), maps_written(d)) == d


def test_a_stored_report_keeps_what_matters() -> None:
    report = from_dict(to_dict(spliced()))
    evidence = report.outcomes[0]
    assert isinstance(evidence, Evidence)
    stored = evidence.maps[0]
    assert isinstance(stored, StoredMap)
    assert not stored.valid.any()
    assert stored.coverage == pytest.approx(0.881510, rel=1e-5)
    assert report.calibrated["jpeg_grid_zero"].llr == 2.1
    assert report.source.open().read() == b""
    assert report.error is None
    assert from_dict(to_dict(EXAMPLES["unopened"]())).error is not None


@pytest.mark.parametrize(
    ("breakage", "reason"),
    [
        (lambda d: d.update(schema="tellsign.report/2"), "not a tellsign.report/1"),
        (lambda d: d.pop("plan"), "KeyError"),
        (lambda d: d["outcomes"][0].update(kind="guess"), "unknown kind of outcome"),
        (lambda d: d["outcomes"][0]["findings"][0]["region"].update(kind="circle"), "of region"),
        (lambda d: d["outcomes"][0]["maps"][0].update(shape=[10**6, 10**6]), "cells"),
    ],
)
def test_a_broken_stored_report_is_an_input_error(breakage: Any, reason: str) -> None:
    d = copy.deepcopy(to_dict(spliced()))
    breakage(d)
    with pytest.raises(MalformedMedia, match=reason):
        from_dict(d)


def test_json_is_one_ascii_line() -> None:
    report = replace(pristine(), headline="Zürich \u202e\x1b[31m\u2028写真")
    line = to_json(report)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["headline"] == "Zürich 写真"


def test_absent_optional_parts_are_null() -> None:
    d = to_dict(replace(pristine(), provenance=Provenance(ProvenanceState.ABSENT), timings={}))
    assert d["provenance"] == {
        "state": "absent",
        "status": [],
        "signer": None,
        "trust_list": None,
        "digital_source_type": None,
        "generator": None,
    }
    assert d["timings"] == {"open": None, "detect": {}, "total": None}
