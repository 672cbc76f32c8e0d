from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tellsign.errors import ForgeError
from tellsign.forge.draws import Draws
from tellsign.forge.exemplar import exemplar_fill
from tellsign.forge.inpaint import fill, inpaint, noise_level
from tellsign.forge.recipe import METHODS, Recipe, recipe_from_mapping
from tellsign.forge.retouch import retouched

Pixels = NDArray[np.uint8]


def hole(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    mask = np.zeros(shape[:2], np.bool_)
    mask[50:90, 60:110] = True
    return mask


@pytest.mark.parametrize("method", METHODS["inpaint"])
def test_fills_act_inside_only_and_come_from_the_surroundings(host: Pixels, method: str) -> None:
    spoilt = host[:160, :200].copy()
    mask = hole(spoilt.shape)
    spoilt[mask] = (255, 0, 255)
    filled = fill(spoilt, mask, method, Draws("1"))
    assert np.array_equal(filled[~mask], spoilt[~mask])
    assert not (filled[mask] == (255, 0, 255)).all(axis=1).any()
    again = fill(spoilt, mask, method, Draws("1"))
    assert np.array_equal(filled, again)


def test_patches_continue_a_pattern() -> None:
    x = np.arange(200)
    stripes = np.broadcast_to(np.where(x // 8 % 2, 200, 50)[None, :, None], (160, 200, 3))
    known = np.ascontiguousarray(stripes, dtype=np.uint8)
    spoilt = known.copy()
    spoilt[hole(known.shape)] = 0
    filled = exemplar_fill(spoilt, hole(known.shape), np.random.default_rng(1))
    assert (filled == known).mean() > 0.97


def test_patches_only_use_colours_that_are_there(host: Pixels) -> None:
    area = host[:160, :200]
    filled = exemplar_fill(area, hole(area.shape), np.random.default_rng(1))
    known = {tuple(p) for p in area[~hole(area.shape)]}
    assert {tuple(p) for p in filled[hole(area.shape)]} <= known


def test_a_hole_without_surroundings(host: Pixels) -> None:
    with pytest.raises(ForgeError, match="no source patch fits"):
        exemplar_fill(host[:60, :60], np.ones((60, 60), np.bool_), np.random.default_rng(1))


def test_grain_brings_the_noise_back(host: Pixels) -> None:
    values = {"operation": "inpaint", "method": "telea", "area": 0.05, "texture": "smooth"}
    noise = np.random.default_rng(2).normal(0, 6, host.shape)
    noisy = np.clip(host + noise, 0, 255).astype(np.uint8)
    plain = inpaint(noisy, recipe_from_mapping(values), Draws("1"))
    grained = inpaint(noisy, recipe_from_mapping({**values, "grain": True}), Draws("1"))
    inside = plain.mask == 255
    assert grained.steps[-1]["step"] == "grain"
    assert (plain.pixels[~inside] == grained.pixels[~inside]).all()
    spread = [cv2.Laplacian(r.pixels, cv2.CV_64F)[inside].std() for r in (plain, grained)]
    around = cv2.Laplacian(noisy, cv2.CV_64F)[~inside].std()
    assert spread[0] < 0.8 * spread[1]
    assert spread[1] > 0.6 * around


def test_the_noise_level_is_measured() -> None:
    rng = np.random.default_rng(4)
    base = np.full((300, 300, 3), 120.0) + rng.normal(0, 5, (300, 300, 1))
    assert noise_level(np.rint(base).astype(np.uint8)) == pytest.approx(5, rel=0.05)


def retouch_recipe(method: str, **values: Any) -> Recipe:
    return recipe_from_mapping({"operation": "retouch", "method": method, **values})


def sharpness(pixels: Pixels) -> float:
    return float(cv2.Laplacian(pixels, cv2.CV_64F).std())


@pytest.mark.parametrize(
    ("method", "values", "sharper"),
    [
        ("median", {"kernel": "5"}, False),
        ("gaussian", {"sigma": 1.5}, False),
        ("sharpen", {"amount": 1.0}, True),
        ("contrast", {"contrast": 1.5}, True),
        ("noise", {"noise": 6.0}, True),
        ("resample", {"factor": 0.6}, False),
    ],
)
def test_filters_do_what_they_say(
    host: Pixels, method: str, values: dict[str, Any], sharper: bool
) -> None:
    filtered, step = retouched(host, retouch_recipe(method, **values), Draws("1"))
    assert (sharpness(filtered) > sharpness(host)) == sharper
    assert step["step"]
    assert filtered.shape == host.shape


def test_gamma_and_noise_have_the_strength_asked_for(host: Pixels) -> None:
    bright, _ = retouched(host, retouch_recipe("gamma", gamma=0.5), Draws("1"))
    expected = np.rint(255 * np.sqrt(host / 255))
    assert np.abs(bright - expected).max() <= 1
    grey = np.full((200, 200, 3), 128, np.uint8)
    noisy, _ = retouched(grey, retouch_recipe("noise", noise=4.0), Draws("1"))
    assert noisy.std() == pytest.approx(4.0, rel=0.03)


def test_every_method_is_drawn(host: Pixels) -> None:
    recipe = recipe_from_mapping({"operation": "retouch"})
    small = host[:64, :64]
    drawn = set()
    for seed in range(60):
        draws = Draws(str(seed))
        retouched(small, recipe, draws)
        drawn.add(draws.values["method"])
    assert drawn == set(METHODS["retouch"])
