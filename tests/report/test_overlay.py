from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from report_examples import H, W, label_map, mask, mask_empty, picture, score_map

from tellsign.report import overlay
from tellsign.types import Map, MapKind


def score(values: NDArray[np.float32], stride: float = 1) -> Map:
    return Map(MapKind.SCORE, values.astype(np.float32), stride, np.ones(values.shape, bool))


def lightness(colours: NDArray[np.uint8]) -> NDArray[np.float64]:
    """OKLab lightness of (n, 3) sRGB colours (Ottosson 2020, the forward transform)."""
    c = colours / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    lms = linear @ np.array(
        [
            [0.4122214708, 0.2119034982, 0.0883024619],
            [0.5363325363, 0.6806995451, 0.2817188376],
            [0.0514459929, 0.1073969566, 0.6299787005],
        ]
    )
    result: NDArray[np.float64] = np.cbrt(lms) @ np.array(
        [0.2104542553, 0.7936177850, -0.0040720468]
    )
    return result


def test_the_ramp_is_ordered_by_lightness() -> None:
    steps = lightness(overlay.ramp())
    assert overlay.ramp().shape == (254, 3)
    assert np.all(np.diff(steps) > -0.003)  # rounding to 8 bits
    assert steps[-1] - steps[0] > 0.6
    halves = steps[127] - steps[0], steps[-1] - steps[127]
    assert 0.7 < halves[0] / halves[1] < 1.4


@pytest.mark.parametrize(
    ("shape", "side", "expected"),
    [
        ((100, 200), 1600, (100, 200)),
        ((3000, 4000), 1600, (1200, 1600)),
        ((8, 65500), 1600, (1, 1600)),
        ((1, 1), 1600, (1, 1)),
    ],
)
def test_fit(shape: tuple[int, int], side: int, expected: tuple[int, int]) -> None:
    assert overlay.fit(shape, side) == expected


def test_a_mask_lies_where_it_was_found() -> None:
    index = overlay.indices(mask(), (H, W))
    assert index.shape == (H, W)
    found = np.argwhere(index > 0)
    assert found.min(0).tolist() == [300, 400]
    assert found.max(0).tolist() == [371, 495]


def test_a_stride_scales_cells_to_pixels() -> None:
    index = overlay.indices(label_map(), (H, W))
    assert (index[160:240, 80:160] == 2).all()
    assert (index[160:240, 400:480] == 3).all()
    assert not index[:160].any()


def test_a_fractional_stride_is_aligned() -> None:
    values = np.zeros((10, 10), np.float32)
    values[:, 5:] = 1
    shown = Map(MapKind.MASK, values, 6.4, np.ones((10, 10), bool))
    index = overlay.indices(shown, (64, 64))
    assert not index[:, :32].any()
    assert index[:, 32:].all()


@pytest.mark.parametrize("cells", [3, 20])
def test_a_map_smaller_or_larger_than_the_picture(cells: int) -> None:
    shown = score(np.linspace(0, 1, cells * cells).reshape(cells, cells), 8)
    index = overlay.indices(shown, (80, 80), hatch=True)
    assert index.shape == (80, 80)
    covered = min(cells * 8, 80)
    assert (index[:covered, :covered] >= 2).all()
    assert set(np.unique(index[covered:])) <= {0, 1}


def test_a_map_that_misses_the_picture_is_all_clear() -> None:
    nothing = Map(MapKind.SCORE, np.zeros((0, 0), np.float32), 8, np.zeros((0, 0), bool))
    assert not overlay.indices(nothing, (16, 16)).any()
    assert overlay.scale(nothing) == overlay.Scale(0, 0)


def test_thin_regions_survive_reduction() -> None:
    values = np.zeros((4000, 4000), np.float32)
    values[1234, 567] = 1
    shown = Map(MapKind.MASK, values, 1, np.ones(values.shape, bool))
    index = overlay.indices(shown, (4000, 4000), 400)
    assert np.argwhere(index).tolist() == [[123, 56]]


def test_a_reduced_mask_that_covers_a_part_of_the_picture() -> None:
    shown = Map(MapKind.MASK, np.ones((50, 70), np.float32), 2, np.ones((50, 70), bool))
    index = overlay.indices(shown, (1000, 1000), 100)
    assert (index[:10, :14] == 2).all()
    assert not index[10:].any()
    assert not index[:, 14:].any()


def test_invalid_places_are_clear_or_hatched_whatever_their_value() -> None:
    values = np.ones((40, 40), np.float32)
    valid = np.ones((40, 40), bool)
    valid[:, :20] = False
    shown = Map(MapKind.MASK, values, 1, valid)
    assert not overlay.indices(shown, (40, 40))[:, :20].any()
    hatched = overlay.indices(shown, (40, 40), hatch=True)
    assert set(np.unique(hatched[:, :20])) == {0, 1}
    assert (hatched[:, 20:] == 2).all()


def test_scores_rise_with_their_colour() -> None:
    shown = score(np.tile(np.arange(200, dtype=np.float32), (200, 1)))
    row = overlay.indices(shown, (200, 200))[0].astype(int)
    assert (np.diff(row) >= 0).all()
    assert row[0] == 2
    assert row[-1] == 255
    assert overlay.scale(shown).low == pytest.approx(0.995, abs=1)
    assert overlay.scale(shown).high == pytest.approx(198, abs=1)


def test_a_constant_map_has_one_colour() -> None:
    assert set(np.unique(overlay.indices(score(np.full((9, 9), 3.0)), (9, 9)))) == {2}


def test_a_span_gives_a_value_one_colour_in_every_map() -> None:
    """Two crops 0.3 log odds apart are two neighbouring colours, not black and white."""
    near = replace(score(np.float32([[0.1, 0.4]])), span=(-5.0, 5.0))
    far = replace(score(np.float32([[0.1, 4.0]])), span=(-5.0, 5.0))
    assert overlay.scale(near) == overlay.scale(far) == overlay.Scale(-5, 5, fixed=True)
    (a, b), (c, d) = (overlay.indices(m, (1, 2))[0].astype(int) for m in (near, far))
    assert a == c
    assert 0 < b - a < 12
    assert d - c > 90
    stretched = overlay.indices(score(np.float32([[0.1, 0.4]])), (1, 2))[0]
    assert stretched.tolist() == [2, 255]


def test_values_beyond_the_span_take_the_colour_of_its_end() -> None:
    shown = replace(score(np.float32([[-90, -5, 0, 5, 7]])), span=(-5.0, 5.0))
    row = overlay.indices(shown, (1, 5))[0].tolist()
    assert row[:2] == [2, 2]
    assert row[3:] == [255, 255]
    assert row[2] in (128, 129)


def test_an_empty_map_keeps_its_span() -> None:
    nothing = Map(
        MapKind.SCORE, np.zeros((3, 3), np.float32), 8, np.zeros((3, 3), bool), span=(-1.0, 1.0)
    )
    assert overlay.scale(nothing) == overlay.Scale(-1, 1, fixed=True)
    assert not overlay.indices(nothing, (24, 24)).any()


def test_the_png_is_transparent_where_nothing_is_shown() -> None:
    image = Image.open(io.BytesIO(overlay.overlay_png(mask(), (H, W)))).convert("RGBA")
    rgba = np.asarray(image)
    assert rgba.shape == (H, W, 4)
    assert (rgba[300:372, 400:496] == (*overlay.MASK_COLOUR, 255)).all()
    assert not rgba[:300, :, 3].any()


def test_reduced_keeps_small_pictures_and_bounds_large_ones() -> None:
    assert overlay.reduced(picture()) is not None
    assert overlay.reduced(picture()).shape == (H, W, 3)
    assert overlay.reduced(np.zeros((3000, 1500, 3), np.uint8)).shape == (1600, 800, 3)


def test_flattened_shows_colours_only_where_the_map_has_some() -> None:
    index = overlay.indices(mask_empty(), (H, W))
    plain = overlay.flattened(picture(), index, MapKind.MASK)
    assert np.ptp(plain.astype(int), axis=2).max() == 0
    marked = overlay.flattened(picture(), overlay.indices(mask(), (H, W)), MapKind.MASK)
    changed = (marked != plain).any(2)
    assert changed[300:372, 400:496].all()
    assert changed.sum() == 72 * 96


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_and_coordinates_turn_alike(orientation: int) -> None:
    """The matrix moves the corner of each pixel to where `upright` moves the pixel."""
    h, w = 3, 5
    stored = np.arange(h * w, dtype=np.uint8).reshape(h, w)
    turned = overlay.upright(stored, orientation)
    a, b, c, d, e, f = overlay.upright_matrix((h, w), orientation)
    for y in range(h):
        for x in range(w):
            corners = [
                (a * u + c * v + e, b * u + d * v + f) for u in (x, x + 1) for v in (y, y + 1)
            ]
            left, top = min(p[0] for p in corners), min(p[1] for p in corners)
            assert turned[top, left] == stored[y, x]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_agrees_with_pillow(orientation: int) -> None:
    from PIL import ImageOps

    stored = np.random.default_rng(1).integers(0, 255, (4, 6, 3), dtype=np.uint8)
    image = Image.fromarray(stored)
    image.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(overlay.upright(stored, orientation), expected)


def test_an_unknown_orientation_leaves_the_picture() -> None:
    stored = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert overlay.upright(stored, 77) is stored
    assert overlay.upright_matrix((2, 3), None) == (1, 0, 0, 1, 0, 0)


def test_data_uris_name_their_format() -> None:
    assert overlay.data_uri(overlay.jpeg(picture())).startswith("data:image/jpeg;base64,/9j/")
    png = overlay.overlay_png(score_map(), (H, W))
    assert overlay.data_uri(png).startswith("data:image/png;base64,iVBOR")


@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
    st.floats(0.3, 40),
    st.sampled_from(MapKind),
)
def test_any_map_fits_any_picture(
    shape: tuple[int, int], cells: tuple[int, int], stride: float, kind: MapKind
) -> None:
    values = np.arange(cells[0] * cells[1], dtype=np.float32).reshape(cells) % 4
    index = overlay.indices(Map(kind, values, stride, values != 3), shape, 64, hatch=True)
    assert index.shape == overlay.fit(shape, 64)
    assert index.dtype == np.uint8
