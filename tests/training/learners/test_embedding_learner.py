"""Descriptions of crops by the tower, and the head that is trained on them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from noise_bank import noise_bank  # noqa: E402
from torch.nn import functional  # noqa: E402

from tellsign.artifacts.store import open_artifact  # noqa: E402
from tellsign.errors import UsageError  # noqa: E402
from tellsign.forge import derive_seed  # noqa: E402
from tellsign.nn.runtime import Network  # noqa: E402
from tellsign.training import parts  # noqa: E402
from tellsign.training.augment import Augmentation  # noqa: E402
from tellsign.training.bank import Bank, Row  # noqa: E402
from tellsign.training.fit import Batch  # noqa: E402
from tellsign.training.learners import embedding_probe as learner  # noqa: E402
from tellsign.training.networks import embedding_probe as net  # noqa: E402
from tellsign.training.recipe import Job, Recipe, load_recipe, run  # noqa: E402

SMALL = {
    "taps": (0, 1),
    "size": 8,
    "heads": 2,
    "draws": 2,
    "parts": 1,
    "batch": 16,
    "steps": 30,
    "jpeg": 0.5,
    "blur": 0.5,
}


@pytest.fixture
def tower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that stands for the tower; its blocks are drawn at random."""

    def drawn(trunk: net.Trunk, path: Path) -> None:
        torch.manual_seed(5)
        for parameter in trunk.parameters():
            torch.nn.init.normal_(parameter, 0.0, 0.05)
        trunk.requires_grad_(False)

    monkeypatch.setattr(net.Trunk, "load_tower", drawn)
    monkeypatch.setattr(learner, "COMPONENTS", 4)
    path = tmp_path / "tower.onnx"
    path.write_bytes(b"tower")
    return path


def small_recipe(**settings: object) -> Recipe:
    recipe = load_recipe("embedding_probe")
    return replace(recipe, settings={**recipe.settings, **SMALL, **settings})


def job(folder: Path, bank: Bank, tower: Path, **settings: object) -> tuple[Job, learner.Settings]:
    recipe = small_recipe(**settings)
    made = Job(recipe, bank, folder, folder, 0, 5.0, tower)
    return made, made.checked(learner.Settings)


def described_by(made: Job, tower: Path) -> Network:
    trunk = net.Trunk((0, 1))
    trunk.load_tower(tower)
    return learner.quantised(trunk, made)


def paired_bank() -> Bank:
    """The same crop as original and as its reconstruction, and a held-out crop."""
    crop = noise_bank(1).crops[0]
    rows = [
        Row("1-again", "roll_a", 1, "photo", "norm", "1-original", "ae"),
        Row("1-original", "roll_a", 0, "photo", "norm", "1-again", ""),
        Row("other", "roll_a", 0, "photo", "norm", "", ""),
        Row("kept", "r3gan_eissayou", 1, "photo", "norm", "", ""),
    ]
    return Bank(np.stack([crop] * 4), rows)


def test_pairs_are_augmented_alike_and_anew_in_each_draw(tmp_path: Path, tower: Path) -> None:
    made, settings = job(tmp_path, paired_bank(), tower, jpeg=1.0, blur=1.0)
    first, second = learner.describe(described_by(made, tower), made, settings)
    every = np.arange(4)
    a, b = first.rows(every), second.rows(every)
    assert a.shape == (4, 2, 2 * net.WIDTH)
    assert np.array_equal(a[0], a[1])
    assert np.array_equal(b[0], b[1])
    assert not np.array_equal(a[0], a[2])
    assert not np.array_equal(a[0], b[0])


def test_crops_are_described_by_the_tower_in_int8(tmp_path: Path, tower: Path) -> None:
    """As exported, not as it was trained: close to float32, but not the same."""
    made, settings = job(tmp_path, paired_bank(), tower, jpeg=0.0, blur=0.0, draws=1)
    trunk = net.Trunk((0, 1))
    trunk.load_tower(tower)
    (found,) = learner.describe(learner.quantised(trunk, made), made, settings)
    rng = np.random.default_rng(derive_seed(0, "0", "other/norm/0"))
    crop = Augmentation(side=224, turn=False).one(np.asarray(made.bank.crops[2]), rng)
    with torch.no_grad():
        wanted = trunk(torch.from_numpy(crop.copy()).permute(2, 0, 1)[None].float())[0].numpy()
    told = found.rows(np.array([2]))[0]
    assert np.allclose(told, wanted, atol=0.05, rtol=0.05)
    assert not np.allclose(told, wanted, atol=1e-4, rtol=1e-4)


def test_what_is_described_once_is_kept_and_a_longer_bank_goes_on(
    tmp_path: Path, tower: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner, "PART", 2)
    whole = paired_bank()
    short = Bank(whole.crops[:2], whole.rows[:2])
    made, settings = job(tmp_path, short, tower, draws=1)
    described = described_by(made, tower)
    learner.describe(described, made, settings)
    (file,) = tmp_path.glob("described-0-*.npy")
    stamp = file.stat().st_mtime_ns
    made, settings = job(tmp_path, whole, tower, draws=1)
    (found,) = learner.describe(described, made, settings)
    assert file.stat().st_mtime_ns == stamp
    assert len(list(tmp_path.glob("described-0-*.npy"))) == 2
    assert found.rows(np.array([3, 0])).shape == (2, 2, 2 * net.WIDTH)
    changed, settings = job(tmp_path, short, tower, draws=1, blur=0.9)
    learner.describe(described, changed, settings)
    assert len(list(tmp_path.glob("described-0-*.npy"))) == 3
    other = Bank(255 - np.asarray(short.crops), short.rows)  # the same rows, cut anew
    recut, settings = job(tmp_path, other, tower, draws=1)
    learner.describe(described, recut, settings)
    assert len(list(tmp_path.glob("described-0-*.npy"))) == 4


def test_an_artifact_from_nothing_but_noise(tmp_path: Path, tower: Path) -> None:
    folder = run(small_recipe(), noise_bank(8), tmp_path / "out", weights=tower, minutes=5.0)
    artifact = open_artifact(folder)
    assert artifact.card.detector == "embedding_probe"
    summary = artifact.card.summary
    assert "2 heads, 30 + 30 steps of 16 crops, each described 2 times" in summary
    (gap,) = re.findall(r"on 64 crops: (\S+)\. 2 heads", summary)
    assert float(gap) < 0.01
    assert {"model.onnx", "head.json", "memory.json"} <= {f.name for f in artifact.card.files}
    assert "r3gan_eissayou" in artifact.card.training_data


def test_each_part_of_the_groups_is_left_out_of_one_fit(tmp_path: Path, tower: Path) -> None:
    bank = noise_bank(8)
    folder = run(small_recipe(), bank, tmp_path / "out", weights=tower, minutes=5.0)
    dealt = parts.read(tmp_path / "out" / parts.FOLDER)
    assert dealt
    for number, part in enumerate(dealt):
        own = open_artifact(tmp_path / "out" / parts.FOLDER / str(number) / folder.name)
        assert not any(group in own.card.training_data for group in part)
        measured = {row["group"] for row in own.json("measured.json")["measured"]}
        assert measured == {r.group for r in bank.rows if r.group in part and r.label}
        assert not set(own.json("memory.json")["groups"]) & part
    every = {row["group"] for row in open_artifact(folder).json("measured.json")["measured"]}
    assert every == {r.group for r in bank.rows if r.label and r.group in frozenset().union(*dealt)}


def test_without_the_tower_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give --weights"):
        run(load_recipe("embedding_probe"), noise_bank(2), tmp_path)


def test_smoothing_draws_labels_towards_one_half() -> None:
    batch = Batch(torch.zeros(2, 1), torch.tensor([1.0, 0.0]), ())
    logits = torch.tensor([[2.0], [-1.0]])
    wanted = functional.binary_cross_entropy_with_logits(logits[:, 0], torch.tensor([0.9, 0.1]))
    assert float(learner.batch_loss(logits, batch, 0.2)) == pytest.approx(float(wanted))
