from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tellsign.detectors.supervised.neighbouring_pixels import (
    MOST_CROPS,
    SIDE,
    NeighbouringPixels,
    describe,
)
from tellsign.media import from_bytes, open_media
from tellsign.media.media import Media
from tellsign.testing import run
from tellsign.types import Abstention, Box, Evidence, MapKind


def media_of(pixels: NDArray[np.uint8]) -> Media:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return open_media(from_bytes(buffer.getvalue(), "picture.png"))


@pytest.fixture(name="spoken", scope="module")
def _spoken(photo: NDArray[np.uint8]) -> Evidence:
    outcome = run(NeighbouringPixels(), media_of(photo))
    assert isinstance(outcome, Evidence)
    return outcome


def test_the_score_is_the_mean_over_crops_and_the_finding_names_the_largest(
    spoken: Evidence, photo: NDArray[np.uint8]
) -> None:
    detector = NeighbouringPixels()
    rows = detector.prepare(media_of(photo))
    assert rows.shape == (MOST_CROPS, 3, SIDE, SIDE)
    assert rows.max() > 200  # grey levels
    logits = detector.infer_rows(rows).mean(axis=(1, 2))
    assert spoken.score == pytest.approx(float(logits.mean()), abs=1e-5)
    (found,) = spoken.findings
    assert found.values["logit"] == pytest.approx(float(logits.max()), abs=1e-5)
    assert isinstance(found.where, Box)
    place = (int(found.where.y), int(found.where.x))
    cut = photo[place[0] : place[0] + SIDE, place[1] : place[1] + SIDE]
    assert (cut.transpose(2, 0, 1) == rows[int(logits.argmax())]).all()


def test_the_map_covers_the_picture_in_cells(spoken: Evidence, photo: NDArray[np.uint8]) -> None:
    (shown,) = spoken.maps
    assert shown.kind is MapKind.SCORE
    assert shown.values.shape == (15, 20)
    assert shown.coverage > 0.9
    assert shown.values[shown.valid].mean() == pytest.approx(spoken.score, abs=1.0)
    assert shown.values[shown.valid].std() > 0


def test_the_artifact_is_told(spoken: Evidence) -> None:
    assert spoken.origin.artifact is not None
    assert spoken.origin.artifact.name == "neighbouring_pixels"


def test_cells_of_an_up_sampler_raise_the_score(photo: NDArray[np.uint8]) -> None:
    """The photograph against itself through halving and bilinear enlargement."""
    small = Image.fromarray(photo).resize((320, 240), Image.Resampling.BOX)
    again = np.asarray(small.resize((640, 480), Image.Resampling.NEAREST))
    plain, celled = (run(NeighbouringPixels(), media_of(p)) for p in (photo, again))
    assert isinstance(plain, Evidence)
    assert isinstance(celled, Evidence)
    assert celled.score != plain.score


def test_small_pictures_are_not_read(photo: NDArray[np.uint8]) -> None:
    outcome = run(NeighbouringPixels(), media_of(photo[:127]))
    assert isinstance(outcome, Abstention)
    assert outcome.code == "too_small"


def test_a_picture_below_a_crop_is_reflected_and_boxed(photo: NDArray[np.uint8]) -> None:
    outcome = run(NeighbouringPixels(), media_of(photo[:150, :200]))
    assert isinstance(outcome, Evidence)
    assert outcome.findings[0].where == Box(0, 0, 200, 150)
    assert outcome.maps[0].values.shape == (5, 7)


def test_without_its_network_it_abstains(
    photo: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tellsign.artifacts.store import Store

    monkeypatch.setattr(Store, "get", lambda *_: None)
    detector = NeighbouringPixels()
    outcome = run(detector, media_of(photo))
    assert isinstance(outcome, Abstention)
    assert outcome.code == "no_artifact"
    assert detector.artifact_ref() is None


def test_the_sentence_says_where_and_how_much() -> None:
    told = describe(Box(5, 7, 224, 200), 1.234, -0.5, 6)
    assert told.text.startswith("Of 6 crops, the one of 224 x 200 pixels at (5, 7) ")
    assert "1.23" in told.text
    assert "-0.50" in told.text
    assert describe(Box(0, 0, 9, 9), 0.0, 0.0, 1).text.startswith("The crop of 9 x 9")
