"""Splice and copy-move: where pixels come from and where they go."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tellsign import forge
from tellsign.errors import ForgeError
from tellsign.forge.blending import composite, poisson, transfer_colour
from tellsign.forge.copy_move import copy_move
from tellsign.forge.draws import Draws
from tellsign.forge.recipe import recipe_from_mapping
from tellsign.forge.region import Place
from tellsign.forge.splice import splice
from tellsign.forge.transplant import lift

Pixels = NDArray[np.uint8]


def recipe(operation: str, **values: Any) -> forge.Recipe:
    return recipe_from_mapping({"operation": operation, "blend": "paste", **values})


@pytest.mark.parametrize("seed", range(8))
def test_a_plain_copy_is_exact_and_its_source_is_labelled(host: Pixels, seed: int) -> None:
    draws = Draws(str(seed))
    result = copy_move(host, recipe("copy_move", area=0.04), draws)
    (sy, sx), (ty, tx) = draws.values["source_place"], draws.values["target"]  # type: ignore[misc]
    target = np.argwhere(result.mask == forge.ALTERED)
    source = target + (sy - ty, sx - tx)
    assert (result.mask[tuple(source.T)] == forge.COPIED_FROM).all()
    assert len(source) == (result.mask == forge.COPIED_FROM).sum()
    assert np.array_equal(result.pixels[tuple(target.T)], host[tuple(source.T)])


@pytest.mark.parametrize("flip", [False, True])
def test_a_turned_copy_follows_its_geometry(host: Pixels, flip: bool) -> None:
    draws = Draws("7")
    made = recipe("copy_move", area=0.06, rotation=90.0, flip=flip, region="ellipse")
    result = copy_move(host, made, draws)
    target, source = result.mask == forge.ALTERED, result.mask == forge.COPIED_FROM
    assert target.sum() == pytest.approx(source.sum(), rel=0.03)
    cut = [host[_box(source)], result.pixels[_box(target)]]
    turned = np.rot90(cut[0][:, ::-1] if flip else cut[0])
    height, width = (min(a, b) for a, b in zip(turned.shape[:2], cut[1].shape[:2], strict=True))
    inner = (slice(height // 4, 3 * height // 4), slice(width // 4, 3 * width // 4))
    # Within a pixel of each other, hence not exact but alike.
    a, b = turned[inner].astype(float).ravel(), cut[1][inner].astype(float).ravel()
    assert np.corrcoef(a, b)[0, 1] > 0.8


def _box(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    points = np.argwhere(mask)
    (top, left), (bottom, right) = points.min(axis=0), points.max(axis=0) + 1
    return slice(top, bottom), slice(left, right)


def test_scale_changes_the_area(host: Pixels) -> None:
    result = copy_move(host, recipe("copy_move", area=0.03, scale=1.5), Draws("1"))
    areas = [(result.mask == v).sum() for v in (forge.ALTERED, forge.COPIED_FROM)]
    assert areas[0] / areas[1] == pytest.approx(2.25, rel=0.05)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("grid", ["aligned", "foreign"])
def test_the_grid_is_as_asked(host: Pixels, donor: Pixels, grid: str, seed: int) -> None:
    draws = Draws(str(seed))
    splice(host, donor, recipe("splice", grid=grid, area=0.05), draws)
    start, end = draws.values["donor_place"], draws.values["target"]
    offset = [(a - b) % 8 for a, b in zip(start, end, strict=True)]  # type: ignore[arg-type]
    assert (offset == [0, 0]) == (grid == "aligned")


def test_aligned_and_turned_contradict_each_other(host: Pixels, donor: Pixels) -> None:
    for values in ({"rotation": 5.0}, {"scale": 1.2}, {"flip": True}):
        with pytest.raises(ForgeError, match="no grid that could be aligned"):
            splice(host, donor, recipe("splice", grid="aligned", **values), Draws("1"))


def test_no_room_beside_the_source(host: Pixels) -> None:
    with pytest.raises(ForgeError, match="smaller area|finds no place"):
        copy_move(host, recipe("copy_move", area=0.5, scale=2.0), Draws("1"))


def test_a_donor_gets_its_own_history(host: Pixels, donor: Pixels) -> None:
    plain = splice(host, donor, recipe("splice"), Draws("1"))
    saved = splice(host, donor, recipe("splice", donor_quality=30), Draws("1"))
    assert np.array_equal(plain.mask, saved.mask)
    assert saved.steps[0] == {"step": "donor jpeg", "quality": 30, "subsampling": "4:2:0"} or (
        saved.steps[0]["subsampling"] == "4:4:4"
    )
    assert not np.array_equal(plain.pixels, saved.pixels)


def test_brightness_is_a_gain(donor: Pixels) -> None:
    black = np.zeros((256, 320, 3), np.uint8)
    dim = np.minimum(donor, 120)
    once = splice(black, dim, recipe("splice"), Draws("1"))
    twice = splice(black, dim, recipe("splice", brightness=2.0), Draws("1"))
    assert np.array_equal(twice.pixels, 2 * once.pixels)


def test_a_feathered_edge_mixes_and_ends_at_the_mask(host: Pixels) -> None:
    alpha = np.zeros((20, 20), np.float32)
    alpha[5:15, 5:15] = 0.5
    white = np.full((20, 20, 3), 255, np.uint8)
    place = Place(10, 12, 20, 20)
    result = composite(host, white, alpha, place)
    mixed = np.rint(0.5 * host[15:25, 17:27].astype(float) + 127.5)
    assert np.abs(result[15:25, 17:27] - mixed).max() <= 1
    outside = np.ones(host.shape[:2], np.bool_)
    outside[15:25, 17:27] = False
    assert np.array_equal(result[outside], host[outside])


def test_poisson_keeps_the_place_and_hides_the_seam(host: Pixels) -> None:
    place = Place(40, 50, 60, 70)
    alpha = np.zeros((60, 70), np.float32)
    alpha[2:-2, 2:-2] = 1
    # The picture's own patch, brightened: gradients are unchanged, so it must come back.
    patch = np.minimum(host[place.window], 200) + np.uint8(30)
    known = np.minimum(host, 200)
    result = poisson(known, patch, alpha, place)
    error = np.abs(result.astype(int) - known)
    assert error.max() <= 6
    far = np.ones(host.shape[:2], np.bool_)
    far[42:98, 52:118] = False
    assert not error[far].any()


def test_colours_come_from_the_surroundings(host: Pixels, donor: Pixels) -> None:
    alpha = np.ones((50, 50), np.float32)
    around = (host[:60, :60] // 2 + np.array([90, 20, 0])).astype(np.uint8)
    moved = transfer_colour(donor[:50, :50], alpha, around)
    means = [p.reshape(-1, 3).mean(axis=0) for p in (moved, around, donor[:50, :50])]
    assert np.abs(means[0] - means[1]).max() < 12
    assert np.abs(means[2] - means[1]).max() > np.abs(means[0] - means[1]).max()


def test_lifting_without_geometry_is_a_slice(host: Pixels) -> None:
    alpha = np.ones((30, 40), np.float32)
    lifted = lift(host, Place(5, 6, 30, 40), alpha, 0.0, 1.0, False)
    assert np.array_equal(lifted.pixels, host[5:35, 6:46])
    assert np.array_equal(lift(host, Place(5, 6, 30, 40), alpha, 0.0, 1.0, True).pixels,
                          host[5:35, 6:46][:, ::-1])  # fmt: skip
