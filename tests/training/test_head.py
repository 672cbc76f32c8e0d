from __future__ import annotations

import json

import numpy as np
import pytest
from toy_probe import memory

from tellsign.errors import ArtifactError
from tellsign.training.head import Head, Memory, condensed


def test_a_score_is_linear_so_that_means_may_be_taken_first() -> None:
    rng = np.random.default_rng(0)
    head = Head(rng.normal(size=4), 0.5, rng.normal(size=4), np.array([1.0, 2.0, 0.5, 3.0]))
    crops = rng.normal(size=(6, 4))
    by_hand = ((crops - head.mean) / head.scale) @ head.weight + 0.5
    assert np.allclose(head(crops), by_hand)
    assert head(crops.mean(axis=0)[None])[0] == pytest.approx(head(crops).mean())


def test_a_correction_adds_to_the_score() -> None:
    head = Head(np.array([1.0, 0.0]), 0.5, np.array([1.0, 1.0]), np.array([2.0, 2.0]))
    both = head.plus(np.array([0.0, 3.0]), -0.25)
    row = np.array([[3.0, 5.0]])
    assert both(row)[0] == pytest.approx(head(row)[0] + 3.0 * 2.0 - 0.25)


def test_a_head_survives_json() -> None:
    rng = np.random.default_rng(1)
    head = Head(rng.normal(size=9), 0.25, rng.normal(size=9), rng.random(9) + 0.1)
    again = Head.from_dict(json.loads(json.dumps(head.to_dict())))
    rows = rng.normal(size=(20, 9))
    assert np.allclose(again(rows), head(rows), atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"weight": [1.0]},
        {"scale": [1.0, 0.0]},
        {"bias": float("nan")},
        {"mean": "none"},
        {"weight": None},
    ],
)
def test_what_is_no_head_is_refused(change: dict[str, object]) -> None:
    good = {"weight": [1.0, 2.0], "bias": 0.0, "mean": [0.0, 0.0], "scale": [1.0, 1.0]}
    assert Head.from_dict(good).width == 2
    with pytest.raises(ArtifactError, match="head"):
        Head.from_dict({**good, **change})


def test_a_memory_survives_json_to_half_precision() -> None:
    held = memory(np.random.default_rng(2))
    again = Memory.from_dict(json.loads(json.dumps(held.to_dict())))
    assert np.allclose(again.rows, held.rows, rtol=1e-3, atol=1e-3)
    assert (again.labels == held.labels).all()
    assert (again.groups == held.groups).all()


@pytest.mark.parametrize(
    "change",
    [{"schema": "x"}, {"width": 7}, {"rows": "?"}, {"labels": [1]}, {"groups": None}, {"width": 0}],
)
def test_what_is_no_memory_is_refused(change: dict[str, object]) -> None:
    data = memory(np.random.default_rng(3)).to_dict()
    with pytest.raises(ArtifactError, match="memory"):
        Memory.from_dict({**data, **change})


def test_a_memory_needs_both_classes_and_numbers_that_fit() -> None:
    held = memory(np.random.default_rng(4))
    with pytest.raises(ArtifactError, match="both classes"):
        Memory(held.rows, np.ones_like(held.labels), held.groups)
    with pytest.raises(ArtifactError, match="fit"):
        Memory(held.rows * 1e6, held.labels, held.groups).to_dict()


def test_condensing_gives_groups_the_same_share_and_hands_on_what_small_ones_leave() -> None:
    held = memory(np.random.default_rng(5), per_group=30)
    small = np.flatnonzero(held.groups == "camera0")[4:]
    kept = np.delete(np.arange(len(held.rows)), small)
    few = condensed(held.rows[kept], held.labels[kept], held.groups[kept], 100)
    counts = {name: int((few.groups == name).sum()) for name in np.unique(few.groups)}
    assert len(few.rows) == 100
    assert counts.pop("camera0") == 4
    assert max(counts.values()) - min(counts.values()) <= 1
    again = condensed(held.rows[kept], held.labels[kept], held.groups[kept], 100)
    assert (again.rows == few.rows).all()
