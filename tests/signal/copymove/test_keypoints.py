from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from tellsign.signal.copymove import geometry, grouping, keypoints

Luma = NDArray[np.uint8]
Paste = Callable[..., tuple[NDArray[np.uint8], NDArray[np.float64]]]


@pytest.mark.parametrize(
    ("rotation", "scale", "mirrored"),
    [(0, 1, False), (5, 1, False), (30, 1, False), (90, 1, False), (0, 0.8, False),
     (0, 1.25, False), (0, 1, True), (40, 0.9, True)],
)  # fmt: skip
def test_the_paste_is_the_best_supported_transform(
    luma: Luma, paste: Paste, rotation: float, scale: float, mirrored: bool
) -> None:
    forged, true = paste(
        luma, source=(150, 140), target=(430, 320), side=100, rotation=rotation, scale=scale,
        mirrored=mirrored,
    )  # fmt: skip
    pairs = keypoints.match(keypoints.detect(forged))
    best = grouping.hypotheses(pairs)[0]
    error = geometry.apply(best.matrix, best.seeds) - geometry.apply(true, best.seeds)
    assert np.abs(error).max() < 2.0
    assert geometry.describe(best.matrix, (0, 0)).mirrored is mirrored


def test_no_transform_in_a_picture_without_copies(luma: Luma) -> None:
    assert grouping.hypotheses(keypoints.match(keypoints.detect(luma))) == []


def test_mirrored_order_is_an_involution_and_matches_a_flipped_picture(luma: Luma) -> None:
    order = keypoints.mirrored_order()
    np.testing.assert_array_equal(order[order], np.arange(128))
    plain = keypoints.detect(luma[:240, :240])
    flipped = keypoints.detect(np.ascontiguousarray(luma[:240, :240][:, ::-1]))
    place = flipped.points * [-1, 1] + [239, 0]
    distance = np.linalg.norm(plain.points[:, None] - place[None], axis=2)
    nearest = distance.argmin(axis=1)
    same = distance.min(axis=1) < 1.0
    cosine = (plain.descriptors[:, order] * flipped.descriptors[nearest]).sum(axis=1)[same]
    assert same.sum() > 50
    assert np.median(cosine) > 0.97


def test_several_pastes_are_all_matched(luma: Luma, paste: Paste) -> None:
    forged = luma
    for target in ((430, 320), (250, 380), (500, 100)):
        forged, _ = paste(forged, source=(150, 140), target=target, side=80)
    pairs = keypoints.match(keypoints.detect(forged))
    found = {tuple(np.round(h.matrix[:, 2] / 4).astype(int)) for h in grouping.hypotheses(pairs)}
    assert len(found) >= 3


def test_thinning_keeps_every_cell_and_the_strongest() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 256, (20_000, 2))
    response = rng.random(20_000)
    keep = keypoints.thin(points, response, (256, 256))
    assert len(keep) == keypoints.CAPACITY
    cells = (points[keep] // keypoints.CELL).astype(int)
    assert len(np.unique(cells, axis=0)) == 64
    assert response[keep].mean() > response.mean() + 0.2


def test_strips_change_little(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = keypoints.detect(luma)
    monkeypatch.setattr(keypoints, "STRIP", 640 * 160)
    parts = keypoints.detect(luma)
    distance = np.abs(whole.points[:, None] - parts.points[None]).max(axis=2).min(axis=1)
    assert (distance < 0.5).mean() > 0.9


def test_pictures_without_keypoints() -> None:
    keys = keypoints.detect(np.full((80, 80), 120, np.uint8))
    assert len(keys.points) == 0
    assert len(keypoints.match(keys)) == 0
