from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tellsign.signal.copymove import search

Luma = NDArray[np.uint8]
Paste = Callable[..., tuple[NDArray[np.uint8], NDArray[np.float64]]]


def test_large_pictures_are_searched_reduced(
    luma: Luma, paste: Paste, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged, true = paste(luma, source=(150, 140), target=(430, 320), side=120, rotation=8)
    monkeypatch.setattr(search, "WORKING", 150_000)
    found = search.duplicates(forged)
    assert found.scale < 1
    assert found.shape[0] * found.shape[1] <= 151_000
    assert found.duplicates
    best = found.duplicates[0]
    centre = cv2.moments(best.region.astype(np.uint8))
    place = np.array([centre["m10"], centre["m01"]]) / centre["m00"] / found.scale
    assert min(np.abs(place - p).max() for p in ([150, 140], [430, 320])) < 6


def test_one_copy_is_reported_once(luma: Luma, paste: Paste) -> None:
    forged, _ = paste(luma, source=(150, 140), target=(430, 320), side=120, rotation=8)
    found = search.duplicates(forged)
    assert len(found.duplicates) == 1
    both = found.duplicates[0].region & found.duplicates[0].counterpart
    assert not both.any()


def test_counterparts_have_the_size_of_the_transform(luma: Luma, paste: Paste) -> None:
    forged, _ = paste(luma, source=(150, 140), target=(430, 320), side=120, scale=0.7)
    best = search.duplicates(forged).duplicates[0]
    small, large = sorted([best.region.sum(), best.counterpart.sum()])
    assert 0.4 < small / large < 0.6
