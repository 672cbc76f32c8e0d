"""Selection, losses and what is written of the class-split autoencoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from noise_bank import noise_bank  # noqa: E402

from tellsign.artifacts.store import open_artifact  # noqa: E402
from tellsign.errors import UsageError  # noqa: E402
from tellsign.nn.runtime import network as open_network  # noqa: E402
from tellsign.training import fit as loop  # noqa: E402
from tellsign.training.adapt import opened  # noqa: E402
from tellsign.training.bank import HELD_OUT  # noqa: E402
from tellsign.training.learners import forensic_transfer as learner  # noqa: E402
from tellsign.training.networks import forensic_transfer as net  # noqa: E402
from tellsign.training.recipe import load_recipe, run  # noqa: E402

WIDTHS = (4, 8, 8, 16)
SMALL = {
    "steps": 60,
    "rate": 5e-3,
    "batch": 16,
    "side": 64,
    "widths": WIDTHS,
    "bfloat16": False,
}


def noise(n: int, side: int = 64) -> torch.Tensor:
    return torch.from_numpy(
        np.random.default_rng(3).uniform(0, 255, (n, 3, side, side)).astype(np.float32)
    )


def test_the_residual_is_the_third_derivative() -> None:
    x = torch.arange(64.0)
    ramp = (x**3 / 1000).view(1, 1, 1, 64).expand(1, 3, 32, 64).contiguous()
    found = net.residual(ramp)
    assert found.shape == (1, 6, 32, 64)
    inner = found[..., 4:-4, 4:-4]
    torch.testing.assert_close(
        inner[:, :3].abs(), torch.full_like(inner[:, :3], 6 / 1000), atol=1e-4, rtol=0
    )
    assert inner[:, 3:].abs().max() < 1e-4  # constant down the columns
    assert net.residual(ramp.mT.contiguous())[..., 4:-4, 4:-4][:, :3].abs().max() < 1e-4


def test_content_without_detail_is_invisible() -> None:
    yy, xx = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    smooth = (40 + 0.5 * xx + 0.01 * yy**2).expand(1, 3, 64, 64)
    assert net.residual(smooth)[..., 4:-4, 4:-4].abs().max() < 1e-3


def test_the_half_of_the_other_class_is_zeroed() -> None:
    latent = torch.rand(2, net.LATENT, 4, 4) + 0.1
    kept = net.selected(latent, torch.tensor([1.0, 0.0]))
    half = net.LATENT // 2
    assert not kept[0, :half].any()
    torch.testing.assert_close(kept[0, half:], latent[0, half:])
    assert not kept[1, half:].any()
    torch.testing.assert_close(kept[1, :half], latent[1, :half])


def test_the_decoder_sees_the_selected_half_alone() -> None:
    torch.manual_seed(0)
    network = net.ForensicTransfer(WIDTHS).eval()
    latent = torch.rand(1, net.LATENT, 4, 4)
    changed = latent.clone()
    changed[:, : net.LATENT // 2] += 1
    generated, pristine = torch.ones(1), torch.zeros(1)
    decode = network.decoder
    torch.testing.assert_close(
        decode(net.selected(latent, generated)), decode(net.selected(changed, generated))
    )
    assert not torch.allclose(
        decode(net.selected(latent, pristine)), decode(net.selected(changed, pristine))
    )


def test_activations_are_maps_and_their_mean_is_that_of_the_paper() -> None:
    latent = torch.randn(3, net.LATENT, 5, 7)
    found = net.activations(latent)
    assert found.shape == (3, 2, 5, 7)  # maps, not one vector for the whole picture
    half = latent[:, net.LATENT // 2 :]
    expected = half.abs().sum((1, 2, 3)) / half[0].numel()
    torch.testing.assert_close(found[:, 1].mean((1, 2)), expected)


def test_the_activation_loss_has_levels_and_polarity() -> None:
    half = net.LATENT // 2
    perfect = torch.zeros(2, net.LATENT, 2, 2)
    perfect[0, half:] = 1  # generated
    perfect[1, :half] = 1  # pristine
    labels = torch.tensor([1.0, 0.0])
    assert float(learner.activation_loss(perfect, labels)) == 0
    assert float(learner.activation_loss(perfect, 1 - labels)) == 2
    assert float(learner.activation_loss(2 * perfect, labels)) == 1  # too active costs as well


def test_latent_and_residual_have_their_shapes() -> None:
    network = net.ForensicTransfer(WIDTHS)
    squashed, latent, decoded = network(noise(2), torch.tensor([1.0, 0.0]))
    assert squashed.shape == decoded.shape == (2, 6, 64, 64)
    assert latent.shape == (2, net.LATENT, 4, 4)
    assert latent.min() >= 0
    with pytest.raises(ValueError, match="four widths"):
        net.ForensicTransfer((8, 8))


def test_a_run_writes_an_encoder_without_its_decoder(tmp_path: Path) -> None:
    bank = noise_bank(per_cell=6)
    recipe = replace(load_recipe("forensic_transfer"), settings=SMALL)
    out = run(recipe, bank, tmp_path, seed=1)
    artifact = open_artifact(out)
    table = artifact.json("measured.json")
    assert {m["group"] for m in table["measured"]} == {"r3gan_eissayou"}
    assert {m["condition"] for m in table["measured"]} == {"norm", "web", "hard"}
    assert table["parity"] < 1e-3
    rows = noise(2, 256).numpy()
    exported = open_network(artifact.path("model.onnx")).run(rows)
    assert exported.shape == (2, 128, 16, 16)
    assert exported.min() >= 0
    whole = sum(p.numel() for p in net.ForensicTransfer(WIDTHS).parameters())
    assert artifact.path("model.onnx").stat().st_size < 4 * whole


def test_what_adaptation_starts_from_is_the_decision_of_the_paper(tmp_path: Path) -> None:
    bank = noise_bank(per_cell=6)
    recipe = replace(load_recipe("forensic_transfer"), settings={**SMALL, "steps": 5})
    artifact = open_artifact(run(recipe, bank, tmp_path, seed=1))
    head, memory = opened(artifact)
    halves = np.split(memory.rows.astype(np.float64), 2, axis=1)
    expected = halves[1].mean(axis=1) - halves[0].mean(axis=1)
    np.testing.assert_allclose(head(memory.rows), expected, atol=1e-5)
    trained = {r.group for r in bank.rows if r.group not in HELD_OUT and not r.pair}
    assert set(memory.groups) == trained
    encoder = open_network(artifact.path("model.onnx"))
    numbers = [i for i, r in enumerate(bank.rows) if r.group in trained and r.condition == "norm"]
    crops = np.stack([bank.crops[i] for i in numbers]).transpose(0, 3, 1, 2).astype(np.float32)
    means = encoder.run(crops).mean(axis=(2, 3))
    gaps = np.abs(memory.rows[:, None] - means[None]).max(axis=2).min(axis=0)
    assert gaps.max() < 1e-2  # sixteen of each group and condition would be remembered


def test_sides_must_fit_the_latent_cells(tmp_path: Path) -> None:
    recipe = replace(load_recipe("forensic_transfer"), settings={**SMALL, "side": 70})
    with pytest.raises(UsageError, match="multiples of 16"):
        run(recipe, noise_bank(1), tmp_path)


def test_the_loss_joins_activation_and_a_tenth_of_the_reconstruction() -> None:
    torch.manual_seed(0)
    network = net.ForensicTransfer(WIDTHS).eval()
    pixels, labels = noise(4), torch.tensor([1.0, 1.0, 0.0, 0.0])
    squashed, latent, decoded = network(pixels, labels)
    expected = learner.activation_loss(latent, labels) + 0.1 * (squashed - decoded).abs().mean()
    torch.testing.assert_close(
        learner.transfer_loss(network, loop.Batch(pixels, labels, ())), expected
    )
