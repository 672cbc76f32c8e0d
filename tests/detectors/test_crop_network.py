"""What both networks of native crops have in common: rows, score, map, finding."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tellsign.detectors.crop_network import MOST_CROPS, SIDE, CropNetwork
from tellsign.detectors.supervised.neighbouring_pixels import NeighbouringPixels
from tellsign.detectors.supervised.residual_network import ResidualNetwork
from tellsign.forge.codec import encode_png
from tellsign.media import from_bytes, open_media
from tellsign.media.media import Media
from tellsign.testing import run
from tellsign.types import Abstention, Box, Evidence, MapKind

BOTH = (NeighbouringPixels, ResidualNetwork)


def media_of(pixels: NDArray[np.uint8]) -> Media:
    return open_media(from_bytes(encode_png(pixels), "picture.png"))


def evidence(detector: CropNetwork, pixels: NDArray[np.uint8]) -> Evidence:
    outcome = run(detector, media_of(pixels))
    assert isinstance(outcome, Evidence)
    return outcome


@pytest.fixture(name="detector", scope="module", params=BOTH, ids=lambda c: c.info.name)
def _detector(request: pytest.FixtureRequest) -> CropNetwork:
    found: CropNetwork = request.param()
    return found


@pytest.fixture(name="spoken", scope="module")
def _spoken(detector: CropNetwork, photo: NDArray[np.uint8]) -> Evidence:
    return evidence(detector, photo)


def test_the_score_is_the_mean_over_crops_and_the_finding_names_the_largest(
    detector: CropNetwork, spoken: Evidence, photo: NDArray[np.uint8]
) -> None:
    rows = detector.prepare(media_of(photo))
    assert rows.shape == (MOST_CROPS, 3, SIDE, SIDE)
    assert rows.max() > 200  # grey levels
    logits = detector.infer_rows(rows).mean(axis=(1, 2))
    assert spoken.score == pytest.approx(float(logits.mean()), abs=1e-5)
    (found,) = spoken.findings
    assert found.code == f"{detector.info.name}.crop"
    assert found.values["logit"] == pytest.approx(float(logits.max()), abs=1e-5)
    assert isinstance(found.where, Box)
    place = (int(found.where.y), int(found.where.x))
    cut = photo[place[0] : place[0] + SIDE, place[1] : place[1] + SIDE]
    assert (cut.transpose(2, 0, 1) == rows[int(logits.argmax())]).all()


def test_the_map_covers_the_crops_in_cells(spoken: Evidence) -> None:
    (shown,) = spoken.maps
    assert shown.kind is MapKind.SCORE
    assert shown.span == (-5, 5)
    assert shown.values.shape == (15, 20)
    # Four crops of 224 in 640 x 480 pixels, apart from each other.
    assert shown.coverage == pytest.approx(MOST_CROPS * SIDE**2 / (640 * 480), abs=0.05)
    assert shown.values[shown.valid].mean() == pytest.approx(spoken.score, abs=1.0)
    assert shown.values[shown.valid].std() > 0


def test_the_network_sees_batches_of_one_size(detector: CropNetwork) -> None:
    rows = np.random.default_rng(0).uniform(0, 255, (3, 3, SIDE, SIDE)).astype(np.float32)
    assert detector.MICRO_BATCH == 2
    np.testing.assert_array_equal(detector.infer_rows(rows)[:2], detector.infer(rows[:2]))


def test_small_pictures_are_not_read(detector: CropNetwork, photo: NDArray[np.uint8]) -> None:
    outcome = run(detector, media_of(photo[:127]))
    assert isinstance(outcome, Abstention)
    assert outcome.code == "too_small"


def test_a_picture_below_a_crop_is_reflected_and_boxed(
    detector: CropNetwork, photo: NDArray[np.uint8]
) -> None:
    outcome = evidence(detector, photo[:150, :200])
    assert outcome.findings[0].where == Box(0, 0, 200, 150)
    assert outcome.maps[0].values.shape == (5, 7)


def test_the_sentence_says_where_and_how_much(detector: CropNetwork) -> None:
    told = detector.describe(Box(5, 7, 224, 200), 1.234, -0.5, 6)
    assert told.text.startswith("Of 6 crops, the one of 224 x 200 pixels at (5, 7) ")
    assert told.text.endswith(": logit 1.23, on average -0.50.")
    alone = detector.describe(Box(0, 0, 9, 9), 0.0, 0.0, 1)
    assert alone.text.startswith("The crop of 9 x 9")
