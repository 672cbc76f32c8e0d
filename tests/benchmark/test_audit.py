from __future__ import annotations

import numpy as np
import pytest

from tellsign.benchmark import audit
from tellsign.benchmark.metrics import auc

GROUPS = np.repeat([f"g{i}" for i in range(8)], 20)
LABELS = np.arange(160) < 80


def facts(width: int, size: int, kind: str = "jpeg") -> dict[str, object]:
    quality = 85 if kind == "jpeg" else None
    return {
        "bytes": size,
        "width": width,
        "height": 384,
        "format": kind,
        "quality": quality,
        "subsampling": "4:2:0" if quality else "",
        "exif": False,
    }


def test_a_format_that_goes_with_the_class_is_found_out() -> None:
    told = [facts(512, 9000 + n, "png" if y else "jpeg") for n, y in enumerate(LABELS)]
    scores = audit.held_out_scores(audit.file_features(told), LABELS, GROUPS, 1e-3, 0)
    assert scores is not None
    assert auc(scores, LABELS) > 0.98


def test_squares_among_long_shapes_are_found_out() -> None:
    """The middle of the aspects against both ends: nothing linear in the aspect itself."""
    rng = np.random.default_rng(0)
    widths = np.where(LABELS, 384, rng.choice([256, 576], 160))
    features = audit.file_features([facts(int(w), 30_000) for w in widths])
    scores = audit.held_out_scores(features, LABELS, GROUPS, 1e-3, 0)
    assert scores is not None
    assert auc(scores, LABELS) > 0.95


def test_nothing_is_found_where_there_is_nothing() -> None:
    rng = np.random.default_rng(0)
    found = []
    for seed in range(6):
        told = [facts(int(rng.integers(300, 600)), int(rng.integers(2e4, 9e4))) for _ in LABELS]
        scores = audit.held_out_scores(audit.file_features(told), LABELS, GROUPS, 1e-3, seed)
        assert scores is not None
        found.append(auc(scores, LABELS))
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


def test_what_marks_single_groups_does_not_count() -> None:
    """Each group has a width of its own, which tells nothing of the groups held out."""
    widths = np.repeat([310, 450, 390, 530, 350, 490, 330, 510], 20)
    features = audit.file_features([facts(int(w), 30_000) for w in widths])
    scores = audit.held_out_scores(features, LABELS, GROUPS, 1e-3, 0)
    assert scores is not None
    assert auc(scores, LABELS) < 0.8


def test_scores_are_shares_and_repeat() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(LABELS[:, None] * 0.5, 1.0, (160, 3))
    first = audit.held_out_scores(features, LABELS, GROUPS, 1e-3, 0)
    again = audit.held_out_scores(features, LABELS, GROUPS, 1e-3, 0)
    assert first is not None
    assert again is not None
    assert np.array_equal(first, again)
    assert first.min() >= 0
    assert first.max() <= 1


def test_a_single_group_of_a_class_leaves_nothing_to_hold_out() -> None:
    groups = np.where(LABELS, "only", GROUPS)
    assert audit.held_out_scores(np.zeros((160, 1)), LABELS, groups, 1e-3, 0) is None


def test_groups_that_hold_both_classes_stay_in_one_fold() -> None:
    labels = np.arange(160) % 2 == 0
    folds = audit._folds(labels, GROUPS, 0)
    assert folds is not None
    assert all(len(set(folds[name == GROUPS])) == 1 for name in set(GROUPS))


def test_content_features_are_the_thumbnail() -> None:
    pixels = np.arange(768, dtype=np.int64) % 256
    features = audit.content_features([pixels.astype(np.uint8).tobytes().hex()])
    assert features.shape == (1, 768)
    assert features[0, 255] == 1.0


def test_the_third_baseline_does_without_the_bytes() -> None:
    told = [{"facts": facts(400, 1000 + n, "jpeg"), "thumb": "00" * 768} for n in range(4)]
    assert np.ptp(audit.features_of(audit.ZERO_PIXEL, told), axis=0).max() > 0
    assert np.ptp(audit.features_of(audit.SHAPE_ONLY, told), axis=0).max() == 0
    assert audit.features_of(audit.CONTENT_NULL, told).shape == (4, 768)
