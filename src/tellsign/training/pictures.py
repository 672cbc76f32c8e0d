"""The pictures that may be trained on, read from manifests; clean sheets are cut into cells."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from tellsign.benchmark import datasets
from tellsign.benchmark.datasets import GRIDS, Choice, Grid, Item
from tellsign.training.bank import OTHERS, Picture
from tellsign.types import Question

SMALLEST = 200  # pixels of the shorter side; below, a crop is mostly reflection
CELLS_PER_SHEET = 4
# Eight pictures: enough to learn from, too few for a group of the benchmark.
LAYOUTS: Mapping[str, Mapping[tuple[int, int], Grid]] = {
    **GRIDS,
    "biggan_sheets": {
        (774, 258): Grid(3, 1, 256, 2, framed=True),
        (1285, 258): Grid(5, 1, 256, 1, framed=True),
    },
}
# Sheets without known cells whose parts are large pictures: taken whole.
WHOLE = frozenset({"gpt4o_songguoxs", "flux_assets", "sd2_stability_samples", "pixart_assets"})
# Portraits that went through neural super-resolution are no pristine class.
NOT_PRISTINE = ("celeba_hq", "afhq")
TAKEN = Choice(
    Question.SYNTHETIC, "train", without=NOT_PRISTINE, styles=("photo", "art", "graphic")
)

# Sheets of 384 x 256 panels, before and after: a square of the first is taken.
PANELS: Mapping[str, Mapping[tuple[int, int], Grid]] = {
    "casia1_samples": {(1152, 256): Grid(3, 1, 256, 128, blank=((1, 0), (2, 0)))}
}


def read(data: Iterable[Path], per_group: int, seed: int) -> list[Picture]:
    """Draw up to `per_group` pictures of each group from the ``manifest.tsv`` of each folder.

    Rows of the split train only, labels synthetic and pristine, a hash once. Raises InputError
    when a folder has no manifest.
    """
    found: dict[str, list[Picture]] = defaultdict(list)
    for row, folder in _rows(data):
        for picture in _pictures(row, folder):
            found[picture.group].append(picture)
    rng = random.Random(seed)
    return [
        picture
        for group in sorted(found)
        for picture in rng.sample(found[group], min(per_group, len(found[group])))
    ]


def read_others(data: Iterable[Path]) -> list[Picture]:
    """Photographs of other questions (`bank.OTHERS`), of the split train only.

    Of a content only its first row counts: listed first under a label that is not taken, it is
    left out. Raises InputError when a folder has no manifest.
    """
    found = []
    for row, folder in _rows(data):
        if row["label"] in OTHERS.get(row["group"], frozenset()):
            items = datasets.pictures(row, folder, Question.SYNTHETIC, grids=PANELS)
            key = f"{row['group']}/{row['path']}"
            found += [_picture(i, key) for i in items if min(i.width, i.height) >= SMALLEST]
    return [replace(p, label=0) for p in found]


def _rows(data: Iterable[Path]) -> Iterator[tuple[Mapping[str, str], Path]]:
    """The first row of each content that stands in the split train and in no other."""
    listed = [(row, folder) for folder in data for row in datasets.rows(folder)]
    # What is measured on is never learnt from, wherever else it is listed.
    seen = {row["sha256"] for row, _ in listed if row["split"] != TAKEN.split}
    for row, folder in listed:
        if row["sha256"] not in seen:
            seen.add(row["sha256"])
            yield row, folder


def _pictures(row: Mapping[str, str], folder: Path) -> Iterator[Picture]:
    if not datasets.wanted(row, TAKEN):
        return
    if row["role"].startswith("sheet") and row["group"] in WHOLE:
        row = {**row, "role": "image"}
    items = list(datasets.pictures(row, folder, TAKEN.question, grids=LAYOUTS))
    key = f"{row['group']}/{row['path']}"
    for item in random.Random(key).sample(items, min(CELLS_PER_SHEET, len(items))):
        if min(item.width, item.height) >= SMALLEST:
            yield _picture(item, key)


def _picture(item: Item, key: str) -> Picture:
    part = item.part
    if part is None:
        return Picture(key, item.group, item.label, item.style, item.path)
    box = (part.y, part.x, part.width)
    return Picture(f"{key}#{part.y},{part.x}", item.group, item.label, item.style, item.path, box)
