"""What is averaged, what is left out, and how held-out groups are told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tellsign.artifacts.store import open_artifact
from tellsign.errors import UsageError
from tellsign.signal.fingerprint import Fingerprints
from tellsign.training.bank import SIDE, Bank, Row
from tellsign.training.learners import generator_fingerprint as learner
from tellsign.training.learners.generator_fingerprint import UNKNOWN, Settings
from tellsign.training.recipe import CardText, Recipe, load_recipe, run

FAMILIES = {"two": ["gen_a", "gen_b"], "three": ["gen_c"], "absent": ["gen_z"]}
HELD_OUT = {"stylegan2_vishruit": "two", "r3gan_eissayou": UNKNOWN}
PERIODS = {"gen_a": 2, "gen_b": 2, "gen_c": 3, "stylegan2_vishruit": 2, "r3gan_eissayou": 7}


def crop(rng: np.random.Generator, period: int) -> np.ndarray:
    slow = np.cumsum(rng.normal(0, 1, (SIDE, 1, 1)), 0) + np.cumsum(
        rng.normal(0, 1, (1, SIDE, 1)), 1
    )
    pixels = 128 + slow + rng.normal(0, 3, (SIDE, SIDE, 3))
    if period:
        rows, columns = np.mgrid[:SIDE, :SIDE] % period
        pixels += np.where((rows == 0) ^ (columns == 0), 5.0, 0.0)[..., None]
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def bank(pristine: bool = True) -> Bank:
    rng = np.random.default_rng(0)
    crops, rows = [], []
    groups = {**PERIODS, **({"cam": 0, "phone": 0, "bsds500": 0} if pristine else {})}
    for group, period in groups.items():
        for i in range(20 if group != "gen_a" else 12):
            crops.append(crop(rng, period))
            rows.append(Row(f"{group}/{i}", group, int(period > 0), "photo", "norm", "", ""))
    # Neither another condition nor a reconstruction may enter.
    for condition, maker in (("hard", ""), ("norm", "vae")):
        crops.append(crop(rng, 5))
        rows.append(Row(f"gen_c/{condition}", "gen_c", 1, "photo", condition, "", maker))
    return Bank(np.stack(crops), rows)


def recipe() -> Recipe:
    settings = {"families": FAMILIES, "held_out": HELD_OUT, "open_set_percentile": 95.0}
    card = CardText("tests", ("all else",))
    name = "generator_fingerprint"
    return Recipe(name, name, name, "1", "", 1.0, settings, card)


def test_it_writes_fingerprints_and_what_they_are_worth(tmp_path: Path) -> None:
    folder = run(recipe(), bank(), tmp_path)
    artifact = open_artifact(folder)
    head = artifact.json("head.json")
    prints = Fingerprints.from_dict(head)
    assert prints.names == ("three", "two")
    assert head["open_set_percentile"] == 95
    rows = {r["group"]: r for r in json.loads((folder / "measured.json").read_text())}
    assert rows["stylegan2_vishruit"]["right"] == 1.0
    assert rows["stylegan2_vishruit"]["n"] == 20
    assert rows["bsds500"]["family"] == UNKNOWN
    assert rows["bsds500"]["right"] > 0.7
    assert "two (32 pictures)" in artifact.card.training_data
    assert "three (20 pictures)" in artifact.card.training_data
    assert "stylegan2_vishruit: two 1.000" in artifact.card.summary


def test_crops_of_a_picture_are_averaged() -> None:
    made = bank()
    twice = Bank(np.concatenate([made.crops[:1]] * 2), [made.rows[0]] * 2)
    (seen,) = learner.pictures(twice, np.arange(2), ("norm",))
    (once,) = learner.pictures(made, np.arange(1), ("norm",))
    assert np.allclose(seen.features, once.features)
    assert (seen.group, seen.label) == ("gen_a", 1)


def test_groups_count_alike() -> None:
    rng = np.random.default_rng(0)
    seen = [learner.Seen("big", 1, "norm", np.zeros(2, np.float32))] * 9
    seen.append(learner.Seen("small", 1, "norm", np.ones(2, np.float32)))
    assert learner.balanced(seen, rng).mean() == 0.5


def test_what_cannot_be_fitted_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no photographs"):
        run(recipe(), bank(pristine=False), tmp_path)
    with pytest.raises(UsageError, match="is empty"):
        Settings({}, {})
    with pytest.raises(UsageError, match="no family four"):
        Settings({"two": ["a"]}, {"b": "four"})


def test_the_recipe_that_comes_with_tellsign_holds() -> None:
    from tellsign.training.bank import HELD_OUT as KEPT
    from tellsign.training.recipe import checked

    settings = checked(Settings, load_recipe("generator_fingerprint").settings, "recipe")
    trained = {g for groups in settings.families.values() for g in groups}
    assert not trained & KEPT
    assert set(settings.held_out) <= KEPT
