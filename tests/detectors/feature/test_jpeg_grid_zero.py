from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tellsign.detectors.base import Abstain
from tellsign.detectors.feature.jpeg_grid_zero import (
    JpegGridZero,
    MainGrid,
    clipped,
    foreign_regions,
    grid_around,
    least_size,
    main_grid,
    missing_regions,
)
from tellsign.media import from_bytes, open_media
from tellsign.signal.jpeg_grid import NO_VOTE, grid_votes
from tellsign.types import Box, Evidence

ROOT = Path(__file__).parents[3]
EXAMPLES = "reference/zero_examples"
REFERENCE = ROOT / "tests/reference/jpeg_grid_zero.csv"
GREY = NDArray[np.uint8]


def scene(height: int, width: int, seed: int = 0) -> GREY:
    """Smooth shapes with a camera's fine noise: neither flat nor clipped anywhere."""
    import cv2

    rng = np.random.default_rng(seed)
    rough = sum(
        cv2.GaussianBlur(rng.normal(0, 1, (height, width)), (0, 0), s) * s * 14 for s in (2, 6, 20)
    )
    return (
        np.clip(128 + rough + rng.normal(0, 2, (height, width)), 30, 220).round().astype(np.uint8)
    )


def jpeg(grey: GREY, quality: int) -> GREY:
    out = io.BytesIO()
    Image.fromarray(grey).save(out, "JPEG", quality=quality)
    return np.array(Image.open(out))


def examine(grey: GREY) -> Evidence:
    out = io.BytesIO()
    Image.fromarray(grey).save(out, "PNG")
    return JpegGridZero().examine(open_media(from_bytes(out.getvalue())))


def rgb(grey: GREY) -> GREY:
    return np.repeat(grey[:, :, None], 3, axis=2)


@pytest.mark.parametrize(
    "row",
    list(csv.DictReader(REFERENCE.read_text().splitlines())),
    ids=lambda row: str(row["picture"]),
)
def test_values_of_the_published_program(core: Path, row: dict[str, str]) -> None:
    data = (core / EXAMPLES / row["picture"]).read_bytes()
    evidence = JpegGridZero().examine(open_media(from_bytes(data)))
    whole, *regions = evidence.findings
    if row["main_grid"]:
        assert whole.code == "jpeg.grid.shifted"
        assert whole.values["x"] + 8 * whole.values["y"] == int(row["main_grid"])  # type: ignore[operator]
        assert whole.values["log10_nfa"] == pytest.approx(float(row["main_log10_nfa"]), rel=0.005)
    else:
        assert whole.code == "jpeg.grid.none"
    assert len(regions) == int(row["regions"])
    for region in regions:
        assert region.where == Box(*(int(row[k]) for k in ("x", "y", "width", "height")))
        assert region.values["x"] + 8 * region.values["y"] == int(row["grid"])  # type: ignore[operator]
        assert region.values["log10_nfa"] == pytest.approx(float(row["log10_nfa"]), rel=0.005)
        assert evidence.score == -region.values["log10_nfa"]  # type: ignore[operator]


def test_a_paste_from_another_grid_is_found_where_it_is() -> None:
    background, donor = jpeg(scene(256, 320), 85), jpeg(scene(256, 320, seed=1), 80)
    background[80:180, 100:220] = donor[83:183, 105:225]
    evidence = examine(background)
    assert [f.code for f in evidence.findings] == ["jpeg.grid.whole", "jpeg.grid.foreign"]
    foreign = evidence.findings[1]
    # The donor's grid begins 3 rows and 5 columns earlier than the paste at (100, 80) = (4, 0).
    assert (foreign.values["x"], foreign.values["y"]) == ((100 - 105) % 8, (80 - 83) % 8)
    mask, truth = evidence.maps[0].values > 0, np.zeros((256, 320), np.bool_)
    truth[80:180, 100:220] = True
    assert (mask & truth).sum() / (mask | truth).sum() > 0.8
    assert evidence.score > 50


def test_the_same_picture_without_a_paste_is_not_accused() -> None:
    evidence = examine(jpeg(scene(256, 320), 85))
    assert evidence.score == 0
    assert [f.code for f in evidence.findings] == ["jpeg.grid.whole"]
    assert not evidence.maps[0].values.any()


def test_a_crop_is_history_and_no_accusation() -> None:
    evidence = examine(jpeg(scene(256, 320), 85)[3:, 5:])
    assert evidence.score == 0
    (finding,) = evidence.findings
    assert finding.code == "jpeg.grid.shifted"
    assert (finding.values["x"], finding.values["y"]) == (3, 5)


def test_a_compressed_paste_in_a_picture_without_a_grid() -> None:
    picture = scene(256, 320)
    picture[80:180, 100:220] = jpeg(scene(256, 320, seed=1), 80)[80:180, 100:220]
    evidence = examine(picture)
    assert [f.code for f in evidence.findings] == ["jpeg.grid.none", "jpeg.grid.foreign"]


def test_a_lone_object_before_a_flat_ground_is_not_foreign() -> None:
    picture = np.full((640, 640), 90, np.uint8)
    picture[200:272, 300:364] = scene(72, 64)
    evidence = examine(jpeg(picture, 85))
    assert [f.code for f in evidence.findings] == ["jpeg.grid.whole"]
    assert evidence.score == 0


def test_noise_that_wipes_the_grid_out_is_a_missing_grid() -> None:
    picture = jpeg(scene(256, 320), 80)
    noise = np.random.default_rng(2).normal(0, 1.0, (140, 180))
    picture[60:200, 90:270] = (picture[60:200, 90:270] + noise).round().astype(np.uint8)
    evidence = examine(picture)
    assert [f.code for f in evidence.findings] == ["jpeg.grid.whole", "jpeg.grid.missing"]
    mask, truth = evidence.maps[0].values > 0, np.zeros((256, 320), np.bool_)
    truth[60:200, 90:270] = True
    assert (mask & truth).sum() / (mask | truth).sum() > 0.8


def test_clipped_areas_are_not_missing_their_grid() -> None:
    picture = jpeg(scene(256, 320), 80)
    picture[70:180, 100:230] = 255 - (np.arange(130) % 3 == 0)
    votes = grid_votes(picture)
    assert clipped(rgb(picture))[70:180, 100:230].all()
    assert not missing_regions(picture, rgb(picture), votes, main_grid(votes))


def test_presence_is_judged_around_and_by_single_coordinates() -> None:
    rng = np.random.default_rng(0)
    votes = rng.integers(0, 64, (200, 200)).astype(np.int8)
    assert not grid_around(votes, 9).any()
    votes[:, :100] = 9 + 8 * rng.integers(0, 5, (200, 100))  # the column of the origin only
    assert grid_around(votes, 9)[20:-20, 20:75].all()
    assert not grid_around(votes, 9)[20:-20, 120:].any()


def test_votes_at_random_make_no_grid_and_no_region() -> None:
    votes = np.random.default_rng(3).integers(-1, 64, (300, 300)).astype(np.int8)
    main = main_grid(votes)
    assert not main.meaningful
    assert foreign_regions(votes, main) == []


def test_the_main_grid_is_no_foreign_region() -> None:
    votes = np.full((100, 100), 5, np.int8)
    main = main_grid(votes)
    assert (main.origin, main.meaningful) == (5, True)
    assert foreign_regions(votes, main) == []
    assert len(foreign_regions(votes, MainGrid(7, -1.0))) == 1


def test_flat_and_small_pictures_are_not_judged() -> None:
    with pytest.raises(Abstain, match="flat"):
        examine(np.full((200, 200), 77, np.uint8))
    out = io.BytesIO()
    Image.fromarray(scene(63, 200)).save(out, "PNG")
    assert JpegGridZero().applicable(open_media(from_bytes(out.getvalue()))) == "too_small"


def test_least_size_is_the_smallest_that_can_be_meaningful() -> None:
    shape = (512, 512)
    votes = np.full(shape, NO_VOTE, np.int8)
    side = int(np.ceil(np.sqrt(least_size(shape)) / 8)) * 8
    votes[100 : 100 + side, 100 : 100 + side] = 12
    assert len(foreign_regions(votes, MainGrid(0, 1.0))) == 1
    votes[100 : 100 + side - 8] = NO_VOTE
    assert foreign_regions(votes, MainGrid(0, 1.0)) == []


def test_other_block_codecs_are_left_alone() -> None:
    """The 4x4 transform of WebP leaves zeros on a grid of its own."""
    out = io.BytesIO()
    Image.fromarray(rgb(scene(256, 256))).save(out, "WEBP", quality=80)
    assert JpegGridZero().applicable(open_media(from_bytes(out.getvalue()))) == "other_codec"
