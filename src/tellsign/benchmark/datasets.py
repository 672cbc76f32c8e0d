"""Labelled pictures from folders with a ``manifest.tsv``, sheets cut into their pictures.

Duplicates are removed before anything is drawn: the same bytes in two sources by their hash, the
same picture saved twice by a perceptual hash, compared across groups.
"""

from __future__ import annotations

import csv
import io
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellsign.errors import InputError, MalformedMedia
from tellsign.media import from_bytes, from_path, open_media
from tellsign.types import Box, Question, Source

MANIFEST = "manifest.tsv"
COLUMNS = frozenset(
    ("split", "question", "label", "group", "role", "path", "width", "height", "sha256")
    + ("style", "file")
)
# Question -> label of the manifest whose proposition holds.
POSITIVE: Mapping[Question, str] = {
    Question.SYNTHETIC: "synthetic",
    Question.MANIPULATED: "manipulated",
}
PRISTINE = frozenset({"pristine", "original"})
# Photographs are pristine to every question; labels of one question say nothing to another.
NEUTRAL = "CAMERA"
# Bits of 64 in which two perceptual hashes of one picture, saved twice, may differ.
NEAR = 4


@dataclass(frozen=True, slots=True)
class Grid:
    """A sheet of equal cells, `gap` pixels apart and, where `framed`, from the border."""

    columns: int
    rows: int
    cell: int
    gap: int = 0
    framed: bool = False
    blank: tuple[tuple[int, int], ...] = ()  # (column, row) of cells without a picture

    def boxes(self) -> Iterator[Box]:
        first = self.gap if self.framed else 0
        for row in range(self.rows):
            for column in range(self.columns):
                if (column, row) not in self.blank:
                    x, y = (first + i * (self.cell + self.gap) for i in (column, row))
                    yield Box(x, y, self.cell, self.cell)


# Sheets whose layout was looked at: group -> (width, height) -> grid.
GRIDS: Mapping[str, Mapping[tuple[int, int], Grid]] = {
    "sd1_supagruen_artist_styles": {(1024, 1024): Grid(2, 2, 512)},
    # Style mixing: the corner above the column and beside the row of sources stays black.
    "stylegan2_pretrained_zoo": {
        (1280, 1280): Grid(5, 5, 256, blank=((0, 0),)),
        (768, 1024): Grid(3, 4, 256),
    },
    "lightweight_gan": {
        (4114, 4114): Grid(8, 8, 512, 2, framed=True),
        (2066, 2066): Grid(8, 8, 256, 2, framed=True),
    },
    "stylegan2_lucidrains": {
        (2066, 2066): Grid(8, 8, 256, 2, framed=True),
        (1042, 1042): Grid(8, 8, 128, 2, framed=True),
    },
    "compvis_sd": {(2560, 512): Grid(5, 1, 512)},
}


@dataclass(frozen=True, slots=True)
class Item:
    """One labelled picture; `part` is its place in a sheet."""

    key: str  # unique within its group
    group: str
    label: int  # 1 = the question's proposition holds
    style: str  # photo, art or graphic
    path: Path
    split: str
    sha256: str  # of the file
    width: int
    height: int
    part: Box | None = None

    @property
    def name(self) -> str:
        """Names the content: the file's hash and the part of it."""
        p = self.part
        return self.sha256 + (f"#{p.x},{p.y},{p.width},{p.height}" if p else "")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows of the manifests are wanted."""

    question: Question
    split: str
    groups: tuple[str, ...] = ()  # empty: all
    without: tuple[str, ...] = ()
    styles: tuple[str, ...] = ("photo", "art")
    per_group: int = 0  # 0: all; else as many of each group, style and label
    least_side: int = 0  # pixels
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Chosen:
    """The items drawn, and how many were left out for what reason."""

    items: tuple[Item, ...]
    left_out: Mapping[str, int]


def choose(folders: Iterable[Path], choice: Choice) -> Chosen:
    """Read the manifests and draw items, each content once.

    Raises InputError when a folder has no usable manifest, or nothing is left.
    """
    if choice.question not in POSITIVE:
        raise InputError(f"no labels for the question {choice.question}")
    left_out: dict[str, int] = defaultdict(int)
    found: dict[str, list[Item]] = defaultdict(list)
    for folder in folders:
        for row in rows(folder):
            if wanted(row, choice):
                for item in pictures(row, folder, choice.question):
                    found[item.name].append(item)
    kept: dict[tuple[str, str, int], list[Item]] = defaultdict(list)
    for same in found.values():
        if len({i.label for i in same}) > 1:
            left_out["under both labels"] += len(same)
            continue
        left_out["duplicate"] += len(same) - 1
        if choice.least_side and min(same[0].width, same[0].height) < choice.least_side:
            left_out["too small"] += 1
            continue
        kept[same[0].group, same[0].style, same[0].label].append(same[0])
    items: list[Item] = []
    for stratum in sorted(kept):
        drawn = sorted(kept[stratum], key=lambda i: i.key)
        if 0 < choice.per_group < len(drawn):
            left_out["over the number per group"] += len(drawn) - choice.per_group
            rng = random.Random(f"{choice.seed} {stratum}")
            drawn = sorted(rng.sample(drawn, choice.per_group), key=lambda i: i.key)
        items += drawn
    if not items:
        raise InputError(f"no {choice.question} pictures of the split {choice.split!r} in the data")
    return Chosen(tuple(items), {k: v for k, v in left_out.items() if v})


def rows(folder: Path) -> Iterator[dict[str, str]]:
    """Rows of the folder's manifest as they are. Raises InputError when it cannot be used."""
    manifest = folder / MANIFEST
    try:
        with manifest.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            if missing := COLUMNS - set(reader.fieldnames or ()):
                raise InputError(f"{manifest}: no column {min(missing)!r}")
            for row in reader:
                for side in ("width", "height"):
                    int(row[side] or 0)  # told with the file's name, wherever it is read
                yield row
    except OSError as error:
        raise InputError(f"{manifest}: {(error.strerror or 'cannot be read').lower()}") from error
    except (UnicodeDecodeError, ValueError, csv.Error) as error:
        raise InputError(f"{manifest}: {error}") from error


def wanted(row: Mapping[str, str], choice: Choice) -> bool:
    """Whether the row's question, label, split, style and group are those asked for."""
    labels = {POSITIVE[choice.question], *PRISTINE}
    asked = row["question"] == choice.question.name or row["question"] == NEUTRAL
    return (
        asked
        and row["split"] == choice.split
        and row["label"] in labels
        and row["style"] in choice.styles
        and (not choice.groups or row["group"] in choice.groups)
        and row["group"] not in choice.without
    )


def pictures(
    row: Mapping[str, str],
    folder: Path,
    question: Question,
    *,
    grids: Mapping[str, Mapping[tuple[int, int], Grid]] = GRIDS,
) -> Iterator[Item]:
    """The row's picture, or the cells of a sheet whose layout is in `grids`."""
    width, height = int(row["width"] or 0), int(row["height"] or 0)
    label = int(row["label"] == POSITIVE[question])

    def item(key: str, part: Box | None) -> Item:
        size = (part.width, part.height) if part else (width, height)
        path = folder / row["file"]
        return Item(
            key, row["group"], label, row["style"], path, row["split"], row["sha256"], *size, part
        )

    if row["role"] in ("image", "original"):
        yield item(row["path"], None)
    elif grid := grids.get(row["group"], {}).get((width, height)):
        for box in grid.boxes():
            yield item(f"{row['path']}#{box.x},{box.y}", box)


# --- content -----------------------------------------------------------------------------------


def source(item: Item) -> Source:
    """The file, or the part of a sheet saved without loss. Raises InputError."""
    if item.part is None:
        return from_path(item.path)
    from PIL import Image

    p = item.part
    sheet = _sheet(item.path)
    if sheet.shape[0] < p.y + p.height or sheet.shape[1] < p.x + p.width:
        raise MalformedMedia(f"{item.key}: the sheet is smaller than its manifest says")
    buffer = io.BytesIO()
    cell = np.ascontiguousarray(sheet[p.y : p.y + p.height, p.x : p.x + p.width])
    Image.fromarray(cell).save(buffer, "PNG", compress_level=1)
    return from_bytes(buffer.getvalue(), f"{item.path.stem}-{p.x}-{p.y}.png")


@lru_cache(maxsize=1)
def _sheet(path: Path) -> NDArray[np.uint8]:
    """Pixels of the sheet last cut: its cells follow each other."""
    return open_media(from_path(path)).pixels


def perceptual_hash(luma: NDArray[np.uint8]) -> int:
    """64 bits of a picture: signs of its lowest 8 x 8 frequencies against their median.

    After the "pHash" of Zauner (2010, thesis, University of Applied Sciences Hagenberg).
    """
    import cv2
    from scipy.fft import dctn

    small = cv2.resize(luma, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float64)
    low = dctn(small)[1:9, 1:9].ravel()
    bits = np.packbits(low > np.median(low))
    return int.from_bytes(bits.tobytes(), "big")


def near_duplicates(items: Sequence[Item], hashes: Mapping[str, int]) -> frozenset[str]:
    """Names of items to leave out: near an earlier item of another group.

    Parameters
    ----------
    hashes
        Item name -> perceptual hash; items without one are kept.

    Within a group, pictures of a series may be alike; they never part between two sets.
    """
    known = [i for i in items if i.name in hashes]
    values = np.array([hashes[i.name] for i in known], np.uint64)
    groups = np.array([i.group for i in known], str)
    dropped: set[str] = set()
    for n in range(1, len(known)):
        near = np.bitwise_count(values[:n] ^ values[n]) <= NEAR
        if (near & (groups[:n] != groups[n])).any():
            dropped.add(known[n].name)
    return frozenset(dropped)
