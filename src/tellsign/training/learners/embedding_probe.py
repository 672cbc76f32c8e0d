"""Fit the head of `embedding_probe` on the middle blocks of a CLIP tower that stays as it is."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's own name
from numpy.typing import NDArray
from torch import Tensor, nn

from tellsign.errors import UsageError
from tellsign.forge import derive_seed
from tellsign.nn.runtime import Network, network
from tellsign.training import head as heads
from tellsign.training import heldout
from tellsign.training.augment import Augmentation, central
from tellsign.training.bank import HELD_OUT, Bank, Row
from tellsign.training.export import OPSET
from tellsign.training.fit import Batch, Schedule, as_input, predict
from tellsign.training.fit import fit as run_loop
from tellsign.training.heldout import REPORTED, means, measure
from tellsign.training.networks.embedding_probe import WIDTH, EmbeddingProbe, Head, Shipped, Trunk
from tellsign.training.quantise import quantise
from tellsign.training.recipe import Job, write_whole
from tellsign.training.sampling import BalancedSampler
from tellsign.training.selection import choose_held_out, evenly

Floats = NDArray[np.float32]

SIDE = 224
PARITY_CROPS = 64
REMEMBERED = 2000  # rows of the memory
PER_GROUP = 100  # of one group at most
PART = 2048  # crops of one file of descriptions
STEP = 32  # crops through the tower at once
CHECKED_CROPS = 16  # of each held-out group and condition at most, while training
MEASURED_CROPS = 60  # the same, of what is written
DESCRIBED_CROPS = 16  # of each training group and condition, for the principal components
COMPONENTS = 128  # more would take the files above 70 MB
MEASURED_FILE = "measured.json"


@dataclass(frozen=True, slots=True)
class Settings:
    taps: tuple[int, ...]  # blocks whose output is used, counted from 0
    size: int  # units of the last layer but one
    dropout: float
    heads: int  # that are averaged
    draws: int  # how often each training crop is described, augmented anew each time
    batch: int
    paired: float  # share of the generated half that are pairs with their originals
    power: float  # of a group's size in sampling
    smoothing: float  # of labels
    blur: float  # share of crops blurred once more
    jpeg: float  # share of crops compressed once more
    rate: float
    decay: float
    steps: int


def fit(job: Job) -> None:
    """Describe the crops, train the head, export. Raises UsageError without the tower's file."""
    settings = job.checked(Settings)
    if job.weights is None:
        raise UsageError("embedding_probe stands on a CLIP image tower: give --weights FILE")
    trunk = Trunk(settings.taps)
    trunk.load_tower(job.weights)
    described = describe(trunk, job, settings)
    numbers = job.bank.select(held_out=False)
    trained, steps = train_heads(job, settings, described, numbers)
    write(
        job,
        EmbeddingProbe(trunk, trained),
        numbers,
        f"{settings.heads} heads, {' + '.join(map(str, steps))} steps of {settings.batch} crops, "
        f"each described {settings.draws} time{'s' * (settings.draws > 1)}; the tower's blocks are "
        "not trained",
    )


def train_heads(
    job: Job, settings: Settings, described: Sequence[Described], numbers: NDArray[np.int64]
) -> tuple[list[Head], list[int]]:
    """Heads fitted on the crops `numbers`, and the steps of each.

    Their checkpoints lie below `job.checkpoints`, so other `numbers` want another folder.
    """
    sampler = BalancedSampler(
        job.bank.rows, numbers, settings.batch, settings.paired, settings.power
    )
    sample = choose_held_out(job.bank, CHECKED_CROPS, job.seed)

    def draw(rng: np.random.Generator) -> Batch:
        chosen = sampler.draw(rng)
        taken = described[int(rng.integers(len(described)))]
        rows = tuple(job.bank.rows[i] for i in chosen)
        labels = torch.tensor([float(r.label) for r in rows])
        return Batch(torch.from_numpy(taken.rows(chosen)), labels, rows)

    def check(head: nn.Module) -> str:
        told = means(
            measure([job.bank.rows[i] for i in sample], logits(head, described[0], sample))
        )
        parts = (f"{c} AUC {a.value:.3f} TPR {t.value:.2f}" for c, (a, t) in told.items())
        return ", ".join(parts)

    def loss(head: nn.Module, batch: Batch) -> Tensor:
        return batch_loss(head(batch.inputs)[0], batch, settings.smoothing)

    schedule = Schedule(
        steps=settings.steps,
        rate=settings.rate,
        decay=settings.decay,
        minutes=job.minutes / settings.heads,
        check_steps=200,
    )
    trained, steps = [], []
    for number in range(settings.heads):
        torch.manual_seed(job.seed + number)
        head = Head(len(settings.taps), settings.size, settings.dropout)
        kept = job.checkpoints / f"head-{number}"
        kept.mkdir(parents=True, exist_ok=True)
        label = f"embedding_probe {json.dumps(list(settings.taps))} head {number}"
        state = run_loop(
            head, loss, draw, schedule, kept, label=label, seed=job.seed + number, check=check
        )
        trained.append(head)
        steps.append(state.steps)
    return trained, steps


def logits(head: nn.Module, described: Described, numbers: NDArray[np.int64]) -> Floats:
    """(len(numbers),) logits of a head in evaluation mode."""
    out = [np.empty(0, np.float32)]
    with torch.inference_mode():
        for start in range(0, len(numbers), PART):
            rows = described.rows(numbers[start : start + PART])
            out.append(head(torch.from_numpy(rows))[0][:, 0].numpy())
    return np.concatenate(out)


class Described:
    """Pooled tokens of a bank's crops, one draw of each, in memory-mapped parts of `PART` crops."""

    def __init__(self, parts: Sequence[NDArray[np.float16]]) -> None:
        self._parts = parts

    def rows(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, taps, 1536)"""
        found = [self._parts[i // PART][i % PART] for i in numbers]
        return np.stack(found).astype(np.float32)


def describe(trunk: Trunk, job: Job, settings: Settings) -> list[Described]:
    """Every training crop through the tower, `settings.draws` times; held-out crops once, as is.

    Parts that lie among the checkpoints of an earlier run are not made again. Draws are seeded by
    picture, condition and place in it, so that pairs are treated alike.
    """
    assert job.weights is not None
    common = hashlib.sha256(job.weights.read_bytes())
    common.update(json.dumps([settings.taps, settings.blur, settings.jpeg, job.seed]).encode())
    places = _places(job.bank.rows)
    trunk.eval()
    draws = []
    for number in range(settings.draws):
        parts = []
        for start in range(0, len(places), PART):
            part = range(start, min(start + PART, len(places)))
            known = common.copy()
            known.update(json.dumps([[places[i], repr(job.bank.rows[i])] for i in part]).encode())
            for i in part:
                known.update(np.asarray(job.bank.crops[i]).tobytes())
            path = job.checkpoints / f"described-{number}-{known.hexdigest()[:16]}.npy"
            if not path.is_file():
                buffer = io.BytesIO()
                np.save(buffer, _described(trunk, job, settings, part, places, number))
                write_whole(path, buffer.getvalue())
                click.echo(f"draw {number}: {part.stop} crops described", err=True)
            parts.append(np.load(path, mmap_mode="r", allow_pickle=False))
        draws.append(Described(parts))
    return draws


def _places(rows: Sequence[Row]) -> list[str]:
    """A name for each crop that it shares with the same crop of its pair."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    names = []
    for row in rows:
        shared = min(row.picture, row.pair) if row.pair else row.picture
        names.append(f"{shared}/{row.condition}/{counts[row.picture, row.condition]}")
        counts[row.picture, row.condition] += 1
    return names


def _described(
    trunk: Trunk, job: Job, settings: Settings, part: range, places: Sequence[str], number: int
) -> NDArray[np.float16]:
    """Held-out crops stay zero in all draws but the first: they are not augmented."""
    augmentation = Augmentation(side=SIDE, turn=False, blur=settings.blur, jpeg=settings.jpeg)
    out = np.zeros((len(part), len(settings.taps), 2 * WIDTH), np.float16)
    wanted = [i for i in part if number == 0 or job.bank.rows[i].group not in HELD_OUT]
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        for k in range(0, len(wanted), STEP):
            crops = []
            for i in wanted[k : k + STEP]:
                crop = np.asarray(job.bank.crops[i])
                if job.bank.rows[i].group in HELD_OUT:
                    crops.append(central(crop[None], SIDE)[0])
                else:
                    rng = np.random.default_rng(derive_seed(job.seed, str(number), places[i]))
                    crops.append(augmentation.one(crop, rng))
            pooled = trunk(as_input(np.stack(crops))).float().numpy()
            out[np.array(wanted[k : k + STEP]) - part.start] = pooled.astype(np.float16)
    return out


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
        export(Shipped(net, torch.from_numpy(joined), COMPONENTS), whole)
        files = quantise(whole, job.out)
    model = network(job.out / "model.onnx")
    head = heads.Head(
        np.eye(1, 1 + COMPONENTS)[0], 0.0, np.zeros(1 + COMPONENTS), np.ones(1 + COMPONENTS)
    )
    rng = np.random.default_rng(job.seed)
    some = rng.permutation(held_out)[:PARITY_CROPS]
    gaps = head(embedded(model, bank, some)) - predict(net, bank.crops, some, SIDE, score=score)
    kept = remembered(bank, numbers, rng)
    memory = heads.condensed(
        embedded(model, bank, kept),
        np.array([bank.rows[i].label == 1 for i in kept], np.bool_),
        np.array([bank.rows[i].group for i in kept], np.str_),
        REMEMBERED,
        job.seed,
    )
    tables = {
        heads.HEAD_FILE: head.to_dict(),
        heads.MEMORY_FILE: memory.to_dict(),
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


def export(net: Shipped, path: Path) -> None:
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


def batch_loss(logits: Tensor, batch: Batch, smoothing: float) -> Tensor:
    """Cross-entropy with labels drawn towards one half by `smoothing`."""
    wanted = batch.labels * (1 - smoothing) + smoothing / 2
    return F.binary_cross_entropy_with_logits(logits.float()[:, 0], wanted)


def score(network: nn.Module, pixels: Tensor) -> Tensor:
    logits: Tensor = network(pixels)[0][:, 0]
    return logits
