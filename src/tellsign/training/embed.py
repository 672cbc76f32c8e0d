"""Laundered pictures as embeddings, kept by the hash of their content.

Examples and pristine pictures go through the same launderings before anything looks at them: what
a generator's site does to its files must not become what its pictures are known by.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tellsign import registry
from tellsign.artifacts.store import Artifact
from tellsign.calibration.conditions import condition_of
from tellsign.detectors.base import Abstain, BatchedDetector
from tellsign.errors import ArtifactError, ForgeError, InputError, UsageError
from tellsign.forge import derive_seed, launder
from tellsign.media import from_bytes, open_media
from tellsign.media.media import Media
from tellsign.training.head import Rows, decoded, encoded
from tellsign.training.refit import Cases
from tellsign.types import Source

CONDITIONS = ("norm", "web", "hard")
# Fewer than an examination looks at: twenty examples and forty photographs in three conditions
# stay below a minute on two cores.
CROPS = 4

Embed = Callable[[Media], Rows]
"""A picture to the (k, D) embeddings of its crops; raises `Abstain` where there are none."""


@dataclass(frozen=True, slots=True)
class Skipped:
    name: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """One laundered picture: the embeddings of its crops, (k, D) float32."""

    stratum: str
    rows: Rows


def embedder(base: Artifact) -> Embed:
    """The embedding step of the artifact's own detector. Raises UsageError when it has none."""
    found = registry.load().get(base.card.detector)
    if found is None or not issubclass(found, BatchedDetector):
        raise UsageError(f"{base.label} belongs to no detector with an embedding")
    detector = found()

    def embed(media: Media) -> Rows:
        code = detector.applicable(media)
        if code is not None:
            raise Abstain(code)
        rows = detector.prepare(media)
        # The last ones: copies at reduced size come last, and they weigh more in a score.
        found = detector.infer_rows(rows[-CROPS:])
        # A network that describes every cell of a crop: the score is linear in it, so means do.
        return found.mean(axis=tuple(range(2, found.ndim))) if found.ndim > 2 else found

    return embed


def embed_all(
    sources: Sequence[tuple[Source, bool]],
    embed: Embed,
    *,
    conditions: Sequence[str] = CONDITIONS,
    cache: Path | None = None,
    model: str = "",
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> tuple[Cases, tuple[Skipped, ...]]:
    """Embed every picture in every condition; what cannot be used is named, never dropped unsaid.

    Parameters
    ----------
    sources
        Pictures and labels, True = generated. The same bytes given twice count once.
    cache
        Folder for embeddings; None keeps none.
    model
        What the embedding depends on, as a hash: part of every key of the cache.
    """
    done: list[Embedded] = []
    labels: list[bool] = []
    pictures: list[str] = []
    skipped: list[Skipped] = []
    seen: dict[str, bool] = {}
    for i, (source, label) in enumerate(sources):
        if progress is not None:
            progress(i)
        if source.sha256 in seen:
            why = "given twice" if seen[source.sha256] == label else "given as both classes"
            skipped.append(Skipped(source.name, why))
            continue
        seen[source.sha256] = label
        found = list(_embedded(source, embed, conditions, cache, model, seed, skipped))
        done += found
        labels += [label] * len(found)
        pictures += [source.sha256] * len(found)
    if not done:
        raise UsageError("none of the pictures could be used")
    cases = Cases(
        np.concatenate([e.rows for e in done]),
        np.repeat(np.arange(len(done)), [len(e.rows) for e in done]),
        np.array(labels),
        np.array(pictures),
        np.array([e.stratum for e in done]),
    )
    return cases, tuple(skipped)


def _embedded(
    source: Source,
    embed: Embed,
    conditions: Sequence[str],
    cache: Path | None,
    model: str,
    seed: int,
    skipped: list[Skipped],
) -> Iterator[Embedded]:
    for condition in conditions:
        key = hashlib.sha256(f"{model}\n{condition}\n{seed}\n{source.sha256}".encode()).hexdigest()
        path = cache / f"{key}.json" if cache is not None else None
        found = _recalled(path)
        if found is None:
            try:
                found = _fresh(source, embed, condition, seed)
            except (InputError, ForgeError, OSError) as error:
                skipped.append(Skipped(source.name, f"{condition}: {error}"))
                continue
            except Abstain as abstain:
                skipped.append(Skipped(source.name, f"{condition}: {abstain.code}"))
                continue
            _keep(path, found)
        yield found


def _fresh(source: Source, embed: Embed, condition: str, seed: int) -> Embedded:
    with source.open() as stream:
        data = stream.read()
    laundered = launder.apply(condition, data, derive_seed(seed, source.sha256, condition))
    media = open_media(from_bytes(laundered.data, source.name))
    rows = np.asarray(embed(media), np.float32)
    if not np.isfinite(rows).all():
        raise ArtifactError(f"{source.name}: the embedding is not finite")
    return Embedded(condition_of(media.facts), rows)


def _recalled(path: Path | None) -> Embedded | None:
    """What was kept; a file that is not whole counts as none."""
    if path is None or not path.is_file():
        return None
    try:
        raw = json.loads(path.read_text("utf-8"))
        rows = decoded(raw["rows"], "<f4", int(raw["width"]))
        return Embedded(str(raw["stratum"]), rows) if len(rows) else None
    except (ValueError, KeyError, TypeError):
        return None


def _keep(path: Path | None, found: Embedded) -> None:
    if path is None:
        return
    content = {
        "stratum": found.stratum,
        "width": found.rows.shape[1],
        "rows": encoded(found.rows, "<f4"),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(content), "utf-8")
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path.parent}: cannot keep embeddings: {error.strerror}") from error
