"""Illegal states cannot be built."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from tellsign.types import (
    Box,
    Calibrated,
    Conclusion,
    Evidence,
    Family,
    Finding,
    Map,
    MapKind,
    Origin,
    Polygon,
    Question,
    Source,
    Support,
)

ORIGIN = Origin("toy", "1", Family.FEATURE, "0" * 64)


def test_a_source_opens_its_bytes_and_travels() -> None:
    source = Source("a.jpg", 3, "0" * 64, b"abc")
    assert source.open().read() == b"abc"
    assert pickle.loads(pickle.dumps(source)) == source


def test_a_source_hides_its_bytes_from_messages() -> None:
    assert "abc" not in repr(Source("a.jpg", 3, "0" * 64, b"abc"))


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_is_finite(score: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        Evidence(ORIGIN, Question.MANIPULATED, score, "decades")


def test_a_finding_holds_finite_values_only() -> None:
    with pytest.raises(ValueError, match="not finite"):
        Finding("a.b", "Text.", None, {"x": float("nan")})


def test_a_map_becomes_read_only() -> None:
    found = Map(MapKind.SCORE, np.zeros((2, 3), np.float32), 8, np.ones((2, 3), bool))
    assert found.coverage == 1.0
    with pytest.raises(ValueError, match="read-only"):
        found.values[0, 0] = 1


def test_a_map_and_its_valid_mask_agree() -> None:
    with pytest.raises(ValueError, match="differ"):
        Map(MapKind.SCORE, np.zeros((2, 3), np.float32), 8, np.ones((3, 2), bool))


def test_a_map_is_finite() -> None:
    with pytest.raises(ValueError, match="finite"):
        Map(MapKind.SCORE, np.full((2, 2), np.nan, np.float32), 8, np.ones((2, 2), bool))


@pytest.mark.parametrize("span", [(1.0, 1.0), (2.0, -2.0), (0.0, np.inf), (np.nan, 1.0)])
def test_the_scale_of_a_map_rises_between_finite_ends(span: tuple[float, float]) -> None:
    valid = np.ones((2, 2), bool)
    with pytest.raises(ValueError, match="must rise"):
        Map(MapKind.SCORE, np.zeros((2, 2), np.float32), 8, valid, span=span)
    with pytest.raises(ValueError, match="a mask map has no scale"):
        Map(MapKind.MASK, np.zeros((2, 2), np.float32), 8, valid, span=(0.0, 1.0))


def test_a_likelihood_ratio_lies_in_its_interval() -> None:
    evidence = Evidence(ORIGIN, Question.MANIPULATED, 1.0, "decades")
    assert Calibrated(evidence, 1.0, (0.5, 1.5), "sha256:0", "lossless").llr == 1.0
    with pytest.raises(ValueError, match="outside"):
        Calibrated(evidence, 2.0, (0.5, 1.5), "sha256:0", "lossless")


def test_support_and_direction_come_together() -> None:
    with pytest.raises(ValueError, match="direction"):
        Conclusion(Question.FACE, 1.5, Support.MODERATE, None, "t", (), ())
    with pytest.raises(ValueError, match="direction"):
        Conclusion(Question.FACE, 0.1, Support.NONE, "for", "t", (), ())
    with pytest.raises(ValueError, match="without a likelihood ratio"):
        Conclusion(Question.FACE, None, Support.WEAK, "for", "t", (), ())


@pytest.mark.parametrize("values", [(0, 0, 0, 4), (-1, 0, 4, 4), (0, 0, 4, -2)])
def test_an_empty_box_is_refused(values: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="box"):
        Box(*values)


def test_a_polygon_has_three_corners() -> None:
    with pytest.raises(ValueError, match="three"):
        Polygon(((0.0, 0.0), (1.0, 1.0)))
