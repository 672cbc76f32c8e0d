from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from tellsign.errors import ForgeError
from tellsign.forge.draws import Draws
from tellsign.forge.recipe import Recipe
from tellsign.forge.region import Place, activity, draw_outline, matte, place, to_multiple

Pixels = NDArray[np.uint8]
KINDS = ("polygon", "ellipse", "blob", "box")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_outlines_have_the_area_asked_for_in_one_piece(kind: str, seed: int) -> None:
    recipe = Recipe("r", "inpaint", region=(kind,), area=(0.05, 0.05))
    mask = draw_outline(recipe, Draws(str(seed)), (480, 640, 3))
    assert mask.sum() == pytest.approx(0.05 * 480 * 640, rel=0.06)
    assert ndimage.label(mask)[1] == 1
    assert mask[1:-1, 1:-1].sum() == mask.sum()


@pytest.mark.parametrize("kind", KINDS)
def test_outlines_fit_into_narrow_pictures(kind: str) -> None:
    recipe = Recipe("r", "inpaint", region=(kind,), area=(0.5, 0.5))
    mask = draw_outline(recipe, Draws("1"), (64, 800, 3))
    assert mask.shape[0] <= 64 * 2 / 3 + 4
    assert mask.any()


def test_too_small_a_picture_is_refused() -> None:
    with pytest.raises(ForgeError, match="47 x 600 pixels is too small"):
        draw_outline(Recipe("r", "inpaint"), Draws("1"), (600, 47, 3))


def test_mattes_are_soft_and_end_exactly() -> None:
    mask = np.zeros((40, 40), np.bool_)
    mask[10:30, 10:30] = True
    assert np.array_equal(matte(mask, 0.0), mask)
    soft = matte(mask, 2.0)
    assert soft.shape == (48, 48)
    assert soft[0, 0] == 0
    assert soft[24, 24] == 1
    assert 0.3 < soft[24, 14] < 0.7
    assert not ((soft > 0) & (soft < 1 / 255)).any()


def test_places_lie_inside_and_content_is_sought(host: Pixels) -> None:
    patch = np.ones((60, 50), np.bool_)
    energy = activity(host)
    means = {}
    for wanted in ("smooth", "any", "textured"):
        spots = [place(Draws(str(s)), "p", patch, host, wanted) for s in range(12)]
        for spot in spots:
            assert spot.y >= 2
            assert spot.x >= 2
            assert spot.y + 60 <= host.shape[0] - 2
            assert spot.x + 50 <= host.shape[1] - 2
        means[wanted] = np.mean([energy[s.window].mean() for s in spots])
    assert means["smooth"] < means["any"] < means["textured"]


def test_an_object_stands_out_from_what_surrounds_it() -> None:
    flat = np.full((200, 300, 3), 90, np.uint8)
    rng = np.random.default_rng(1)
    flat[80:130, 120:180] = rng.integers(0, 256, (50, 60, 3))
    patch = np.ones((50, 60), np.bool_)
    spots = [place(Draws(str(s)), "p", patch, flat, "object") for s in range(8)]
    apart = [abs(s.y - 80) < 50 and abs(s.x - 120) < 60 for s in spots]
    assert np.mean(apart) > 0.6


def test_what_does_not_fit_is_refused(host: Pixels) -> None:
    with pytest.raises(ForgeError, match="does not fit"):
        place(Draws("1"), "p", np.ones((300, 20), np.bool_), host)


def test_growing_stops_at_the_border() -> None:
    assert Place(1, 2, 10, 10).grown(5, (14, 100)) == Place(0, 0, 14, 17)


def test_masks_widen_to_full_blocks() -> None:
    mask = np.zeros((20, 30), np.bool_)
    mask[9, 17] = True
    widened = to_multiple(mask)
    assert np.argwhere(widened).min(axis=0).tolist() == [8, 16]
    assert widened.sum() == 64
    shifted = to_multiple(mask, (3, 5))
    assert np.argwhere(shifted).min(axis=0).tolist() == [3, 13]
    assert np.argwhere(shifted).max(axis=0).tolist() == [10, 20]
    assert to_multiple(np.ones((13, 9), np.bool_), (3, 5)).all()
