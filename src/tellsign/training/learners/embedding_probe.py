"""Tune the middle blocks of a CLIP tower and fit the head of `embedding_probe`."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's own name
from numpy.typing import NDArray
from torch import Tensor, nn

from tellsign.errors import UsageError
from tellsign.nn.runtime import Network, network
from tellsign.training import heldout
from tellsign.training.augment import Augmentation, central
from tellsign.training.bank import Bank
from tellsign.training.export import OPSET
from tellsign.training.fit import Batch, Schedule, bank_draw, predict
from tellsign.training.fit import fit as run_loop
from tellsign.training.head import HEAD_FILE, MEMORY_FILE, Head, condensed
from tellsign.training.heldout import REPORTED, means, measure
from tellsign.training.networks.embedding_probe import Described, EmbeddingProbe
from tellsign.training.quantise import quantise
from tellsign.training.recipe import Job, write_whole
from tellsign.training.sampling import BalancedSampler
from tellsign.training.selection import choose_held_out, evenly

SIDE = 224
PARITY_CROPS = 64
REMEMBERED = 2000  # rows of the memory
PER_GROUP = 100  # of one group at most
CHECKED_CROPS = 16  # of each held-out group and condition at most, while training
MEASURED_CROPS = 60  # the same, of what is written
DESCRIBED_CROPS = 16  # of each training group and condition, for the principal components
COMPONENTS = 128  # more would take the files above 70 MB
MEASURED_FILE = "measured.json"


@dataclass(frozen=True, slots=True)
class Settings:
    taps: tuple[int, ...]  # blocks whose output is used, counted from 0
    frozen: int  # blocks that keep the tower's weights
    size: int  # units of the last layer but one
    dropout: float
    crops: int  # of a batch
    paired: float  # share of the generated half that are reconstructions with their originals
    power: float  # of a group's size in sampling
    margin: float  # weight of the loss that ranks a reconstruction above its original
    smoothing: float  # of labels
    blur: float  # share of crops blurred once more
    jpeg: float  # share of crops compressed once more
    blend: float  # share of the tuning that stays in the tower's blocks at the end
    rate: float
    trunk: float  # factor of the rate in the tower's blocks
    decay: float
    steps: int


def fit(job: Job) -> None:
    """Train, export, quantise. Raises UsageError without the tower's ONNX file."""
    settings = job.checked(Settings)
    if job.weights is None:
        raise UsageError("embedding_probe starts from a CLIP image tower: give --weights FILE")
    torch.manual_seed(job.seed)
    net = EmbeddingProbe(settings.taps, settings.frozen, settings.size, settings.dropout)
    net.load_tower(job.weights)
    net.trained()
    numbers = job.bank.select(held_out=False)
    sampler = BalancedSampler(
        job.bank.rows, numbers, settings.crops, settings.paired, settings.power
    )
    draw = bank_draw(
        job.bank,
        sampler,
        Augmentation(side=SIDE, turn=False, blur=settings.blur, jpeg=settings.jpeg),
    )
    schedule = Schedule(
        steps=settings.steps,
        rate=settings.rate,
        decay=settings.decay,
        minutes=job.minutes,
        bfloat16=True,
        save_seconds=300,
        report_steps=20,
        check_steps=150,
    )
    sample = choose_held_out(job.bank, CHECKED_CROPS, job.seed)

    def check(network: nn.Module) -> str:
        scores = predict(network, job.bank.crops, sample, SIDE, score=score, bfloat16=True)
        found = measure([job.bank.rows[i] for i in sample], scores)
        told = means(found).items()
        return ", ".join(f"{c} AUC {a.value:.3f} TPR {t.value:.2f}" for c, (a, t) in told)

    pairs = round(settings.crops // 2 * settings.paired) if sampler.pairs else 0

    def loss(network: nn.Module, batch: Batch) -> Tensor:
        return batch_loss(network(batch.pixels)[0], batch, settings, pairs)

    state = run_loop(
        net,
        loss,
        draw,
        schedule,
        job.checkpoints,
        label=f"embedding_probe {json.dumps(list(settings.taps))}",
        seed=job.seed,
        check=check,
        slow={"blocks.": settings.trunk},
    )
    net.blend(job.weights, settings.blend)
    write(
        job,
        net,
        numbers,
        f"{state.steps} steps of {settings.crops} crops; "
        f"{settings.blend:g} of the tuning kept in the blocks",
    )


def write(job: Job, net: EmbeddingProbe, numbers: NDArray[np.int64], effort: str) -> None:
    """Export, quantise, remember some of the training crops, measure, write the card."""
    bank = job.bank
    held_out = choose_held_out(bank, MEASURED_CROPS, job.seed)
    net.eval()
    scores = predict(net, bank.crops, held_out, SIDE, score=score, bfloat16=True)
    found = measure([bank.rows[i] for i in held_out], scores)
    described = evenly(bank.rows, numbers, DESCRIBED_CROPS, job.seed, REPORTED)
    joined = predict(net, bank.crops, described, SIDE, score=lambda n, x: n(x)[1], bfloat16=True)
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / "whole.onnx"
        export(Described(net, torch.from_numpy(joined), COMPONENTS), whole)
        files = quantise(whole, job.out)
    model = network(job.out / "model.onnx")
    head = Head(
        np.eye(1, 1 + COMPONENTS)[0], 0.0, np.zeros(1 + COMPONENTS), np.ones(1 + COMPONENTS)
    )
    rng = np.random.default_rng(job.seed)
    some = rng.permutation(held_out)[:PARITY_CROPS]
    gaps = head(embedded(model, bank, some)) - predict(net, bank.crops, some, SIDE, score=score)
    kept = remembered(bank, numbers, rng)
    memory = condensed(
        embedded(model, bank, kept),
        np.array([bank.rows[i].label == 1 for i in kept], np.bool_),
        np.array([bank.rows[i].group for i in kept], np.str_),
        REMEMBERED,
        job.seed,
    )
    tables = {
        HEAD_FILE: head.to_dict(),
        MEMORY_FILE: memory.to_dict(),
        MEASURED_FILE: {"measured": heldout.as_rows(found)},
    }
    for name, table in tables.items():
        write_whole(job.out / name, (json.dumps(table) + "\n").encode())
    job.finish(
        f"{job.recipe.description}. {heldout.as_text(found)}. int8 against float32 on "
        f"{len(some)} held-out crops: mean difference of the log odds {gaps.mean():+.3f}, standard "
        f"deviation {gaps.std():.3f}. {effort}.",
        heldout.groups_text([bank.rows[i] for i in numbers]),
        [f.name for f in files] + list(tables),
        heldout.failures(found),
    )


def export(net: Described, path: Path) -> None:
    """Write float32 ONNX: crops (n, 3, 224, 224) -> logits (n, 1), embeddings (n, D)."""
    names = ["logit", "embedding"]
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own age
        torch.onnx.export(
            net.eval(),
            (torch.zeros(2, 3, SIDE, SIDE),),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=["crops"],
            output_names=names,
            dynamic_axes={k: {0: "n"} for k in ("crops", *names)},
        )


def embedded(model: Network, bank: Bank, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
    """Embeddings of the middle of crops, each run by itself as in use."""
    rows = []
    for i in numbers:
        crop = central(bank.crops[i][None], SIDE).transpose(0, 3, 1, 2)
        rows.append(model.run_all(np.ascontiguousarray(crop, np.float32))[1])
    return np.concatenate(rows)


def remembered(
    bank: Bank, numbers: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """A few crops of each group under the conditions reported, none of a reconstruction."""
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    for i in numbers:
        row = bank.rows[i]
        if row.condition in REPORTED and not row.pair:
            groups[row.group, row.label].append(int(i))
    return np.concatenate([rng.permutation(v)[:PER_GROUP] for _, v in sorted(groups.items())])


def batch_loss(logits: Tensor, batch: Batch, settings: Settings, pairs: int) -> Tensor:
    """Cross-entropy, and a ranking of each reconstruction above its own original.

    Rows i and i + n/2 of the first `pairs` rows are a reconstruction and its original.
    """
    found = logits.float()[:, 0]
    wanted = batch.labels * (1 - settings.smoothing) + settings.smoothing / 2
    value = F.binary_cross_entropy_with_logits(found, wanted)
    if pairs:
        half = len(found) // 2
        gap = found[:pairs] - found[half : half + pairs]
        value = value + settings.margin * F.softplus(-gap).mean()
    return value


def score(network: nn.Module, pixels: Tensor) -> Tensor:
    logits: Tensor = network(pixels)[0][:, 0]
    return logits
