from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from noise_bank import noise_bank

from tellsign.artifacts.store import open_artifact
from tellsign.detectors.feature.periodic_spectrum import read_weights
from tellsign.training.learners.periodic import gather
from tellsign.training.recipe import load_recipe, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(load_recipe("periodic_spectrum"), noise_bank(), tmp_path_factory.mktemp("out"))


def test_the_artifact_verifies_and_tells_apart_what_it_must(folder: Path) -> None:
    found = open_artifact(folder)
    assert {f.name for f in found.card.files} == {"head.json", "heldout.json"}
    assert "maker_a (generated" in found.card.training_data
    table = json.loads((folder / "heldout.json").read_text())
    assert {row["group"] for row in table} == {"r3gan_eissayou"}
    assert all(row["auc"] > 0.9 for row in table)


def test_the_weights_are_those_of_the_detector(folder: Path) -> None:
    weights, bias = read_weights(folder / "head.json")
    assert weights.shape == (28,)
    assert np.isfinite(bias)


def test_flat_crops_are_left_out() -> None:
    bank = noise_bank(1)
    bank.crops[0] = 77
    rows, features = gather(bank, np.arange(4))
    assert len(rows) == 3
    assert features.shape == (3, 28)
