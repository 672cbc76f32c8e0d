"""The shipped samples are what their README says."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tellsign import forge, provenance
from tellsign.forge.record import libraries
from tellsign.media import from_bytes, from_path, open_media
from tellsign.provenance.trust import load

SAMPLES = Path(__file__).resolve().parent.parent.parent / "samples"
FORGED = {
    "spliced": (("base/rocket.jpg", "base/chelsea.jpg"), 11),
    "copymoved": (("pristine.jpg",), 5),
}


@pytest.mark.parametrize("name", sorted(FORGED))
def test_forged_samples_can_be_made_again(name: str) -> None:
    record = json.loads((SAMPLES / f"{name}.json").read_text())
    media = (SAMPLES / f"{name}.jpg").read_bytes()
    assert record["output"]["sha256"] == hashlib.sha256(media).hexdigest()
    sources, seed = FORGED[name]
    recipe = forge.load_recipe(str(SAMPLES / "recipes" / f"{name}.toml"))
    opened = [from_bytes((SAMPLES / s).read_bytes(), s) for s in sources]
    forged = forge.make(recipe, opened, seed)
    mask = np.array(Image.open(SAMPLES / f"{name}.mask.png"))
    assert record["recipe_sha256"] == recipe.sha256
    assert np.array_equal(forged.mask, mask)
    if record["libraries"] == libraries():
        assert forged.media == media
    shipped = np.array(Image.open(io.BytesIO(media))).astype(int)
    # Other library versions may round otherwise, but no more than that.
    assert np.abs(shipped - forge.codec.decode(forged.media)).mean() < 0.5


def test_samples_are_small() -> None:
    sizes = {p.name: p.stat().st_size for p in SAMPLES.rglob("*") if p.is_file()}
    assert max(sizes.values()) < 250_000
    assert sum(sizes.values()) < 1_500_000


def test_the_generated_one_says_what_it_is() -> None:
    with Image.open(SAMPLES / "generated.png") as image:
        text = image.text["parameters"]  # type: ignore[attr-defined]
    assert "Sampler: Euler a" in text
    assert "no network was used" in text


def test_the_signed_ones() -> None:
    trust = load(SAMPLES / "trust" / "test-root.pem")
    signed = open_media(from_path(SAMPLES / "signed.jpg"))
    tampered = open_media(from_path(SAMPLES / "signed_tampered.jpg"))
    assert provenance.read(signed, trust).state == "trusted"
    assert provenance.read(signed).state == "valid"
    assert provenance.read(tampered, trust).state == "invalid"
    assert signed.shape == tampered.shape
    changed = np.count_nonzero(
        np.frombuffer(signed.data, np.uint8) != np.frombuffer(tampered.data, np.uint8)
    )
    assert changed == 8
    base = open_media(from_path(SAMPLES / "base" / "chelsea.jpg"))
    assert np.array_equal(signed.pixels, base.pixels)
