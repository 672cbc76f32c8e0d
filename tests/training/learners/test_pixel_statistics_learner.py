from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from noise_bank import noise_bank

from tellsign.artifacts.store import open_artifact
from tellsign.detectors.supervised.pixel_statistics import judge
from tellsign.nn.runtime import network
from tellsign.signal.patch_statistics import FEATURES
from tellsign.training.learners.pixel_statistics import gather, patches_of
from tellsign.training.recipe import load_recipe, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = load_recipe("pixel_statistics")
    quick = dataclasses.replace(recipe, settings={**recipe.settings, "steps": 40, "batch": 16})
    return run(quick, noise_bank(), tmp_path_factory.mktemp("out"))


def test_the_artifact_verifies_and_tells_apart_what_it_must(folder: Path) -> None:
    found = open_artifact(folder)
    assert {f.name for f in found.card.files} == {"model.onnx", "heldout.json"}
    assert "roll_a (pristine" in found.card.training_data
    assert "spade_coco_stuff" not in found.card.training_data
    table = json.loads((folder / "heldout.json").read_text())
    assert all(row["auc"] > 0.9 for row in table)


def test_the_network_takes_what_the_detector_gives(folder: Path) -> None:
    patches = patches_of(noise_bank(1).crops[0])
    assert patches.shape == (4, 100, 100, 3)
    assert judge(patches, network(folder / "model.onnx")).shape == (4,)


def test_patches_without_a_vote_are_left_out() -> None:
    bank = noise_bank(1)
    bank.crops[0] = 255
    bank.crops[1][:120] = 255
    rows, features, weights = gather(bank, np.arange(2))
    assert [r.picture for r in rows] == [bank.rows[1].picture] * 2
    assert features.shape == (2, FEATURES)
    assert weights.min() > 0
