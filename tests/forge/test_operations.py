"""What holds for every operation: exact masks, equal bytes, twins that share all else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import pytest

from tellsign import forge
from tellsign.errors import ForgeError, LimitExceeded, MalformedMedia, UsageError
from tellsign.forge.codec import decode, encode_png, jpeg_facts
from tellsign.forge.recipe import recipe_from_mapping
from tellsign.forge.scene import Scene, render
from tellsign.media import from_bytes
from tellsign.types import Source

RECIPES = forge.builtin_recipes()


def wanted(recipe: forge.Recipe, sources: Sequence[Source]) -> Sequence[Source]:
    return sources[: recipe.sources]


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("seed", range(6))
def test_nothing_changes_outside_the_mask(
    name: str, seed: int, sources: tuple[Source, Source]
) -> None:
    recipe = forge.load_recipe(name)
    forged, twin = forge.make_pair(recipe, wanted(recipe, sources), seed)
    outside = forged.mask != forge.ALTERED
    assert np.array_equal(forged.pixels[outside], twin.pixels[outside])
    assert np.array_equal(forged.before, twin.pixels)
    if name == "double_jpeg_whole":
        assert not forged.mask.any()
        return
    changed = (forged.pixels != twin.pixels).any(axis=2)
    inside = ~outside
    assert set(np.unique(forged.mask)) <= {0, forge.COPIED_FROM, forge.ALTERED}
    # A median leaves many pixels of a flat part as they are; nothing else leaves half.
    assert changed[inside].mean() > (0.05 if name == "retouch" else 0.5)
    assert 0.003 < inside.mean() < 0.5


@pytest.mark.parametrize("name", RECIPES)
def test_the_same_bytes_again(name: str, sources: tuple[Source, Source]) -> None:
    recipe = forge.load_recipe(name)
    given = wanted(recipe, sources)
    first, again = forge.make(recipe, given, 3), forge.make(recipe, given, 3)
    assert first.media == again.media
    assert np.array_equal(first.mask, again.mask)
    assert first.record == again.record
    assert forge.make(recipe, given, 4).media != first.media


@pytest.mark.parametrize("name", RECIPES)
def test_the_record_is_json_and_states_what_was_written(
    name: str, sources: tuple[Source, Source]
) -> None:
    recipe = forge.load_recipe(name)
    forged = forge.make(recipe, wanted(recipe, sources), 5)
    record = json.loads(json.dumps(forged.record))
    assert record == forged.record
    assert record["output"]["sha256"] == hashlib.sha256(forged.media).hexdigest()
    assert (record["output"]["height"], record["output"]["width"]) == forged.mask.shape
    assert [s["sha256"] for s in record["sources"]] == [s.sha256 for s in wanted(recipe, sources)]
    share = (forged.mask == forge.ALTERED).mean()
    assert record["mask"]["altered_share"] == pytest.approx(share, abs=1e-6)
    last = record["steps"][-1]
    assert last["step"] == forged.format == "jpeg"
    assert (jpeg_facts(forged.media)[0][0] == forge.codec.ijg_table(last["quality"])).all()
    assert recipe.quality[0] <= last["quality"] <= recipe.quality[1]


def test_the_twin_has_the_same_save_and_an_empty_mask(sources: tuple[Source, Source]) -> None:
    recipe = forge.load_recipe("copy_move")
    forged, twin = forge.make_pair(recipe, sources[:1], 2)
    assert not twin.mask.any()
    assert twin.record["steps"] == forged.record["steps"][-1:]
    assert np.array_equal(twin.pixels, decode(sources[0].uri))  # type: ignore[arg-type]
    assert forge.make(recipe, sources[:1], 2).media == forged.media


def test_a_png_holds_the_exact_pixels(sources: tuple[Source, Source]) -> None:
    recipe = recipe_from_mapping({"operation": "retouch", "format": "png"})
    forged = forge.make(recipe, sources[:1], 1)
    assert forged.format == "png"
    assert np.array_equal(decode(forged.media), forged.pixels)


def test_a_host_can_be_given_a_history(donor: np.ndarray) -> None:
    source = from_bytes(encode_png(donor), "d.png")
    values = {"operation": "retouch", "host_quality": 60, "reduce": 0.5, "format": "png"}
    forged = forge.make(recipe_from_mapping(values), [source], 1)
    assert [s["step"] for s in forged.record["steps"]][:2] == ["reduce", "host jpeg"]
    assert forged.mask.shape == (donor.shape[0] // 2, donor.shape[1] // 2)


def test_the_wrong_number_of_sources(sources: tuple[Source, Source]) -> None:
    with pytest.raises(UsageError, match="takes two sources, host and donor; got 1"):
        forge.make(forge.load_recipe("splice"), sources[:1], 1)
    with pytest.raises(UsageError, match="takes one source; got 2"):
        forge.make(forge.load_recipe("inpaint"), sources, 1)


def test_pictures_that_cannot_be_forged_in() -> None:
    recipe = forge.load_recipe("copy_move")
    with pytest.raises(LimitExceeded):
        forge.make(recipe, [from_bytes(encode_png(np.zeros((1, 1, 3), np.uint8)), "dot")], 1)
    tiny = from_bytes(encode_png(np.zeros((40, 300, 3), np.uint8)), "tiny.png")
    with pytest.raises(ForgeError, match=r"tiny\.png: recipe 'copy_move': a picture of 300 x 40"):
        forge.make(recipe, [tiny], 1)
    with pytest.raises(MalformedMedia):
        forge.make(recipe, [from_bytes(encode_png(np.zeros((99, 99, 3), np.uint8))[:60], "x")], 1)


@pytest.mark.parametrize("name", RECIPES)
def test_grey_and_constant_pictures(name: str) -> None:
    recipe = forge.load_recipe(name)
    grey = from_bytes(encode_png(render(Scene(width=200, height=160), 3)[..., 0]), "grey.png")
    flat = from_bytes(encode_png(np.full((160, 200, 3), 77, np.uint8)), "flat.png")
    for host in (grey, flat):
        forged = forge.make(recipe, [host, grey][: recipe.sources], 1)
        assert forged.pixels.shape == (*forged.mask.shape, 3)
