from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tellsign.signal.copymove import crowd, exact, geometry, verify
from tellsign.signal.copymove.agreement import agreement, decades, repetition
from tellsign.signal.copymove.grouping import Hypothesis

Luma = NDArray[np.uint8]
Paste = Callable[..., tuple[NDArray[np.uint8], NDArray[np.float64]]]


def around(point: tuple[float, float], reach: float = 25.0) -> np.ndarray:
    grid = np.linspace(-reach, reach, 4)
    return np.array([(point[0] + x, point[1] + y) for x in grid for y in grid])


def disturbed(matrix: np.ndarray, centre: tuple[float, float]) -> np.ndarray:
    """Turned by half a degree and moved by a pixel: as good as keypoints give it."""
    turn = np.deg2rad(0.5)
    small = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    c = np.array(centre)
    shift = matrix[:, 2] + matrix[:, :2] @ (c - small @ c) + [0.8, -0.6]
    return np.hstack([matrix[:, :2] @ small, shift[:, None]])


@pytest.mark.parametrize(("rotation", "scale"), [(0, 1), (5, 1), (30, 1), (0, 0.8), (12, 1.25)])
def test_refines_and_delimits_a_copy(
    luma: Luma, paste: Paste, rotation: float, scale: float
) -> None:
    source, side = (150, 140), 90
    forged, true = paste(
        luma, source=source, target=(430, 320), side=side, rotation=rotation, scale=scale
    )
    match = verify.verify(forged, Hypothesis(disturbed(true, source), around(source), 16))
    assert match is not None
    matrix, x, y = match.matrix, *match.box[:2]
    region = np.zeros(forged.shape, np.bool_)
    region[y : y + match.box[3], x : x + match.box[2]] = match.mask
    if scale > 1:
        # The larger place is warped onto the smaller one, which is the source here too.
        matrix = geometry.inverse(matrix)
        points = geometry.apply(true, around(source))
        expected = around(source)
        np.testing.assert_allclose(
            geometry.apply(geometry.inverse(matrix), points), expected, atol=0.35
        )
        return
    error = geometry.apply(matrix, around(source)) - geometry.apply(true, around(source))
    assert np.abs(error).max() < 0.35
    truth = np.zeros(forged.shape, np.bool_)
    truth[140 - 45 : 140 + 45, 150 - 45 : 150 + 45] = True
    assert (region & truth).sum() / (region | truth).sum() > 0.85


def test_equal_blocks_delimit_exactly(luma: Luma, paste: Paste) -> None:
    forged, true = paste(luma, source=(150, 140), target=(430, 320), side=40)
    match = verify.verify(forged, exact.hypotheses(forged)[0])
    assert match is not None
    assert (match.source[match.mask] == match.warped[match.mask]).all()
    assert abs(int(match.mask.sum()) - 40 * 40) <= 2 * 41
    np.testing.assert_array_equal(match.matrix, true)


def test_unlike_places_are_refused(luma: Luma) -> None:
    shift = np.array([[1.0, 0, 210], [0, 1, 130]])
    assert verify.verify(luma, Hypothesis(shift, around((150, 140)), 16)) is None


def test_counterpart_outside_the_picture_is_refused(luma: Luma) -> None:
    shift = np.array([[1.0, 0, 9000], [0, 1, 0]])
    assert verify.verify(luma, Hypothesis(shift, around((150, 140)), 16)) is None


def test_zncc_is_one_for_the_same_under_gain_and_nought_where_flat() -> None:
    a = np.random.default_rng(0).normal(100, 20, (40, 40)).astype(np.float32)
    assert verify.zncc(a, 0.5 * a + 7).min() > 0.97
    flat = np.full((40, 40), 80, np.float32)
    assert np.abs(verify.zncc(flat, flat)).max() < 0.01


def test_a_copy_agrees_and_a_like_thing_with_its_own_noise_does_not(
    luma: Luma, paste: Paste
) -> None:
    rng = np.random.default_rng(9)
    forged, true = paste(luma, source=(150, 140), target=(430, 320), side=90)
    like = np.clip(forged + rng.normal(0, 4, forged.shape), 0, 255).astype(np.uint8)
    hypothesis = Hypothesis(true, around((150, 140)), 16)
    copy, thing = verify.verify(forged, hypothesis), verify.verify(like, hypothesis)
    assert copy is not None
    assert thing is not None
    same, own = agreement(copy), agreement(thing)
    assert min(same.correlations) > 0.99
    assert own.correlations[0] < 0.95
    assert same.information > 2 * own.information
    assert same.statistic > own.statistic + 1.0
    assert decades(same, 1) > decades(own, 1) > decades(own, 50)


def test_a_periodic_pattern_overlaps_itself() -> None:
    rng = np.random.default_rng(4)
    tile = rng.integers(0, 256, (16, 16)).astype(np.float32)
    picture = np.kron(np.ones((12, 16)), tile) + rng.normal(0, 1.5, (192, 256))
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    shift = np.array([[1.0, 0, 16], [0, 1, 0]])
    match = verify.verify(picture, Hypothesis(shift, around((100, 90)), 16))
    assert match is not None
    assert agreement(match).overlap > 0.5


def test_a_row_of_like_things_is_regular_and_a_paste_is_not(luma: Luma, paste: Paste) -> None:
    row = luma.copy()
    for x in (60, 220, 380):
        row[100:180, x : x + 80] = luma[100:180, 60:140]
    shift = np.array([[1.0, 0, 160], [0, 1, 0]])
    first = verify.verify(row, Hypothesis(shift, around((100, 140)), 16))
    assert first is not None
    assert repetition(agreement(first), row, crowd.coarse(row), first).regularity > 0.9
    forged, true = paste(luma, source=(150, 140), target=(430, 320), side=90)
    second = verify.verify(forged, Hypothesis(true, around((150, 140)), 16))
    assert second is not None
    lone = repetition(agreement(second), forged, crowd.coarse(forged), second)
    assert lone.regularity < 0.3
    assert lone.crowd <= 2


def test_windows_come_in_crowds() -> None:
    rng = np.random.default_rng(8)
    pane = cv2.GaussianBlur(rng.normal(128, 60, (40, 40)), (0, 0), 2)
    wall = rng.normal(128, 4, (320, 400))
    for y in range(10, 280, 60):
        for x in range(10, 360, 60):
            wall[y : y + 40, x : x + 40] = pane + rng.normal(0, 3, (40, 40))
    picture = np.clip(wall, 0, 255).astype(np.uint8)
    shift = np.array([[1.0, 0, 180], [0, 1, 120]])
    match = verify.verify(picture, Hypothesis(shift, around((90, 90), 15), 16))
    assert match is not None
    assert crowd.like_places(crowd.coarse(picture), match) >= 20


@pytest.mark.parametrize(("rotation", "mirrored", "expected"), [(180, False, 0.0), (0, True, 0.5)])
def test_half_turns_are_not_regular_and_reflections_half(
    luma: Luma, paste: Paste, rotation: float, mirrored: bool, expected: float
) -> None:
    forged, true = paste(
        luma, source=(150, 240), target=(430, 240), side=90, rotation=rotation, mirrored=mirrored
    )
    match = verify.verify(forged, Hypothesis(true, around((150, 240)), 16))
    assert match is not None
    measured = repetition(agreement(match), forged, crowd.coarse(forged), match)
    assert measured.regularity == pytest.approx(expected, abs=0.01)
    assert decades(measured, 1) > 2.0
