"""The pictures that may be trained on, read from manifests; clean sheets are cut into cells."""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tellsign.errors import InputError
from tellsign.training.bank import Picture

SMALLEST = 200  # pixels of the shorter side; below, a crop is mostly reflection
CELLS_PER_SHEET = 4
# Sheets that are plain grids: (width, height) -> rows, columns, cell, gap between cells.
GRIDS: Mapping[str, Mapping[tuple[int, int], tuple[int, int, int, int]]] = {
    "sd1_supagruen_artist_styles": {(1024, 1024): (2, 2, 512, 0)},
    "stylegan2_pretrained_zoo": {(1280, 1280): (5, 5, 256, 0), (768, 1024): (4, 3, 256, 0)},
    "lightweight_gan": {(4114, 4114): (8, 8, 512, 2), (2066, 2066): (8, 8, 256, 2)},
    "stylegan2_lucidrains": {(2066, 2066): (8, 8, 256, 2), (2063, 2064): (8, 8, 256, 2)},
    "compvis_sd": {(2560, 512): (1, 5, 512, 0)},
    "biggan_sheets": {(774, 258): (1, 3, 256, 2), (1285, 258): (1, 5, 256, 1)},
}
# Sheets without known cells whose parts are large pictures: taken whole.
WHOLE = frozenset({"gpt4o_songguoxs", "flux_assets", "sd2_stability_samples", "pixart_assets"})
# Portraits that went through neural super-resolution are no pristine class.
NOT_PRISTINE = frozenset({"celeba_hq", "afhq"})


def read(data: Iterable[Path], per_group: int, seed: int) -> list[Picture]:
    """Draw up to `per_group` pictures of each group from the ``manifest.tsv`` of each folder.

    Rows of the split train only, labels synthetic and pristine, a hash once. Raises InputError
    when a folder has no manifest.
    """
    found: dict[str, list[Picture]] = defaultdict(list)
    seen: set[str] = set()
    for folder in data:
        manifest = folder / "manifest.tsv"
        if not manifest.is_file():
            raise InputError(f"{folder}: no manifest.tsv")
        with manifest.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
                if row["sha256"] not in seen:
                    seen.add(row["sha256"])
                    for picture in _pictures(row, folder):
                        found[picture.group].append(picture)
    rng = random.Random(seed)
    return [
        picture
        for group in sorted(found)
        for picture in rng.sample(found[group], min(per_group, len(found[group])))
    ]


def _pictures(row: Mapping[str, str], folder: Path) -> Iterator[Picture]:
    generated = row["label"] == "synthetic" and row["question"] == "SYNTHETIC"
    taken = generated or (
        row["label"] == "pristine"
        and row["question"] in ("SYNTHETIC", "CAMERA")
        and row["group"] not in NOT_PRISTINE
    )
    if row["split"] != "train" or not taken or not row["width"]:
        return
    group, width, height = row["group"], int(row["width"]), int(row["height"])
    key, path = f"{group}/{row['path']}", folder / row["file"]
    if row["role"] == "image" or (row["role"].startswith("sheet") and group in WHOLE):
        if min(width, height) >= SMALLEST:
            yield Picture(key, group, int(generated), row["style"], path)
    elif row["role"].startswith("sheet") and (grid := GRIDS.get(group, {}).get((width, height))):
        for box in _cells(grid, key):
            yield Picture(f"{key}#{box[0]},{box[1]}", group, 1, row["style"], path, box)


def _cells(grid: Sequence[int], key: str) -> list[tuple[int, int, int]]:
    rows, columns, side, gap = grid
    boxes = [
        (gap + r * (side + gap), gap + c * (side + gap), side)
        for r in range(rows)
        for c in range(columns)
    ]
    return random.Random(key).sample(boxes, min(CELLS_PER_SHEET, len(boxes)))
