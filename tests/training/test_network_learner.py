"""The learner `network` from bank to artifact, its networks and their export."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from small_bank import photograph, small_bank

from tellsign.artifacts.store import open_artifact
from tellsign.errors import ArtifactError, UsageError
from tellsign.nn.runtime import network as open_network
from tellsign.training.bank import CROPS_FILE, ROWS_FILE, write_rows
from tellsign.training.recipe import load_recipe

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from tellsign.cli.main import cli  # noqa: E402
from tellsign.training.export import to_onnx  # noqa: E402
from tellsign.training.learners.network import Settings, crop_logits  # noqa: E402
from tellsign.training.networks import neighbouring_pixels, residual_network  # noqa: E402

RECIPE = """
learner = "network"
detector = "neighbouring_pixels"
version = "1"
description = "Toy."
minutes = 5
[settings]
network = "neighbouring_pixels"
steps = 30
rate = 3e-3
batch = 8
side = 64
measured_side = 64
paired = 0.5
bfloat16 = false
half = HALF
[card]
intended_use = "tests"
known_failures = ["everything"]
"""


@pytest.fixture(name="bank", scope="module")
def _bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bank")
    bank = small_bank()
    np.save(folder / CROPS_FILE, np.stack([bank.crops[i] for i in range(len(bank.rows))]))
    write_rows(folder / ROWS_FILE, bank.rows)
    return folder


def test_from_recipe_and_bank_to_an_artifact(bank: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "toy.toml"
    recipe.write_text(RECIPE.replace("HALF", "false"), "utf-8")
    arguments = ["train", str(recipe), "--data", str(bank), "--output", str(tmp_path / "out")]
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    artifact = open_artifact(tmp_path / "out" / "neighbouring_pixels-1")
    assert done.stdout.strip() == str(artifact.folder)
    table = artifact.json("measured.json")
    assert table["parity"] < 1e-3
    assert {m["group"] for m in table["measured"]} == {"stylegan2_vishruit"}
    assert all(
        m["auc"] == m["auc_low"] == 1.0 for m in table["measured"]
    )  # cells of 2 x 2 are plain to see
    card = artifact.card
    assert "norm 1.000 [1.000, 1.000] / 1.000 [1.000, 1.000]" in card.summary
    assert "stylegan2_vishruit" not in card.training_data
    assert "reconstructions by vae 2" in card.training_data
    assert str(tmp_path) not in (artifact.folder / "card.toml").read_text("utf-8")


def test_half_precision_weights_take_half_the_room(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = neighbouring_pixels.build(None)
    example = torch.from_numpy(
        np.stack([photograph(np.random.default_rng(i)) for i in range(3)]).astype(np.float32)
    ).permute(0, 3, 1, 2)[:, :, :64, :64]
    exact = to_onnx(network, example, tmp_path / "a.onnx")
    rounded = to_onnx(network, example, tmp_path / "b.onnx", half=True)
    sizes = [(tmp_path / name).stat().st_size for name in ("a.onnx", "b.onnx")]
    assert exact < 1e-4
    assert exact < rounded < 0.05
    assert sizes[1] < 0.6 * sizes[0]
    out = open_network(tmp_path / "b.onnx").run(example.numpy())
    assert out.shape == (3, 2, 2)
    operators = {node.op_type for node in onnx.load(str(tmp_path / "a.onnx")).graph.node}
    assert "BatchNormalization" not in operators  # folded


def test_a_shift_by_one_pixel_hardly_moves_the_logit() -> None:
    """No corner of a cell is preferred: with cells of 2 x 2 the shift changes their phase."""
    torch.manual_seed(0)
    network = neighbouring_pixels.build(None).eval()
    crop = np.repeat(np.repeat(photograph(np.random.default_rng(0))[::2, ::2], 2, 0), 2, 1)
    pixels = torch.from_numpy(crop.astype(np.float32)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        here, there, plain = (
            float(crop_logits(network, p))
            for p in (
                pixels[..., :224, :224],
                pixels[..., 1:225, 1:225],
                torch.full((1, 3, 224, 224), 99.0),
            )
        )
    assert abs(here - there) < 0.05 * abs(here - plain)


def test_differences_ignore_brightness_and_are_bounded() -> None:
    pixels = torch.rand(1, 3, 20, 20) * 200
    found = neighbouring_pixels.differences(pixels)
    assert found.shape == (1, 3 * len(neighbouring_pixels.OFFSETS), 16, 16)
    assert torch.allclose(found, neighbouring_pixels.differences(pixels + 50), atol=1e-5)
    assert found.abs().max() <= 1
    right = torch.tanh((pixels[0, 0, 2:18, 2:18] - pixels[0, 0, 2:18, 3:19]) / 8)
    assert torch.allclose(found[0, 0], right)


def test_the_backbone_takes_the_published_names(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = residual_network.ResidualNetwork()
    state = {k: v for k, v in network.state_dict().items() if not k.startswith("head")}
    weights = {**state, "_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}
    torch.save(weights, tmp_path / "w.pth")
    loaded = residual_network.build(tmp_path / "w.pth")
    assert torch.equal(loaded._conv_stem.weight, network._conv_stem.weight)
    assert (
        sum(v.numel() for k, v in state.items() if "running" not in k) == 3_371_008 + 49
    )  # one counter for each normalisation
    with torch.inference_mode():
        assert loaded.eval()(torch.zeros(1, 3, 224, 224)).shape == (1, 7, 7)


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(3)}, tmp_path / "w.pth")
    with pytest.raises(ArtifactError, match="no weights of EfficientNet"):
        residual_network.build(tmp_path / "w.pth")
    with pytest.raises(UsageError, match="--weights"):
        residual_network.build(None)
    with pytest.raises(UsageError, match="leave out"):
        neighbouring_pixels.build(tmp_path / "w.pth")


@pytest.mark.parametrize("name", ["neighbouring_pixels", "residual_network"])
def test_the_settings_of_our_recipes_are_known(name: str) -> None:
    from tellsign.training.recipe import checked

    recipe = load_recipe(name)
    assert checked(Settings, recipe.settings, name).network == name


def test_the_shipped_networks_were_exported_faithfully() -> None:
    from tellsign.artifacts.store import Store

    for name in ("neighbouring_pixels", "residual_network"):
        artifact = Store.default().get(name, "1")
        assert artifact is not None
        table = json.loads(artifact.path("measured.json").read_text("utf-8"))
        assert table["parity"] < 0.05  # of a logit
