"""A small labelled world: generators whose pictures are redder than the photographs."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image

COLUMNS = (
    *("split", "question", "label", "generator_or_camera", "group", "role", "repo", "commit"),
    *("path", "bytes", "width", "height", "sha256", "licence", "pair", "style", "file"),
)
GENERATORS, SOURCES = ("gan_a", "gan_b", "gan_c"), ("cam_a", "cam_b", "cam_c")


def picture(seed: int, red: float, size: tuple[int, int] = (80, 96), kind: str = "PNG") -> bytes:
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 1, size[1])[None, :, None] * rng.uniform(-60, 60, 3)
    turn = np.linspace(0, 1, size[0])[:, None, None] * rng.uniform(-60, 60, 3)
    pixels = 110 + ramp + turn + rng.normal(0, 12, (*size, 3))
    pixels[..., 0] += red
    buffer = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(buffer, kind)
    return buffer.getvalue()


class World:
    """Writes pictures and their manifest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[dict[str, str]] = []

    def add(self, group: str, name: str, data: bytes, **columns: str) -> None:
        path = self.folder / group / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        try:
            with Image.open(io.BytesIO(data)) as image:
                width, height = image.size
        except OSError:
            width, height = 96, 80
        row = dict.fromkeys(COLUMNS, "") | {
            "split": "train",
            "question": "SYNTHETIC",
            "group": group,
            "role": "image",
            "path": name,
            "width": str(width),
            "height": str(height),
            "sha256": hashlib.sha256(data).hexdigest(),
            "style": "photo",
            "file": f"{group}/{name}",
        }
        self.rows.append(row | columns)

    def write(self) -> Path:
        with (self.folder / "manifest.tsv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(
                stream, COLUMNS, delimiter="\t", quoting=csv.QUOTE_NONE, lineterminator="\n"
            )
            writer.writeheader()
            writer.writerows(self.rows)
        return self.folder


def world(folder: Path, each: int = 6) -> World:
    """Squares from the generators, saved without loss; 4:3 JPEG photographs."""
    made = World(folder)
    for i, group in enumerate(GENERATORS):
        for n in range(each):
            data = picture(100 * i + n, 60.0, (80, 80))
            made.add(group, f"{n}.png", data, label="synthetic")
    for i, group in enumerate(SOURCES):
        for n in range(each):
            data = picture(1000 + 100 * i + n, 0.0, (72, 96), "JPEG")
            made.add(group, f"{n}.jpg", data, label="pristine", question="CAMERA")
    return made
