from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from noise_bank import noise_bank, picture

from tellsign.artifacts.store import open_artifact
from tellsign.detectors.supervised import spectrum_probe
from tellsign.errors import UsageError
from tellsign.nn.runtime import network
from tellsign.signal.spectrum import log_dct
from tellsign.training.bank import Bank
from tellsign.training.learners.spectrum import RidgeProbe, gather, half_of_groups
from tellsign.training.recipe import Recipe, load_recipe, run
from tellsign.training.selection import choose


def quick() -> Recipe:
    recipe = load_recipe("spectrum_probe")
    return dataclasses.replace(recipe, settings={**recipe.settings, "steps": 6, "batch": 4})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    return run(quick(), noise_bank(), out, command="tellsign train ...")


def test_the_artifact_verifies_and_tells_its_data(folder: Path) -> None:
    found = open_artifact(folder)
    assert {f.name for f in found.card.files} == {"head.json", "model.onnx", "heldout.json"}
    assert "maker_a (generated" in found.card.training_data
    assert "r3gan_eissayou" not in found.card.training_data
    assert "r3gan_eissayou" in found.card.summary
    assert found.card.measured == "tellsign train ..."


def test_every_member_is_measured_on_held_out_groups(folder: Path) -> None:
    table = json.loads((folder / "heldout.json").read_text())
    assert set(table) == {"joined", "ridge", "network", "log-Fourier", "radial"}
    assert {row["condition"] for row in table["joined"]} == {"norm", "web", "hard"}
    assert all(row["auc"] > 0.9 for row in table["joined"])


def test_the_detector_tells_the_two_noises_apart(folder: Path) -> None:
    head = spectrum_probe.read_head(folder / "head.json")
    net = network(folder / "model.onnx")
    rng = np.random.default_rng(9)
    both = np.stack([picture(rng, kind, 128) for kind in (True, False)])
    made, taken = head.join(spectrum_probe.members(both, head, net))
    assert made > taken
    assert set(head.references) == {"norm", "web", "hard"}


def test_halves_have_both_labels_and_no_group_in_common() -> None:
    bank = noise_bank(2)
    numbers, spectra = gather(bank, choose(bank, 1, 0))
    assert len(numbers) == 4 * 3  # four groups that may be trained on, three conditions
    fold = half_of_groups(spectra)
    inside = {g for g, f in zip(spectra.groups, fold, strict=True) if f}
    outside = {g for g, f in zip(spectra.groups, fold, strict=True) if not f}
    assert not inside & outside
    assert set(spectra.labels[fold]) == set(spectra.labels[~fold]) == {0, 1}


def test_banks_that_are_joined_give_the_same_spectra() -> None:
    whole = noise_bank(2)
    half = len(whole.rows) // 2
    parts = [Bank(whole.crops[a:b], whole.rows[a:b]) for a, b in ((0, half), (half, None))]
    numbers = choose(whole, 1, 0)
    (_, one), (_, joined) = gather(whole, numbers), gather(Bank.join(parts), numbers)
    assert np.array_equal(one.dct, joined.dct)
    assert np.array_equal(one.radial, joined.radial)


def test_the_ridge_probe_works_on_arrays() -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(40) % 2
    crops = np.stack([picture(rng, bool(y), 128) for y in labels])
    probe = RidgeProbe.fit(log_dct(crops[:20]), labels[:20])
    assert ((probe.score(log_dct(crops[20:])) > 0) == labels[20:]).all()


def test_unknown_settings_are_refused(tmp_path: Path) -> None:
    recipe = dataclasses.replace(quick(), settings={"stepz": 3})
    with pytest.raises(UsageError, match="stepz"):
        run(recipe, noise_bank(1), tmp_path)
