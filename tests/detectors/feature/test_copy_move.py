from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tellsign.detectors.base import Abstain
from tellsign.detectors.feature.copy_move import CopyMove, groups
from tellsign.media import from_bytes, open_media
from tellsign.types import Box, Evidence, MapKind

Rgb = NDArray[np.uint8]
SOURCE, TARGET = (150, 140), (430, 320)


def pasted(
    photo: Rgb,
    *,
    rotation: float = 0.0,
    scale: float = 1.0,
    mirrored: bool = False,
    side: int = 110,
    target: tuple[int, int] = TARGET,
) -> tuple[Rgb, NDArray[np.bool_]]:
    """A square around SOURCE pasted around `target`; the mask holds both places."""
    turn = np.deg2rad(rotation)
    a = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    if mirrored:
        a = a @ np.diag([-1.0, 1.0])
    matrix = np.hstack([a, (np.array(target) - a @ np.array(SOURCE))[:, None]])
    size = (photo.shape[1], photo.shape[0])
    whole = rotation == 0 and scale == 1 and not mirrored
    moved = cv2.warpAffine(
        photo, matrix, size, flags=cv2.INTER_NEAREST if whole else cv2.INTER_CUBIC
    )
    half = side // 2
    square = np.zeros(photo.shape[:2], np.uint8)
    square[SOURCE[1] - half : SOURCE[1] + half, SOURCE[0] - half : SOURCE[0] + half] = 1
    placed = cv2.warpAffine(square, matrix, size, flags=cv2.INTER_NEAREST) > 0
    return np.where(placed[..., None], moved, photo).astype(np.uint8), placed | (square > 0)


def encoded(pixels: NDArray[np.uint8], quality: int | None = None) -> bytes:
    out = io.BytesIO()
    picture = Image.fromarray(pixels)
    if quality is None:
        picture.save(out, "PNG")
    else:
        picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


def examined(pixels: NDArray[np.uint8], quality: int | None = None) -> Evidence:
    media = open_media(from_bytes(encoded(pixels, quality), "picture"))
    assert CopyMove().applicable(media) is None
    return CopyMove().examine(media)


def f1(evidence: Evidence, truth: NDArray[np.bool_]) -> float:
    found = next(m for m in evidence.maps if m.kind is MapKind.MASK).values > 0
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))


@pytest.mark.parametrize(
    ("rotation", "scale", "mirrored"),
    [(0, 1, False), (5, 1, False), (30, 1, False), (90, 1, False), (0, 0.8, False),
     (0, 1.25, False), (0, 1, True), (25, 0.9, True)],
)  # fmt: skip
@pytest.mark.parametrize("quality", [None, 85])
def test_copies_are_found_with_their_transform(
    photo: Rgb, rotation: float, scale: float, mirrored: bool, quality: int | None
) -> None:
    forged, truth = pasted(photo, rotation=rotation, scale=scale, mirrored=mirrored)
    evidence = examined(forged, quality)
    assert evidence.score > 2.0
    assert f1(evidence, truth) > 0.85
    values = evidence.findings[0].values
    # Which place is the copy is not known: either direction of the transform is right.
    scales = (scale, 1 / scale)
    assert min(abs(float(values["scale"]) - s) for s in scales) < 0.02
    turn = abs(float(values["rotation"]))
    assert min(abs(turn - rotation), abs(360 - turn - rotation)) < 1.0
    assert values["mirrored"] == int(mirrored)
    box = evidence.findings[0].where
    assert isinstance(box, Box)
    centres = {
        (box.x + box.width / 2, box.y + box.height / 2),
        (
            float(values["other_x"]) + float(values["other_width"]) / 2,
            float(values["other_y"]) + float(values["other_height"]) / 2,
        ),
    }
    for place in (SOURCE, TARGET):
        assert min(np.hypot(c[0] - place[0], c[1] - place[1]) for c in centres) < 8


def grey(values: NDArray[np.floating]) -> Rgb:
    return np.repeat(np.clip(np.rint(values), 0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.fixture(scope="module")
def sky() -> NDArray[np.floating]:
    """A gradient and nothing else but sensor noise, a little smoothed as cameras do."""
    yy, xx = np.mgrid[:480, :640]
    noise = np.random.default_rng(5).normal(0, 4, (480, 640)).astype(np.float32)
    return 110 + 0.08 * xx + 0.12 * yy + cv2.GaussianBlur(noise, (0, 0), 0.8)


@pytest.mark.parametrize("rotation", [0, 40])
def test_copies_in_a_smooth_sky_are_found(sky: NDArray[np.floating], rotation: float) -> None:
    forged, truth = pasted(grey(sky), rotation=rotation, side=140)
    assert examined(grey(sky)).score == 0.0
    evidence = examined(forged)
    assert evidence.score > 2.0
    assert f1(evidence, truth) > 0.8


@pytest.mark.parametrize("rotation", [0, 40])
def test_copies_in_a_hazy_sky_survive_compression(
    sky: NDArray[np.floating], rotation: float
) -> None:
    haze = np.random.default_rng(6).normal(0, 1, (480, 640)).astype(np.float32)
    hazy = grey(sky + 90 * cv2.GaussianBlur(haze, (0, 0), 5))
    forged, truth = pasted(hazy, rotation=rotation, side=140)
    evidence = examined(forged, 85)
    assert evidence.score > 1.5
    assert f1(evidence, truth) > 0.8


def test_nothing_in_a_picture_without_copies(photo: Rgb) -> None:
    for quality in (None, 85):
        evidence = examined(photo, quality)
        assert evidence.score < 1.0
        assert evidence.maps == ()
        assert evidence.findings == ()


def test_flipping_the_picture_flips_the_result(photo: Rgb) -> None:
    forged, truth = pasted(photo, rotation=15)
    plain = examined(forged)
    for axis in (0, 1):
        flipped = examined(np.ascontiguousarray(np.flip(forged, axis)))
        assert flipped.score == pytest.approx(plain.score, abs=0.7)
        assert f1(flipped, np.flip(truth, axis)) == pytest.approx(f1(plain, truth), abs=0.03)


def test_pastes_of_one_source_form_one_group(photo: Rgb) -> None:
    forged, truth = pasted(photo, side=80)
    forged, again = pasted(forged, side=80, target=(300, 400))
    evidence = examined(forged)
    label = next(m for m in evidence.maps if m.kind is MapKind.LABEL).values
    assert set(np.unique(label)) == {0.0, 1.0}
    assert f1(evidence, truth | again) > 0.85


def test_groups_of_unrelated_pairs_differ() -> None:
    assert groups([]) == []


def test_repeated_windows_do_not_accuse() -> None:
    """A facade: equal windows, each with its own noise, light and reflections."""
    rng = np.random.default_rng(12)
    wall = 170 + cv2.GaussianBlur(rng.normal(0, 12, (480, 640)), (0, 0), 2)
    for y in range(30, 400, 110):
        for x in range(30, 580, 95):
            window = np.full((60, 44), 210.0)
            for top, left in ((4, 4), (4, 24), (32, 4), (32, 24)):
                glass = cv2.GaussianBlur(rng.normal(0, 60, (24, 16)), (0, 0), 5)
                window[top : top + 24, left : left + 16] = 110 + glass
            shift = np.array([[1, 0, rng.random()], [0, 1, rng.random()]])
            moved = cv2.warpAffine(window, shift, (44, 60), borderMode=cv2.BORDER_REPLICATE)
            wall[y : y + 60, x : x + 44] = moved + rng.uniform(-8, 8)
    pixels = grey(cv2.GaussianBlur(wall, (0, 0), 0.7) + rng.normal(0, 3, wall.shape))
    for quality in (None, 85):
        assert examined(pixels, quality).score < 1.0


def test_tiles_do_not_accuse() -> None:
    rng = np.random.default_rng(13)
    tile = cv2.GaussianBlur(rng.normal(128, 60, (40, 40)), (0, 0), 1.5)
    pixels = grey(np.tile(tile, (10, 12)) + rng.normal(0, 2, (400, 480)))
    assert examined(pixels).score < 1.0


@pytest.mark.parametrize("seed", [1, 2])
def test_noise_has_no_copies(seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    assert examined(noise).score == 0.0


def test_flat_and_small_pictures_abstain() -> None:
    flat = open_media(from_bytes(encoded(np.full((200, 200, 3), 90, np.uint8)), "flat"))
    with pytest.raises(Abstain, match="flat"):
        CopyMove().examine(flat)
    small = np.random.default_rng(0).integers(0, 256, (40, 300, 3), dtype=np.uint8)
    media = open_media(from_bytes(encoded(small), "small"))
    assert CopyMove().applicable(media) == "too_small"


def test_type_on_white_abstains() -> None:
    page = Image.new("RGB", (400, 300), "white")
    pen = ImageDraw.Draw(page)
    for y in range(10, 280, 16):
        pen.text((10, y), "the same words again and again and the same words", fill=0)
    for quality in (None, 85):
        media = open_media(from_bytes(encoded(np.asarray(page), quality), "page"))
        with pytest.raises(Abstain, match="drawn"):
            CopyMove().examine(media)


def test_the_same_twice(photo: Rgb) -> None:
    forged, _ = pasted(photo, rotation=10, scale=0.9)
    a, b = examined(forged, 85), examined(forged, 85)
    assert a.score == b.score
    assert a.findings == b.findings
    for x, y in zip(a.maps, b.maps, strict=True):
        np.testing.assert_array_equal(x.values, y.values)
