"""Each toy is trained for a few steps on made-up pictures, exported, and used from its folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from PIL import Image  # noqa: E402

from tellsign.artifacts.store import open_artifact  # noqa: E402
from tellsign.errors import InputError, UsageError  # noqa: E402
from tellsign.forge.generate import read_form, reconstruct, sample  # noqa: E402
from tellsign.forge.redraw import redraw  # noqa: E402
from tellsign.training.bank import SIDE, Bank, Row  # noqa: E402
from tellsign.training.learners.toy_generator import Settings, make  # noqa: E402
from tellsign.training.recipe import (  # noqa: E402
    Recipe,
    builtin_recipes,
    checked,
    load_recipe,
    run,
)
from tellsign.training.toys import fit, pictures  # noqa: E402
from tellsign.training.toys.networks import UPSAMPLINGS, Generator, up  # noqa: E402

TINY = {"side": 16, "width": 8, "latent": 6, "batch": 4, "steps": 3}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def photographs(n: int = 24, side: int = 16) -> np.ndarray:
    return pictures.procedural(n, side, 0)


def bank() -> Bank:
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (6, SIDE, SIDE, 3), dtype=np.uint8)
    keys = [("cam", 0, "norm"), ("cam", 0, "norm"), ("cam", 0, "web"), ("gan", 1, "norm")]
    keys += [("bsds500", 0, "norm"), ("cam", 0, "norm")]
    rows = [Row(f"{g}/{i}", g, y, "photo", c, "", "") for i, (g, y, c) in enumerate(keys)]
    return Bank(crops, rows)


@pytest.mark.parametrize("kind", UPSAMPLINGS)
def test_every_up_sampling_doubles(kind: str) -> None:
    assert up(kind, 4, 6)(torch.zeros(2, 4, 5, 7)).shape == (2, 6, 10, 14)
    assert Generator(kind, 8, 6, 32)(torch.zeros(2, 6)).shape == (2, 3, 32, 32)


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(ValueError, match="no up-sampling"):
        up("magic", 1, 1)
    with pytest.raises(ValueError, match="side must be"):
        Generator("nearest", 8, 6, 48)
    with pytest.raises(UsageError, match="kind must be"):
        Settings("morph")
    with pytest.raises(UsageError, match="upsampling"):
        Settings("gan", upsampling="magic")
    with pytest.raises(UsageError, match="latest"):
        Settings("diffusion", latest=0.0)


@pytest.mark.parametrize("kind", UPSAMPLINGS)
def test_an_autoencoder_reconstructs_any_size(tmp_path: Path, kind: str) -> None:
    settings = Settings("autoencoder", upsampling=kind, **TINY)
    worst = make(settings, photographs(), tmp_path, "toy", 1, 0)
    assert worst < 1e-4
    pixels = pictures.procedural(1, 64, 1)[0][:37, :50]
    again = reconstruct(pixels, tmp_path)
    assert again.shape == pixels.shape
    assert read_form(tmp_path).multiple_of == 8


def test_a_diffusion_model_redraws_any_size_and_keeps_what_is_large(tmp_path: Path) -> None:
    settings = Settings("diffusion", latest=0.3, **{**TINY, "steps": 60, "width": 16})
    make(settings, photographs(16), tmp_path, "toy", 5, 0)
    pixels = pictures.procedural(1, 64, 1)[0][:37, :50]
    again = redraw(pixels, tmp_path, until=0.1, steps=3, seed=0)
    assert again.shape == pixels.shape
    assert not np.array_equal(again, pixels)
    small, smaller = (v[:32, :48].reshape(4, 8, 6, 8, 3).mean(axis=(1, 3)) for v in (pixels, again))
    assert np.corrcoef(small.ravel(), smaller.ravel())[0, 1] > 0.8


def test_an_autoencoder_learns(tmp_path: Path) -> None:
    pixels = photographs(8)
    errors = []
    for steps in (1, 80):
        settings = Settings("autoencoder", **{**TINY, "steps": steps, "width": 16})
        make(settings, pixels, tmp_path / str(steps), "toy", 5, 0)
        again = [reconstruct(p, tmp_path / str(steps)).astype(float) for p in pixels]
        errors.append(np.abs(np.stack(again) - pixels).mean())
    assert errors[1] < 0.7 * errors[0]


@pytest.mark.parametrize("kind", ["gan", "diffusion"])
def test_what_draws_is_reproducible(tmp_path: Path, kind: str) -> None:
    settings = Settings(kind, sampling_steps=4, **TINY)
    drawn = []
    for name in ("one", "two"):
        make(settings, photographs(), tmp_path / name, "toy", 1, 5)
        drawn.append(sample(tmp_path / name, 3, 1))
    assert drawn[0].shape == (3, 16, 16, 3)
    assert np.array_equal(*drawn)


def test_time_ends_a_training() -> None:
    rng = np.random.default_rng(0)
    assert len(list(fit.batches(photographs(), 4, 10**6, 0.0005, rng))) < 10**6
    assert next(fit.batches(photographs(), 4, 1, 1, rng)).shape == (4, 3, 16, 16)


def test_the_learner_writes_a_generator_with_a_card(tmp_path: Path) -> None:
    recipe = load_recipe("toy_gan_nearest")
    small = Recipe(
        recipe.name, recipe.learner, recipe.detector, recipe.version, "", 1.0,
        {**recipe.settings, **TINY}, recipe.card,
    )  # fmt: skip
    folder = run(small, bank(), tmp_path)
    card = open_artifact(folder).card
    assert {f.name for f in card.files} == {"generator.toml", "generator.onnx"}
    assert "cam" in card.training_data
    assert "bsds500" not in card.training_data
    assert sample(folder, 2, 0).shape == (2, 16, 16, 3)


def test_the_bank_gives_photographs_only() -> None:
    taken, groups = pictures.from_bank(bank(), 10, 32, 0)
    assert taken.shape == (3, 32, 32, 3)
    assert groups == ["cam"]
    assert len(pictures.from_bank(bank(), 2, 32, 0)[0]) == 2
    nothing = Bank(np.zeros((0, SIDE, SIDE, 3), np.uint8), [])
    with pytest.raises(InputError, match="no photographs"):
        pictures.from_bank(nothing, 2, 32, 0)


def test_every_toy_recipe_has_settings_that_hold() -> None:
    names = [n for n in builtin_recipes() if n.startswith("toy_")]
    kinds = [checked(Settings, load_recipe(n).settings, n).kind for n in names]
    assert sorted(kinds) == ["autoencoder"] * 4 + ["diffusion"] + ["gan"] * 4
    assert checked(Settings, load_recipe("fine_diffusion").settings, "fine").kind == "diffusion"


def test_crops_are_reduced_photographs(tmp_path: Path) -> None:
    grey = np.zeros((200, 300, 3), np.uint8)
    grey[:, 150:] = 200
    Image.fromarray(grey).save(tmp_path / "wide.png")
    Image.fromarray(grey[:20]).save(tmp_path / "narrow.png")
    (tmp_path / "broken.png").write_bytes(b"nothing")
    paths = pictures.photographs([tmp_path])
    cut, owners = pictures.crops(paths, 3, 32, 0)
    assert cut.shape == (3, 32, 32, 3)
    assert {paths[i].name for i in owners} == {"wide.png"}
    assert set(np.unique(cut)) >= {0, 200}
    with pytest.raises(InputError, match="no photographs"):
        pictures.photographs([tmp_path / "absent"])


def test_procedural_pictures_fall_off_like_photographs() -> None:
    made = pictures.procedural(20, 64, 3)
    assert np.array_equal(made, pictures.procedural(20, 64, 3))
    spectrum = np.abs(np.fft.rfft2(made.mean(axis=3))).mean(axis=0)
    assert spectrum[0, 2] > 5 * spectrum[0, 20]
