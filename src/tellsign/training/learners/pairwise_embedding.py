"""Learner `pairwise_embedding`: pairs first, then classes, after Hsu, Lee & Zhuang (2018).

The published notebook trains its pairs with the labels of another, independent batch, which
teaches nothing. Here a pair's label comes from the labels of its own two patches.

Writes model.onnx (pixels 0 to 255, NCHW -> logit and embedding side by side), groups.json (mean
embedding of each group trained on) and measured.json.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tellsign.training import fit as loop
from tellsign.training import heldout
from tellsign.training.augment import Augmentation, central
from tellsign.training.bank import SIDE as CROP
from tellsign.training.bank import Bank, Row
from tellsign.training.export import to_onnx
from tellsign.training.networks.pairwise_embedding import SIDE, PairwiseEmbedding, build, patches
from tellsign.training.recipe import Job, write_whole
from tellsign.training.sampling import BalancedSampler
from tellsign.training.selection import choose_held_out, evenly

MODEL, GROUPS, MEASURED = "model.onnx", "groups.json", "measured.json"
PHOTOGRAPHS = "photographs"  # all pristine groups, as one entry of groups.json
PARITY_PATCHES = 64
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Settings:
    pair_steps: int  # with the contrastive loss alone
    class_steps: int  # with cross-entropy, and the contrastive loss times `held`
    rate: float
    batch: int = 96
    blocks: int = 11  # of EfficientNet-Lite0: a place for 16 pixels
    size: int = 128  # of the embedding
    margin: float = 0.5
    held: float = 0.1  # keeps the embedding in place while the classes are learnt
    paired: float = 0.0  # share of reconstructions among the generated patches
    power: float = 0.5  # of a group's size: between all groups alike (0) and all crops (1)
    decay: float = 1e-4
    bfloat16: bool = True
    kept_back: int = 10  # every n-th picture of the groups trained on is measured instead
    per_side: int = 2  # patches along each side of a crop where scores are measured
    measured_crops: int = 40  # of each held-out group under each condition
    described_crops: int = 15  # of each group trained on, for its mean, and kept back


def fit(job: Job) -> None:
    """Pairs, classes, export, group means, held-out figures, card."""
    settings, bank = job.checked(Settings), job.bank
    torch.manual_seed(job.seed)
    network = build(job.weights, settings.blocks, settings.size)
    known = bank.select(held_out=False)
    trained, kept = kept_apart(bank.rows, known, settings.kept_back)
    steps = _train(network, job, settings, trained)
    parity = _export(network, job, bank)

    held_out = choose_held_out(bank, settings.measured_crops, job.seed)
    scores, _ = described(network, bank, held_out, settings)
    found = heldout.measure([bank.rows[i] for i in held_out], scores)
    own = evenly(bank.rows, kept, settings.described_crops, job.seed, heldout.REPORTED)
    own_scores, own_embeddings = described(network, bank, own, settings)
    own_rows = [bank.rows[i] for i in own]
    within = heldout.means(heldout.measure(own_rows, own_scores))

    shown = evenly(bank.rows, trained, settings.described_crops, job.seed, heldout.REPORTED)
    means = group_means([bank.rows[i] for i in shown], described(network, bank, shown, settings)[1])
    top = nearest_shares(own_rows, own_embeddings, means)
    _write(job, GROUPS, {name: np.round(v, 4).tolist() for name, v in sorted(means.items())})
    table = {
        "measured": heldout.as_rows(found),
        "known_generators": {c: round(v[0].value, 4) for c, v in within.items()},
        "nearest_group_is_own": {"first": top[0], "among_three": top[1], "n": top[2]},
        "parity": parity,
        "steps": steps,
    }
    _write(job, MEASURED, table)
    inside = ", ".join(f"{c} {within[c][0].value:.3f}" for c in heldout.REPORTED if c in within)
    job.finish(
        f"{job.recipe.description} {heldout.as_text(found)}. Mean AUC on other pictures of the "
        f"generators trained on: {inside}. Their own group is the nearest for {top[0]:.0%} and "
        f"among the nearest three for {top[1]:.0%} of {top[2]} crops (one of "
        f"{len(means) - 1} groups by chance). Largest difference between torch and onnxruntime: "
        f"{parity:.1e}. {steps} steps of {settings.batch} patches.",
        heldout.groups_text([bank.rows[i] for i in trained]),
        [MODEL, GROUPS, MEASURED],
        heldout.failures(found),
    )


def _train(network: nn.Module, job: Job, settings: Settings, trained: Numbers) -> int:
    sampler = BalancedSampler(
        job.bank.rows, trained, settings.batch, settings.paired, settings.power
    )
    draw = loop.bank_draw(job.bank, sampler, Augmentation(SIDE))
    total = settings.pair_steps + settings.class_steps
    done = 0
    for stage, steps, held in (
        ("pairs", settings.pair_steps, None),
        ("classes", settings.class_steps, settings.held),
    ):
        folder = job.checkpoints / stage
        folder.mkdir(parents=True, exist_ok=True)
        schedule = loop.Schedule(
            steps=steps,
            rate=settings.rate,
            decay=settings.decay,
            minutes=job.minutes * steps / total,
            bfloat16=settings.bfloat16,
        )
        label = f"{job.recipe.name} {stage} {settings} seed {job.seed}"
        loss = Objective(settings.margin, held)
        done += loop.fit(network, loss, draw, schedule, folder, label=label, seed=job.seed).steps
    return done


@dataclass(frozen=True, slots=True)
class Objective:
    """The contrastive loss alone (`held` is None), or cross-entropy plus `held` times it."""

    margin: float
    held: float | None

    def __call__(self, network: nn.Module, batch: loop.Batch) -> Tensor:
        logits, embeddings = network(batch.inputs)
        pairs = contrastive(embeddings, batch.labels, self.margin)
        if self.held is None:
            return pairs
        classes = functional.binary_cross_entropy_with_logits(logits.float(), batch.labels)
        return classes + self.held * pairs


def pair_numbers(count: int) -> tuple[Tensor, Tensor]:
    """Which patches of a batch form pairs: i with i + n/2, and neighbours within each half."""
    half = count // 2
    left = torch.arange(half)
    right = left + half
    first = torch.cat([left, left, right])
    second = torch.cat([right, left.roll(-1), right.roll(-1)])
    return first, second


def contrastive(embeddings: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Pull pairs of one class together, push others `margin` apart; both kinds weigh the same.

    Parameters
    ----------
    embeddings, labels
        (n, d) and (n,), one row for each patch: the pair labels are made of these labels alone.
    """
    first, second = pair_numbers(len(labels))
    same = (labels[first] == labels[second]).float()
    squares = ((embeddings[first] - embeddings[second]) ** 2).sum(1)
    distances = (squares + 1e-8).sqrt()  # the root's slope at 0 is infinite
    apart = functional.relu(margin - distances) ** 2
    alike_mean = (same * squares).sum() / same.sum().clamp(min=1)
    apart_mean = ((1 - same) * apart).sum() / (1 - same).sum().clamp(min=1)
    return alike_mean + apart_mean


class Exported(nn.Module):
    """(n, 3, 64, 64) -> (n, 1 + size): logit, then embedding."""

    def __init__(self, network: PairwiseEmbedding) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        logits, embeddings = self.network(pixels)
        return torch.cat([logits[:, None], embeddings], 1)


def _export(network: PairwiseEmbedding, job: Job, bank: Bank) -> float:
    numbers = np.linspace(0, len(bank.rows) - 1, PARITY_PATCHES).astype(int)
    crops = bank.take(numbers)
    example = loop.as_input(central(crops, SIDE)).contiguous()
    return to_onnx(Exported(network), example, job.out / MODEL, half=True)


def kept_apart(rows: Sequence[Row], numbers: Numbers, every: int) -> tuple[Numbers, Numbers]:
    """Split row numbers picture by picture; about one in `every` comes second.

    A picture and its reconstruction stay on the same side.
    """
    second = np.array([draw_of(min(filter(None, (r.picture, r.pair)))) % every == 0 for r in rows])
    return numbers[~second[numbers]], numbers[second[numbers]]


def draw_of(key: str) -> int:
    """A number that looks random and depends on the text alone."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")


def described(
    network: nn.Module, bank: Bank, numbers: Numbers, settings: Settings
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(k,) mean logits and (k, size) mean embeddings of crops, over an even grid of patches."""
    if not len(numbers):
        return np.empty(0, np.float32), np.empty((0, settings.size), np.float32)

    def score(trained: nn.Module, crops: Tensor) -> Tensor:
        logits, embeddings = trained(patches(crops, settings.per_side))
        both = torch.cat([logits[:, None].float(), embeddings], 1)
        return both.view(len(crops), -1, both.shape[1]).mean(1)

    rows = loop.predict(network, bank.crops, numbers, CROP, score=score, bfloat16=settings.bfloat16)
    return rows[:, 0], rows[:, 1:]


def group_means(
    rows: Sequence[Row], embeddings: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """Mean embedding of each generator, and one of all photographs.

    Reconstructions are left out: an autoencoder's round trip is no generator's picture.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        if not (row.label and row.pair):
            members[row.group if row.label else PHOTOGRAPHS].append(i)
    return {name: embeddings[chosen].mean(0) for name, chosen in members.items()}


def nearest_shares(
    rows: Sequence[Row], embeddings: NDArray[np.float32], means: dict[str, NDArray[np.float32]]
) -> tuple[float, float, int]:
    """Shares of generated crops whose own group is nearest, and among the nearest three; number."""
    names = sorted(set(means) - {PHOTOGRAPHS})
    table = np.stack([means[name] for name in names])
    places = []
    for row, embedding in zip(rows, embeddings, strict=True):
        if row.label and not row.pair and row.group in means:
            order = np.linalg.norm(table - embedding, axis=1).argsort(kind="stable")
            places.append(int(np.flatnonzero(order == names.index(row.group))[0]))
    found = np.array(places)
    if not places:
        return 0.0, 0.0, 0
    return float((found == 0).mean()), float((found < 3).mean()), len(places)


def _write(job: Job, name: str, content: object) -> None:
    write_whole(job.out / name, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())
