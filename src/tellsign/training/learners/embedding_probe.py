"""Fit the heads of `embedding_probe` on the middle blocks of a CLIP tower that stays as it is.

Crops are described by the tower as it is shipped, in int8, so that the heads learn with its
rounding. All groups of the bank are trained on; fits with a part of the groups left out are written
beside the artifact (training/parts.py), and what they make of that part is what the card tells.
"""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's own name
from numpy.typing import NDArray
from torch import Tensor, nn

from tellsign.errors import UsageError
from tellsign.forge import derive_seed
from tellsign.nn.cells import network_input
from tellsign.nn.runtime import Network, network
from tellsign.training import head as heads
from tellsign.training import heldout, parts
from tellsign.training.augment import Augmentation, central
from tellsign.training.bank import REDRAWN, Bank, Row
from tellsign.training.export import OPSET
from tellsign.training.fit import Batch, Schedule
from tellsign.training.fit import fit as run_loop
from tellsign.training.heldout import REPORTED, Measured, means, measure
from tellsign.training.networks.embedding_probe import EmbeddingProbe, Head, Top, Trunk
from tellsign.training.quantise import quantise
from tellsign.training.recipe import Job, write_whole
from tellsign.training.sampling import BalancedSampler
from tellsign.training.selection import evenly

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

SIDE = 224
PARITY_CROPS = 64
REMEMBERED = 2000  # rows of the memory
PER_GROUP = 100  # of one group at most
PART = 2048  # crops of one file of descriptions
CHECKED_CROPS = 16  # of each group left out and condition at most, while training
MEASURED_CROPS = 160  # the same, of what is written
DESCRIBED_CROPS = 16  # of each training group and condition, for the principal components
COMPONENTS = 128  # more would take the files above 70 MB
MEASURED_FILE = "measured.json"


@dataclass(frozen=True, slots=True)
class Settings:
    taps: tuple[int, ...]  # blocks whose output is used, counted from 0
    size: int  # units of the last layer but one
    dropout: float
    heads: int  # that are averaged
    draws: int  # how often each crop is described, augmented anew each time
    parts: int  # beside the held-out groups, that are left out in turn
    batch: int
    paired: float  # share of the generated half that are pairs with their originals
    power: float  # of a group's size in sampling
    smoothing: float  # of labels
    blur: float  # share of crops blurred once more
    jpeg: float  # share of crops compressed once more
    rate: float
    decay: float
    steps: int


@dataclass(frozen=True, slots=True)
class Tower:
    """The blocks as they were read, to be exported, and in int8, as they describe crops."""

    trunk: Trunk
    shipped: Network


@dataclass(frozen=True, slots=True)
class Fitted:
    heads: Sequence[Head]
    effort: str
    numbers: Indices  # crops of the bank
    found: Sequence[Measured]  # by fits that left the measured groups out


def fit(job: Job) -> None:
    """Describe the crops, train the heads, export. Raises UsageError without the tower's file."""
    settings = job.checked(Settings)
    if job.weights is None:
        raise UsageError("embedding_probe stands on a CLIP image tower: give --weights FILE")
    trunk = Trunk(settings.taps)
    trunk.load_tower(job.weights)
    tower = Tower(trunk, quantised(trunk, job))
    described = describe(tower.shipped, job, settings)
    rows = job.bank.rows
    beside = job.out.parent / parts.FOLDER
    dealt = parts.deal(rows, settings.parts, job.seed)
    asked: list[Indices] = []
    scores: list[Floats] = []
    for number, part in enumerate(dealt):
        own = replace(
            job,
            out=beside / str(number) / job.out.name,
            checkpoints=job.checkpoints / f"{parts.FOLDER}-{number}",
        )
        own.out.mkdir(parents=True, exist_ok=True)
        kept = np.array([i for i, r in enumerate(rows) if r.group not in part], np.int64)
        asked.append(measured_on(rows, part, job.seed))
        trained, effort = train_heads(own, settings, described, kept, asked[-1])
        scores.append(logits(trained, described[0], asked[-1]))
        found = measure([rows[i] for i in asked[-1]], scores[-1])
        write(own, tower, described[0], Fitted(trained, effort, kept, found))
    parts.write(beside, dealt)
    everything = np.arange(len(rows))
    none = np.empty(0, np.int64)
    trained, effort = train_heads(job, settings, described, everything, none)
    found = []
    if asked:
        found = measure([rows[i] for i in np.concatenate(asked)], np.concatenate(scores))
    write(job, tower, described[0], Fitted(trained, effort, everything, found))


def measured_on(rows: Sequence[Row], part: frozenset[str], seed: int) -> Indices:
    """Crops of groups left out, under the conditions reported; no reconstruction among them."""
    own = [i for i, r in enumerate(rows) if r.group in part - REDRAWN and not r.pair]
    return evenly(rows, own, MEASURED_CROPS, seed, REPORTED)


def train_heads(
    job: Job,
    settings: Settings,
    described: Sequence[Described],
    numbers: Indices,
    asked: Indices,
) -> tuple[list[Head], str]:
    """Heads fitted on the crops `numbers`, and what that took; `asked` are told while training.

    Their checkpoints lie below `job.checkpoints`, so other `numbers` want another folder.
    """
    rows = job.bank.rows
    sampler = BalancedSampler(rows, numbers, settings.batch, settings.paired, settings.power)
    sample = evenly(rows, asked, CHECKED_CROPS, job.seed)

    def draw(rng: np.random.Generator) -> Batch:
        chosen = sampler.draw(rng)
        taken = described[int(rng.integers(len(described)))]
        drawn = tuple(rows[i] for i in chosen)
        labels = torch.tensor([float(r.label) for r in drawn])
        return Batch(torch.from_numpy(taken.rows(chosen)), labels, drawn)

    def check(head: nn.Module) -> str:
        told = means(measure([rows[i] for i in sample], logits([head], described[0], sample)))
        return ", ".join(f"{c} AUC {a.value:.3f} TPR {t.value:.2f}" for c, (a, t) in told.items())

    def loss(head: nn.Module, batch: Batch) -> Tensor:
        return batch_loss(head(batch.inputs)[0], batch, settings.smoothing)

    schedule = Schedule(
        steps=settings.steps,
        rate=settings.rate,
        decay=settings.decay,
        minutes=job.minutes / settings.heads,
        check_steps=200 if len(sample) else 0,
    )
    trained: list[Head] = []
    steps = []
    for number in range(settings.heads):
        torch.manual_seed(job.seed + number)
        head = Head(len(settings.taps), settings.size, settings.dropout)
        kept = job.checkpoints / f"head-{number}"
        kept.mkdir(parents=True, exist_ok=True)
        label = f"embedding_probe {json.dumps(list(settings.taps))} head {number}"
        state = run_loop(
            head, loss, draw, schedule, kept, label=label, seed=job.seed + number, check=check
        )
        trained.append(head.eval())
        steps.append(state.steps)
    return trained, (
        f"{settings.heads} heads, {' + '.join(map(str, steps))} steps of {settings.batch} crops, "
        f"each described {settings.draws} time{'s' * (settings.draws > 1)}; the tower's blocks are "
        "not trained"
    )


def logits(trained: Sequence[nn.Module], described: Described, numbers: Indices) -> Floats:
    """(len(numbers),) mean logits of heads in evaluation mode."""
    out = [np.empty(0, np.float32)]
    with torch.inference_mode():
        for start in range(0, len(numbers), PART):
            rows = torch.from_numpy(described.rows(numbers[start : start + PART]))
            each = [head(rows)[0][:, 0] for head in trained]
            out.append(torch.stack(each).mean(0).numpy())
    return np.concatenate(out)


class Described:
    """Pooled tokens of a bank's crops, one draw of each, in memory-mapped parts of `PART` crops."""

    def __init__(self, parts: Sequence[NDArray[np.float16]]) -> None:
        self._parts = parts

    def rows(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, taps, 1536)"""
        found = [self._parts[i // PART][i % PART] for i in numbers]
        return np.stack(found).astype(np.float32)


def quantised(trunk: Trunk, job: Job) -> Network:
    """The blocks as they will be shipped: int8 products, one crop at a time."""
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / "tower.onnx"
        export(trunk, whole, ["pooled"])
        quantise(whole, job.checkpoints, "tower")
    return network(job.checkpoints / "tower.onnx")


def describe(tower: Network, job: Job, settings: Settings) -> list[Described]:
    """Every crop through the tower, `settings.draws` times, augmented anew each time.

    Parts that lie among the checkpoints of an earlier run are not made again. Draws are seeded by
    picture, condition and place in it, so that pairs are treated alike.
    """
    assert job.weights is not None
    common = hashlib.sha256(job.weights.read_bytes())
    common.update(json.dumps([settings.taps, settings.blur, settings.jpeg, job.seed]).encode())
    places = _places(job.bank.rows)
    draws = []
    for number in range(settings.draws):
        found = []
        for start in range(0, len(places), PART):
            part = range(start, min(start + PART, len(places)))
            known = common.copy()
            known.update(json.dumps([places[i] for i in part]).encode())
            for i in part:
                known.update(np.asarray(job.bank.crops[i]).tobytes())
            path = job.checkpoints / f"described-{number}-{known.hexdigest()[:16]}.npy"
            if not path.is_file():
                buffer = io.BytesIO()
                np.save(buffer, _described(tower, job, settings, part, places, number))
                write_whole(path, buffer.getvalue())
                click.echo(f"draw {number}: {part.stop} crops described", err=True)
            found.append(np.load(path, mmap_mode="r", allow_pickle=False))
        draws.append(Described(found))
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
    tower: Network, job: Job, settings: Settings, part: range, places: Sequence[str], number: int
) -> NDArray[np.float16]:
    augmentation = Augmentation(side=SIDE, turn=False, blur=settings.blur, jpeg=settings.jpeg)
    rows = []
    for i in part:
        rng = np.random.default_rng(derive_seed(job.seed, str(number), places[i]))
        crop = augmentation.one(np.asarray(job.bank.crops[i]), rng)
        rows.append(tower.run(network_input(crop[None]))[0].astype(np.float16))
    return np.stack(rows)


def write(job: Job, tower: Tower, described: Described, fitted: Fitted) -> None:
    """Export, remember some of the training crops, write the card."""
    bank, numbers = job.bank, fitted.numbers
    some = evenly(bank.rows, numbers, DESCRIBED_CROPS, job.seed, REPORTED)
    top = Top(fitted.heads, torch.from_numpy(described.rows(some)), COMPONENTS).eval()
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / "whole.onnx"
        export(EmbeddingProbe(tower.trunk, top), whole, ["logit", "embedding"])
        files = quantise(whole, job.out, leave="/top/")
    rng = np.random.default_rng(job.seed)
    gap = largest_gap(job, tower.shipped, top, rng.permutation(numbers)[:PARITY_CROPS])
    kept = remembered(bank, numbers, rng)
    head = heads.Head(
        np.eye(1, 1 + COMPONENTS)[0], 0.0, np.zeros(1 + COMPONENTS), np.ones(1 + COMPONENTS)
    )
    with torch.inference_mode():
        embedded = top(torch.from_numpy(described.rows(kept)))[1].numpy()
    memory = heads.condensed(
        embedded,
        np.array([bank.rows[i].label == 1 for i in kept], np.bool_),
        np.array([bank.rows[i].group for i in kept], np.str_),
        REMEMBERED,
        job.seed,
    )
    tables = {
        heads.HEAD_FILE: head.to_dict(),
        heads.MEMORY_FILE: memory.to_dict(),
        MEASURED_FILE: {
            "measured": heldout.as_rows(fitted.found),
            "means": heldout.means_rows(fitted.found),
        },
    }
    for name, table in tables.items():
        write_whole(job.out / name, (json.dumps(table) + "\n").encode())
    job.finish(
        f"{job.recipe.description}. {told(fitted.found)}. Largest difference of the log odds "
        f"between the tower followed by the heads and the exported whole on {PARITY_CROPS} crops: "
        f"{gap:.1e}. {fitted.effort}.",
        heldout.groups_text([bank.rows[i] for i in numbers]),
        [f.name for f in files] + list(tables),
        heldout.failures(fitted.found),
    )


def told(found: Sequence[Measured]) -> str:
    """For the card; every generator stands in the table beside it."""
    if not found:
        return "no part of the groups could be left out"
    generators = len({m.group for m in found})
    return (
        f"Fits that left them out, on {generators} generators: mean AUC / TPR at 5 % FPR "
        f"[95 % over pictures]: {heldout.means_text(found)}"
    )


def largest_gap(job: Job, tower: Network, top: Top, numbers: Indices) -> float:
    """Exported whole against tower and heads apart, on the middle of crops."""
    whole = network(job.out / "model.onnx")
    gaps = [0.0]
    for i in numbers:
        crop = network_input(central(np.asarray(job.bank.crops[i])[None], SIDE))
        with torch.inference_mode():
            wanted = top(torch.from_numpy(tower.run(crop)))[0]
        gaps.append(abs(float(wanted) - float(whole.run(crop)[0, 0])))
    return max(gaps)


def export(net: nn.Module, path: Path, outputs: Sequence[str]) -> None:
    """Write float32 ONNX: crops (n, 3, 224, 224) -> what the network gives, (n, ...) each."""
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own age
        torch.onnx.export(
            net.eval(),
            (torch.zeros(2, 3, SIDE, SIDE),),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=["crops"],
            output_names=list(outputs),
            dynamic_axes={k: {0: "n"} for k in ("crops", *outputs)},
        )


def remembered(bank: Bank, numbers: Indices, rng: np.random.Generator) -> Indices:
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
