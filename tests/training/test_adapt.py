from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from banded_pictures import pictures, read_bands
from toy_probe import NEW, artifact, base_head

from tellsign.artifacts.store import ENVIRONMENT, Artifact, Store, open_artifact
from tellsign.calibration.stored import calibration_for
from tellsign.errors import ArtifactError, UsageError
from tellsign.training.adapt import Adapted, adapt
from tellsign.training.head import Head, Memory
from tellsign.types import Source

Given = tuple[list[Source], list[Source]]


@pytest.fixture(scope="module")
def given() -> Given:
    return pictures(1, 20, generated=True), pictures(2, 20, generated=False)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return artifact(tmp_path_factory.mktemp("base"), more={"model.onnx": b"stands for a network"})


@pytest.fixture(scope="module")
def adapted(base: Artifact, given: Given, tmp_path_factory: pytest.TempPathFactory) -> Adapted:
    out = tmp_path_factory.mktemp("mine")
    return adapt(*given, base, out, name="toygan", embed=read_bands)


def test_twenty_examples_suffice(adapted: Adapted) -> None:
    assert (adapted.examples, adapted.pristine) == (20, 20)
    assert adapted.after.auc > adapted.before.auc + 0.2
    assert adapted.after.tpr >= min(0.9, adapted.before.tpr + 0.2)
    assert adapted.elsewhere_after >= adapted.elsewhere_before - 0.01
    assert adapted.seconds < 60
    assert not adapted.forced


def test_the_head_found_the_right_number_and_kept_the_old_ones(adapted: Adapted) -> None:
    change = Head.from_dict(adapted.artifact.json("head.json")).weight - base_head().weight
    assert int(change.argmax()) == NEW
    assert np.abs(np.delete(change, NEW)).max() < 0.5 * change[NEW]


def test_the_result_is_an_artifact_like_any_other(adapted: Adapted, base: Artifact) -> None:
    again = open_artifact(adapted.artifact.folder)
    assert again.label == base.label
    assert again.path("model.onnx").read_bytes() == base.path("model.onnx").read_bytes()
    assert "toygan" in again.card.summary
    assert "20 pictures of toygan and 20 photographs" in again.card.training_data
    assert len(again.card.known_failures) == len(base.card.known_failures) + 1


def test_it_stands_in_for_the_base(
    adapted: Adapted, base: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store((adapted.artifact.folder.parent, base.folder.parent))
    found = store.get("embedding_probe", "1")
    assert found is not None
    assert found.sha256 == adapted.artifact.sha256
    monkeypatch.setenv(ENVIRONMENT, str(adapted.artifact.folder.parent))
    default = Store.default().get("embedding_probe", "1")
    assert default is not None
    assert default.sha256 == adapted.artifact.sha256


def test_its_calibration_is_its_own_and_speaks_of_the_new_generator(
    adapted: Adapted, base: Artifact
) -> None:
    new = calibration_for("embedding_probe", "1", Store((adapted.artifact.folder.parent,)))
    old = calibration_for("embedding_probe", "1", Store((base.folder.parent,)))
    assert new is not None
    assert old is not None
    assert new.digest != old.digest
    assert new.strata["jpeg-q50-74"].n_for == old.strata["jpeg-q50-74"].n_for + 20
    head = Head.from_dict(adapted.artifact.json("head.json"))
    row = np.zeros((1, 12))
    row[0, NEW] = 3.5
    assert new.strata["jpeg-q50-74"].curve(float(head(row)[0]))[0] > 0.3


def test_the_new_generator_joins_the_memory(adapted: Adapted, base: Artifact) -> None:
    held = Memory.from_dict(adapted.artifact.json("memory.json"))
    before = Memory.from_dict(base.json("memory.json"))
    added = set(held.groups) - set(before.groups)
    assert added == {"adapted:toygan", "adapted:toygan:pristine"}
    assert len(held.rows) > len(before.rows)


def test_an_adapted_artifact_can_be_adapted_again(
    adapted: Adapted, given: Given, tmp_path: Path
) -> None:
    again = adapt(*given, adapted.artifact, tmp_path, name="second", embed=read_bands)
    held = Memory.from_dict(again.artifact.json("memory.json"))
    assert {"adapted:toygan", "adapted:second"} <= set(held.groups)
    head = Head.from_dict(again.artifact.json("head.json"))
    row = np.zeros((1, 12))
    row[0, NEW] = 3.5
    assert head(row)[0] > head(np.zeros((1, 12)))[0] + 1


def test_the_figures_are_json(adapted: Adapted) -> None:
    told = json.loads(json.dumps(adapted.to_dict()))
    assert told["artifact"] == "embedding_probe@1"
    assert told["after"]["auc"] == adapted.after.auc


def test_a_head_that_forgets_is_not_written_unless_named(
    base: Artifact, given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Below any loss there can be, so that every head counts as forgetting.
    monkeypatch.setattr("tellsign.training.refit.TOLERATED", -2.0)
    with pytest.raises(ArtifactError, match="--force embedding_probe"):
        adapt(*given, base, tmp_path, embed=read_bands)
    with pytest.raises(ArtifactError, match="not written"):
        adapt(*given, base, tmp_path, embed=read_bands, force="another")
    assert not list(tmp_path.iterdir())
    forced = adapt(*given, base, tmp_path, embed=read_bands, force="embedding_probe")
    assert forced.forced
    assert any("Written by force" in text for text in forced.artifact.card.known_failures)


def test_too_few_examples_are_refused(base: Artifact, given: Given, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="9 usable examples"):
        adapt(given[0][:9], given[1], base, tmp_path, embed=read_bands)


def test_what_has_no_head_cannot_be_adapted(tmp_path: Path, given: Given) -> None:
    plain = Store.default().get("resampling", "1")
    assert plain is not None
    with pytest.raises(UsageError, match="not adaptable"):
        adapt(*given, plain, tmp_path, embed=read_bands)
