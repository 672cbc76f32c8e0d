"""Pictures under the conditions of a protocol: sizes of both classes matched, then laundered.

The conditions of the evaluation rules keep a picture's own size and shape up to a bound, and
generators draw squares where cameras take 4:3. So with matched sizes each picture is cut to what
it has in common with a partner drawn from the other class: each class then has the sizes of
min(I, J), I of one class, J of the other, which is the same law for both. Conditions that shrink
do so before the cut, so that whole pictures stay nearly whole.
"""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tellsign.benchmark.datasets import Item, perceptual_hash, source
from tellsign.benchmark.kept import name_of, write_file
from tellsign.errors import ForgeError, InputError
from tellsign.forge import derive_seed, launder
from tellsign.forge.altered import Step
from tellsign.forge.codec import encode_png
from tellsign.media import Media, from_bytes, open_media

Pixels = NDArray[np.uint8]
Size = tuple[int, int]  # height, width

# Longest side a condition leaves (pixels), as `forge.launder` defines it; others leave the size.
BOUNDS: Mapping[str, int] = {"web": 768, "hard": 512, "social": 1280}
RAW = "raw"
NULL_SIDE = 16  # pixels a side of the shrunken picture of the content null
_CODE = ("forge/launder.py", "forge/codec.py", "forge/draws.py", "benchmark/prepare.py")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One condition of one picture; `frame` is the size to cut to, None for its own."""

    condition: str
    frame: Size | None


@dataclass(frozen=True, slots=True)
class Task:
    item: Item
    wanted: tuple[Wanted, ...]
    seed: int
    folder: Path  # laundered files go here


# What came of one condition: `sha256`, `path`, `facts` and `thumb`, or `error`, as JSON values.
Prepared = dict[str, Any]


def frames(items: Sequence[Item], condition: str, sizes: str, seed: int) -> list[Size | None]:
    """Size to cut each item to, in stored pixels of the shrunken picture."""
    pools: dict[int, dict[str, list[Item]]] = {0: defaultdict(list), 1: defaultdict(list)}
    for item in items:
        pools[item.label][item.group].append(item)
    if sizes != "matched" or condition == RAW or not all(pools.values()):
        return [None] * len(items)
    found: list[Size | None] = []
    for item in items:
        # Groups first, so that the law is the one under which each group counts once.
        rng = random.Random(f"{seed} {item.group} {item.key}")
        others = pools[1 - item.label]
        partner = rng.choice(others[rng.choice(sorted(others))])
        own, other = (_shrunk((i.height, i.width), condition) for i in (item, partner))
        found.append((min(own[0], other[0]), min(own[1], other[1])))
    return found


def _shrunk(size: Size, condition: str) -> Size:
    factor = min(1.0, BOUNDS.get(condition, max(size)) / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def kept_name(item: Item, wanted: Wanted, seed: int) -> str:
    """Names everything the laundered bytes depend on."""
    return name_of(
        "prepared", item.name, item.group, item.key, wanted.condition, wanted.frame, seed, _code()
    )


@cache
def _code() -> str:
    root = files("tellsign")
    parts = (root.joinpath(*name.split("/")).read_bytes() for name in _CODE)
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def prepare(task: Task) -> list[Prepared]:
    """Launder one picture; what cannot be opened or treated gives its error. Runs in a worker."""
    try:
        original = source(task.item)
        media = open_media(original)
        pixels = media.pixels
    except InputError as error:
        return [{"error": type(error).__name__} for _ in task.wanted]
    return [_prepared(task, wanted, media, pixels) for wanted in task.wanted]


def _prepared(task: Task, wanted: Wanted, media: Media, pixels: Pixels) -> Prepared:
    item = task.item
    if wanted.condition == RAW:
        stored = str(item.path) if item.part is None else None
        return _told(task.folder, media, stored)
    seed = derive_seed(task.seed, item.group, item.key, wanted.condition)
    data = media.data
    if wanted.frame is not None:
        data = encode_png(framed(pixels, wanted.condition, wanted.frame, seed))
    try:
        done = launder.apply(wanted.condition, data, seed)
        laundered = open_media(from_bytes(done.data, item.key))
        assert_treated(laundered, done.steps, media.data)
        return _told(task.folder, laundered, None)
    except (ForgeError, InputError) as error:
        return {"error": type(error).__name__}


def framed(pixels: Pixels, condition: str, frame: Size, seed: int) -> Pixels:
    """Shrink as the condition does, then cut a window of the frame's size, anywhere."""
    size = _shrunk((pixels.shape[0], pixels.shape[1]), condition)
    if size != pixels.shape[:2]:
        pixels = np.asarray(cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    height, width = min(frame[0], size[0]), min(frame[1], size[1])
    rng = random.Random(seed)
    top, left = rng.randint(0, size[0] - height), rng.randint(0, size[1] - width)
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


def assert_treated(media: Media, steps: Sequence[Step], before: bytes) -> None:
    """Raises ForgeError unless the bytes changed and the file is of the quality asked for."""
    if media.data == before:
        raise ForgeError("the treatment left every byte as it was")
    last = steps[-1]
    if last["step"] == "jpeg":
        facts = media.facts.jpeg
        if facts is None or (facts.quality, facts.subsampling) != (
            last["quality"],
            last["subsampling"],
        ):
            raise ForgeError(f"the file is not what was asked for: {facts} after {dict(last)}")


def _told(folder: Path, media: Media, stored: str | None) -> Prepared:
    digest = media.source.sha256
    path = stored or str(write_file(folder, digest, media.data))
    facts, jpeg = media.facts, media.facts.jpeg
    pixels = media.pixels
    thumb = cv2.resize(pixels, (NULL_SIDE, NULL_SIDE), interpolation=cv2.INTER_AREA)
    return {
        "sha256": digest,
        "path": path,
        "facts": {
            "bytes": media.source.size,
            "width": facts.width,
            "height": facts.height,
            "format": facts.format,
            "quality": jpeg.quality if jpeg else None,
            "subsampling": jpeg.subsampling if jpeg else "",
            "exif": media.metadata.raw("exif") is not None,
        },
        "thumb": np.asarray(thumb, np.uint8).tobytes().hex(),
    }


def fingerprint(item: Item) -> int | None:
    """Perceptual hash; None when the picture cannot be opened. Runs in a worker."""
    try:
        return perceptual_hash(open_media(source(item)).luma)
    except InputError:
        return None
