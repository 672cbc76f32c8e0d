from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from small_bank import small_bank

from tellsign.errors import ArtifactError, UsageError

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from tellsign.training import fit as loop  # noqa: E402
from tellsign.training.augment import Augmentation  # noqa: E402
from tellsign.training.sampling import BalancedSampler  # noqa: E402

TRUTH = torch.tensor([2.0, -1.0, 0.5])


def drawn(rng: np.random.Generator) -> loop.Batch:
    pixels = torch.from_numpy(rng.normal(size=(16, 3, 1, 1)).astype(np.float32))
    return loop.Batch(pixels, (pixels[:, :, 0, 0] @ TRUTH > 0).float(), ())


def loss(network: nn.Module, batch: loop.Batch) -> Tensor:
    logits = network(batch.inputs)[:, 0, 0, 0]
    return nn.functional.binary_cross_entropy_with_logits(logits, batch.labels)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Conv2d(3, 1, 1)


def train(steps: int, folder: Path, *, label: str = "toy", seed: int = 5) -> tuple[Tensor, int]:
    trained = network()
    schedule = loop.Schedule(steps=steps, rate=0.05, report_steps=20)
    state = loop.fit(trained, loss, drawn, schedule, folder, label=label, seed=seed)
    return trained.weight.detach().flatten().clone(), state.steps


def test_it_learns(tmp_path: Path) -> None:
    weight, steps = train(150, tmp_path)
    assert steps == 150
    assert float(torch.cosine_similarity(weight, TRUTH, dim=0)) > 0.98


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    first, second, other = (tmp_path / name for name in "abc")
    for folder in (first, second, other):
        folder.mkdir()
    weights = train(30, first)[0]
    assert torch.equal(weights, train(30, second)[0])
    assert not torch.equal(weights, train(30, other, seed=6)[0])


def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    expected, _ = train(40, whole)
    calls = 0

    def dying(rng: np.random.Generator) -> loop.Batch:
        nonlocal calls
        calls += 1
        if calls > 17:
            raise KeyboardInterrupt
        return drawn(rng)

    schedule = loop.Schedule(steps=40, rate=0.05, save_seconds=0.0)
    with pytest.raises(KeyboardInterrupt):
        loop.fit(network(), loss, dying, schedule, broken, label="toy", seed=5)
    resumed, _ = train(40, broken)
    assert torch.equal(resumed, expected)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    train(3, tmp_path)
    with pytest.raises(UsageError, match="checkpoint of 'toy'"):
        train(3, tmp_path, label="other")
    (tmp_path / loop.CHECKPOINT).write_bytes(b"no weights")
    with pytest.raises(ArtifactError, match="no weights"):
        train(3, tmp_path)


def test_the_clock_ends_a_run(tmp_path: Path) -> None:
    schedule = loop.Schedule(steps=10**9, rate=0.05, minutes=0.005)
    state = loop.fit(network(), loss, drawn, schedule, tmp_path, label="toy", seed=0)
    assert 0 < state.steps < 10**9
    assert 0.3 <= state.seconds < 5
    assert math.isfinite(state.loss)


def test_checks_see_the_network_in_evaluation_mode(tmp_path: Path) -> None:
    modes = []

    def check(trained: nn.Module) -> str:
        modes.append(trained.training)
        return "seen"

    schedule = loop.Schedule(steps=6, rate=0.05, check_steps=2)
    trained = network()
    loop.fit(trained, loss, drawn, schedule, tmp_path, label="toy", seed=0, check=check)
    assert modes == [False, False, False]
    assert not trained.training


def test_batches_of_a_bank_keep_crop_and_label_together() -> None:
    bank = small_bank()
    sampler = BalancedSampler(bank.rows, bank.select(held_out=False), 8, paired=0.5)
    batch = loop.bank_draw(bank, sampler, Augmentation(64))(np.random.default_rng(1))
    assert batch.inputs.shape == (8, 3, 64, 64)
    assert batch.inputs.max() > 100  # grey levels, not shares
    assert batch.labels.tolist() == [float(r.label) for r in batch.rows]
    # In cells of 2 x 2 half of all neighbours are equal; in noise one in some twenty.
    equal = (batch.inputs.diff(dim=-1) == 0).float().mean(dim=(1, 2, 3))
    assert (equal[:4] > 0.4).all()
    assert (equal[4:] < 0.2).all()


def test_scores_come_in_the_order_asked() -> None:
    crops = np.stack([np.full((256, 256, 3), level, np.uint8) for level in range(0, 200, 20)])
    numbers = np.array([7, 2, 5])

    def mean(_: nn.Module, pixels: Tensor) -> Tensor:
        return pixels.mean(dim=(1, 2, 3))

    scores = loop.predict(network(), crops, numbers, 64, score=mean, size=2)
    assert scores.tolist() == [140.0, 40.0, 100.0]
    assert loop.predict(network(), crops, numbers[:0], 64, score=mean).shape == (0,)
