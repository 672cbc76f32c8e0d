from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from mean_autoencoder import files
from tellsign.artifacts.store import ENVIRONMENT, forget
from tellsign.cli.main import cli
from tellsign.errors import ArtifactError, UsageError
from tellsign.training.autoencoder import install_autoencoder, is_generator

pytest.importorskip("onnx")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "mine"
    made.mkdir()
    for name, data in files(4).items():
        (made / name).write_bytes(data)
    return made


def change(folder: Path, old: str, new: str) -> None:
    path = folder / "generator.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_an_autoencoder_gets_a_card_and_nothing_else_is_taken_along(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "notes.txt").write_text("mine")
    found = install_autoencoder(folder, tmp_path / "installed")
    assert found.label == "autoencoder@1+mean4"
    assert found.card.licence_weights == "Apache-2.0"
    there = {p.name for p in found.folder.iterdir()}
    assert there == {"card.toml", "generator.toml", "encoder.onnx", "decoder.onnx"}
    assert not is_generator(found.folder)


def test_the_second_of_a_name_replaces_only_when_asked(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "installed"
    install_autoencoder(folder, root)
    with pytest.raises(UsageError, match="--replace"):
        install_autoencoder(folder, root)
    install_autoencoder(folder, root, replace=True)
    change(folder, 'name = "mean4"', 'name = "an other/one"')
    assert install_autoencoder(folder, root).label == "autoencoder@1+an.other.one"
    assert len(list(root.iterdir())) == 2


def test_another_kind_of_generator_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "enlarger.onnx").write_bytes(b"x")
    change(folder, 'kind = "autoencoder"', 'kind = "enlarger"')
    with pytest.raises(UsageError, match="kind enlarger"):
        install_autoencoder(folder, tmp_path / "installed")


def test_networks_that_draw_something_else_are_refused(folder: Path, tmp_path: Path) -> None:
    change(folder, "range = [0.0, 1.0]", "range = [0.0, 1.0]\nscale = 9.0")
    with pytest.raises(ArtifactError, match="grey levels off"):
        install_autoencoder(folder, tmp_path / "installed")


def test_networks_that_do_not_fit_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "decoder.onnx").write_bytes(files(2)["decoder.onnx"])
    with pytest.raises(ArtifactError, match="became"):
        install_autoencoder(folder, tmp_path / "installed")
    assert not (tmp_path / "installed").exists()


def test_a_network_that_wants_more_than_a_picture_is_refused(folder: Path, tmp_path: Path) -> None:
    import onnx

    model = onnx.load(str(folder / "encoder.onnx"))
    second = model.graph.input.add()
    second.CopyFrom(model.graph.input[0])
    second.name = "z"
    model.graph.node[0].input.append("z")
    model.graph.node[0].op_type = "Add"
    del model.graph.node[0].attribute[:]
    onnx.save(model, str(folder / "encoder.onnx"))
    with pytest.raises(ArtifactError, match="do not run"):
        install_autoencoder(folder, tmp_path / "installed")


def test_a_name_that_is_a_number_becomes_text(folder: Path, tmp_path: Path) -> None:
    change(folder, 'name = "mean4"', "name = 4")
    assert install_autoencoder(folder, tmp_path / "installed").label == "autoencoder@1+4"


def test_files_that_are_no_networks_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "encoder.onnx").write_bytes(b"no network")
    with pytest.raises(ArtifactError, match="encoder.onnx is no network"):
        install_autoencoder(folder, tmp_path / "installed")


def test_the_verb_installs_it_and_the_detector_uses_it(
    folder: Path, tmp_path: Path, photo_jpeg: bytes
) -> None:
    forget()
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(photo_jpeg)
    env = {ENVIRONMENT: str(tmp_path / "installed")}
    added = CliRunner().invoke(cli, ["models", "add", str(folder)], env=env)
    assert added.exit_code == 0, added.output
    assert "autoencoder@1+mean4" in added.stdout
    asked = ["examine", "--json", "--detector", "reconstruction_error", str(photo)]
    told = CliRunner().invoke(cli, asked, env=env)
    (found,) = json.loads(told.stdout)["outcomes"]
    assert found["kind"] == "evidence"
    assert found["findings"][0]["values"]["autoencoder"] == "autoencoder@1+mean4"
