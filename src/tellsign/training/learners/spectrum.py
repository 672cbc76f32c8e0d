"""Learner of `spectrum_probe`: four probes of whole-crop spectra and how they are joined.

Each crop of the bank is cut into quarters of 128 x 128. Linear probes learn from the mean spectrum
of the quarters, which is the same to them and steadier; the others learn from the quarters. The
join, of weights of 0 and more, is fitted on groups that none of its members has seen; then all
members learn from all groups.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tellsign.detectors.supervised import spectrum_probe
from tellsign.detectors.supervised.spectrum_probe import varied
from tellsign.nn.runtime import network
from tellsign.signal import spectrum
from tellsign.training.bank import SIDE, Bank, Row
from tellsign.training.export import to_onnx
from tellsign.training.fit import Batch, Schedule
from tellsign.training.fit import fit as train
from tellsign.training.heldout import as_rows, as_text, measure
from tellsign.training.linear import LinearProbe, balanced_weights, fit_logistic, fit_ridge
from tellsign.training.recipe import Job, write_whole
from tellsign.training.selection import choose, choose_held_out, group_of, reversed_for, told_groups

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]
HEAD, MODEL, HELD = "head.json", "model.onnx", "heldout.json"
_TOGETHER = 16  # bank crops transformed at a time


@dataclass(frozen=True, slots=True)
class Settings:
    per_cell: int  # bank crops of one group under one condition
    held_per_cell: int  # the same of held-out groups, to measure
    ridge: float  # penalty of the log-DCT probe
    small: float  # of the log-Fourier probe
    radial: float  # of the radial probe
    join: float
    steps: int  # of the network
    batch: int
    rate: float


@dataclass(frozen=True, slots=True, eq=False)
class RidgeProbe:
    """The linear probe of Frank et al. on arrays of any shape, both labels weighted alike."""

    probe: LinearProbe

    @classmethod
    def fit(
        cls, features: NDArray[np.floating], labels: NDArray[np.integer], strength: float = 0.1
    ) -> RidgeProbe:
        """Fit (n, ...) features to (n,) labels of 0 and 1; `strength` is the share of `fit_ridge`.

        For crops: ``RidgeProbe.fit(log_dct(crops), labels)``.
        """
        weights = balanced_weights([""] * len(labels), labels.tolist())
        return cls(fit_ridge(features.reshape(len(features), -1), labels, weights, strength))

    def score(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n, ...) -> (n,); above 0 is nearer to label 1."""
        return self.probe.score(features.reshape(len(features), -1))


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """Features of the quarters of n bank crops; flat quarters are left out of means."""

    dct: NDArray[np.float16]  # (n, 49152), mean over the quarters
    small: Floats  # (n, 2112), mean over the quarters
    radial: Floats  # (n, 4, 65)
    spoken: NDArray[np.bool_]  # (n, 4), not flat
    labels: NDArray[np.int64]
    groups: tuple[str, ...]
    conditions: tuple[str, ...]

    def part(self, keep: NDArray[np.bool_]) -> Spectra:
        i = np.flatnonzero(keep)
        return Spectra(
            self.dct[i],
            self.small[i],
            self.radial[i],
            self.spoken[i],
            self.labels[i],
            tuple(self.groups[k] for k in i),
            tuple(self.conditions[k] for k in i),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    ridge: LinearProbe
    small: LinearProbe
    radial: LinearProbe
    centre: Floats
    net: nn.Module

    def logits(self, spectra: Spectra, bank: Bank, numbers: Numbers) -> Floats:
        """(n, 4), each the mean over the quarters that are not flat."""
        squares = spectrum.with_squares(spectra.radial, self.centre)
        radial = self.radial.score(squares.reshape(-1, squares.shape[-1]))
        columns: list[NDArray[np.floating]] = [
            self.ridge.score(np.asarray(spectra.dct, np.float32)),
            _mean(network_logits(self.net, bank, numbers), spectra.spoken),
            self.small.score(spectra.small),
            _mean(radial.reshape(len(numbers), 4), spectra.spoken),
        ]
        return np.stack(columns, axis=1).astype(np.float32)


class SpectrumNetwork(nn.Module):
    """The small network of Frank et al.: 3, 8, 16 and 32 kernels of 3 x 3, average pooling.

    Takes (n, 128, 128, 3) log-DCT and standardises by what `mean` and `deviation` hold.
    """

    def __init__(self, mean: Floats, deviation: Floats) -> None:
        super().__init__()
        self.mean: Tensor
        self.deviation: Tensor
        shape = (spectrum.SIDE, spectrum.SIDE, 3)
        self.register_buffer("mean", torch.from_numpy(mean.reshape(shape)))
        self.register_buffer("deviation", torch.from_numpy(deviation.reshape(shape)))
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, 3, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(3, 8, 3, padding=1),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
        )
        self.out = nn.Linear(32 * (spectrum.SIDE // 4) ** 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        z = ((x - self.mean) / self.deviation).permute(0, 3, 1, 2)
        out: Tensor = self.out(torch.flatten(self.convolutions(z), 1))
        return out


def fit(job: Job) -> None:
    """Train, export and write the card. Raises UsageError for unknown settings."""
    settings = job.checked(Settings)
    numbers, spectra = gather(job.bank, choose(job.bank, settings.per_cell, job.seed))
    fold = half_of_groups(spectra)
    first = fit_members(job, settings, spectra.part(~fold), numbers[~fold], "half")
    unseen = first.logits(spectra.part(fold), job.bank, numbers[fold])
    rest = spectra.part(fold)
    weights = balanced_weights(rest.groups, rest.labels.tolist())
    join = fit_logistic(unseen, rest.labels, weights, settings.join, positive=True)
    members = fit_members(job, settings, spectra, numbers, "all")
    example = spectrum.log_dct(_quarters(job.bank.take(range(2))), spectrum.FLOOR)
    parity = to_onnx(members.net, torch.from_numpy(example), job.out / MODEL)
    head = head_of(members, join, references(spectra))
    write_whole(job.out / HEAD, json.dumps(head, separators=(",", ":")).encode())
    report(job, spectra, parity, np.asarray(join.weights))


def gather(bank: Bank, numbers: Numbers) -> tuple[Numbers, Spectra]:
    """Spectra of the crops, and the numbers of those that are not flat all over."""
    parts = [_features(bank.take(chunk)) for chunk in _chunks(numbers)]
    dct, small, radial, spoken = (np.concatenate(p) for p in zip(*parts, strict=True))
    keep = np.flatnonzero(spoken.any(axis=1))
    rows = [bank.rows[numbers[i]] for i in keep]
    return numbers[keep], Spectra(
        dct[keep],
        small[keep],
        radial[keep],
        spoken[keep],
        np.array([r.label for r in rows], np.int64),
        tuple(group_of(r) for r in rows),
        tuple(r.condition for r in rows),
    )


def _chunks(numbers: Numbers) -> list[Numbers]:
    return [numbers[i : i + _TOGETHER] for i in range(0, len(numbers), _TOGETHER)]


def _quarters(crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, 256, 256, 3) -> (4 n, 128, 128, 3)."""
    side = SIDE // 2
    cut = crops.reshape(-1, 2, side, 2, side, 3).transpose(0, 1, 3, 2, 4, 5)
    return np.ascontiguousarray(cut.reshape(-1, side, side, 3))


def _features(
    crops: NDArray[np.uint8],
) -> tuple[NDArray[np.float16], Floats, Floats, NDArray[np.bool_]]:
    quarters = _quarters(crops)
    spoken = varied(quarters).reshape(-1, 4)
    grey = spectrum.luma(quarters)
    dct = spectrum.log_dct(quarters, spectrum.FLOOR).reshape(len(crops), 4, -1)
    small = spectrum.small_spectrum(grey).reshape(len(crops), 4, -1)
    radial = spectrum.radial_profile(grey).reshape(len(crops), 4, -1)
    return _mean(dct, spoken).astype(np.float16), _mean(small, spoken), radial, spoken


def _mean(values: NDArray[np.floating], spoken: NDArray[np.bool_]) -> Floats:
    """Mean along axis 1 of what spoke; of everything where nothing did."""
    weight = np.where(spoken.any(axis=1, keepdims=True), spoken, True).astype(np.float32)
    weight /= weight.sum(axis=1, keepdims=True)
    return np.asarray(np.einsum("nq...,nq->n...", values, weight), np.float32)


def half_of_groups(spectra: Spectra) -> NDArray[np.bool_]:
    """(n,) every other group of each label, by size, so that both halves have both."""
    sizes = Counter(zip(spectra.groups, spectra.labels.tolist(), strict=True))
    chosen: set[tuple[str, int]] = set()
    for label in (0, 1):
        ranked = sorted((k for k in sizes if k[1] == label), key=lambda k: (-sizes[k], k))
        chosen.update(ranked[1::2])
    return np.array(
        [k in chosen for k in zip(spectra.groups, spectra.labels.tolist(), strict=True)]
    )


def fit_members(
    job: Job, settings: Settings, spectra: Spectra, numbers: Numbers, name: str
) -> Members:
    weights = balanced_weights(spectra.groups, spectra.labels.tolist())
    labels = spectra.labels
    pristine = spectra.spoken & (labels == 0)[:, None]
    centre = spectra.radial[pristine].mean(axis=0).astype(np.float32)
    squares = spectrum.with_squares(spectra.radial[spectra.spoken], centre)
    owner = np.nonzero(spectra.spoken)[0]
    return Members(
        ridge=fit_ridge(spectra.dct, labels, weights, settings.ridge),
        small=fit_logistic(spectra.small, labels, weights, settings.small),
        radial=fit_logistic(squares, labels[owner], weights[owner], settings.radial),
        centre=centre,
        net=train_network(job, settings, spectra, numbers, name),
    )


def train_network(
    job: Job, settings: Settings, spectra: Spectra, numbers: Numbers, name: str
) -> nn.Module:
    """Train on 128 x 128 windows anywhere in a crop, both labels and all groups alike."""
    chance = balanced_weights(spectra.groups, spectra.labels.tolist())
    chance /= chance.sum()
    mean = spectra.dct.mean(axis=0, dtype=np.float32)
    # The mean over quarters varies less than a single quarter does, by up to a half.
    deviation = 2.0 * np.maximum(spectra.dct.astype(np.float32).std(axis=0), 0.05)
    room = SIDE - spectrum.SIDE

    def draw(rng: np.random.Generator) -> Batch:
        chosen = rng.choice(len(numbers), settings.batch, p=chance)
        cut = [
            job.bank.crops[numbers[i]][y : y + spectrum.SIDE, x : x + spectrum.SIDE]
            for i, (y, x) in zip(chosen, rng.integers(0, room, (len(chosen), 2)), strict=True)
        ]
        x = spectrum.log_dct(np.stack(cut), spectrum.FLOOR)
        rows = tuple(job.bank.rows[numbers[i]] for i in chosen)
        labels = torch.from_numpy(spectra.labels[chosen].astype(np.float32))
        return Batch(torch.from_numpy(x), labels, rows)

    torch.manual_seed(job.seed)
    net = SpectrumNetwork(mean, deviation.astype(np.float32))
    folder = job.checkpoints / name
    folder.mkdir(parents=True, exist_ok=True)
    schedule = Schedule(settings.steps, settings.rate, decay=1e-2, minutes=job.minutes / 2)
    train(net, _loss, draw, schedule, folder, label=f"{name}, {settings}", seed=job.seed)
    return net


def _loss(net: nn.Module, batch: Batch) -> Tensor:
    return functional.binary_cross_entropy_with_logits(net(batch.inputs)[:, 0], batch.labels)


def network_logits(net: nn.Module, bank: Bank, numbers: Numbers) -> Floats:
    """(n, 4) logits of the quarters."""
    parts = []
    with torch.inference_mode():
        for chunk in _chunks(numbers):
            x = spectrum.log_dct(_quarters(bank.take(chunk)), spectrum.FLOOR)
            parts.append(net(torch.from_numpy(x)).numpy())
    return np.concatenate(parts).reshape(-1, 4)


def references(spectra: Spectra) -> dict[str, dict[str, Any]]:
    """Mean radial profile and roll-off of the photographs under each condition."""
    profile = _mean(spectra.radial, spectra.spoken)
    found = {}
    for name in ("norm", "web", "hard"):
        keep = [
            c == name and y == 0
            for c, y in zip(spectra.conditions, spectra.labels.tolist(), strict=True)
        ]
        mine = profile[np.array(keep)]
        if not len(mine):
            continue
        roll_off = spectrum.roll_off(mine)
        found[name] = {
            "profile": _short(mine.mean(axis=0)),
            "roll_off": round(float(roll_off.mean()), 4),
            "deviation": round(float(roll_off.std()), 4),
            "pictures": len(mine),
        }
    return found


def head_of(members: Members, join: LinearProbe, found: Mapping[str, Any]) -> dict[str, Any]:
    def linear(probe: LinearProbe) -> dict[str, Any]:
        return {"weights": _short(probe.weights), "bias": float(f"{probe.bias:.6g}")}

    return {
        "ridge": linear(members.ridge),
        "small": linear(members.small),
        "radial": linear(members.radial),
        "centre": _short(members.centre),
        "join": linear(join),
        "references": found,
    }


def _short(values: NDArray[np.floating] | Sequence[float]) -> list[float]:
    return [float(f"{v:.5g}") for v in values]


def report(job: Job, spectra: Spectra, parity: float, join: NDArray[np.float64]) -> None:
    """Score held-out groups with what was written, then write table and card."""
    settings = job.checked(Settings)
    numbers = choose_held_out(job.bank, settings.held_per_cell, job.seed)
    rows, scores, each = score_bank(job, numbers)
    found = measure(rows, scores)
    names = ("ridge", "network", "log-Fourier", "radial")
    alone = {n: as_rows(measure(rows, each[:, i])) for i, n in enumerate(names)}
    table = {"joined": as_rows(found), **alone}
    write_whole(job.out / HELD, json.dumps(table, indent=1).encode())
    weights = ", ".join(f"{n} {w:.2f}" for n, w in zip(names, join, strict=True))
    summary = (
        f"Four spectral probes joined (weights: {weights}); torch and ONNX differ by at most "
        f"{parity:.1e}. {as_text(found)}"
    )
    sizes = Counter(zip(spectra.groups, spectra.labels.tolist(), strict=True))
    told = told_groups(sizes)
    job.finish(summary, f"Crops of 256 x 256: {told}", [HEAD, MODEL, HELD], reversed_for(found))


def score_bank(job: Job, numbers: Numbers) -> tuple[list[Row], Floats, Floats]:
    """Rows, joined scores and member logits, computed as the detector does."""
    head = spectrum_probe.read_head.__wrapped__(job.out / HEAD)
    net = network(job.out / MODEL)
    rows, logits = [], []
    for i in numbers:
        cut = _quarters(job.bank.crops[i][None])
        keep = varied(cut)
        if keep.any():
            rows.append(job.bank.rows[i])
            logits.append(spectrum_probe.members(cut[keep], head, net).mean(axis=0))
    each = np.array(logits, np.float32).reshape(-1, 4)
    return rows, head.join(each), each
