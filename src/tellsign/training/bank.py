"""The crop bank: native crops of laundered pictures, cut once and shared by all learners.

Every picture of both classes goes through the same launderings; a picture and its reconstruction
by an autoencoder go through the very same draw, so that content, format and size tell nothing.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tellsign.errors import ForgeError, InputError
from tellsign.forge import derive_seed, launder
from tellsign.media import from_bytes, from_path, open_media
from tellsign.nn.views import padded

SIDE = 256  # pixels; learners cut 224 or less from it
CONDITIONS = ("norm", "web", "hard", "mix")
CROPS_FILE, ROWS_FILE = "crops.npy", "rows.csv"

# Never trained on: they choose hyper-parameters and calibrate.
HELD_OUT = frozenset(
    {
        "a1111_showcase",
        "comfyui_examples",
        "r3gan_eissayou",
        "sd14_easydiffusion_modifiers",
        "sd2_stability_samples",
        "sd_occupational_shashank",
        "stylegan2_vishruit",
        "bsds500",
        "exiv2_testdata",
        "opensfm_berlin_lund",
        "photoprism_testdata",
        "spade_coco_stuff",
    }
)

# Photographs that their makers resampled or sent through networks: no camera's own.
REDRAWN = frozenset({"ffhq_realorfake", "ldm_inpainting_examples"})

# Photographs of other questions, parts of some moved within: no generator drew them. They teach
# and measure nothing, as they are in no benchmark of generated pictures.
OTHERS: Mapping[str, frozenset[str]] = {
    "casia1_samples": frozenset({"manipulated"}),
    "casia_duplicated_mapo80": frozenset({"pristine"}),
    "comofod_mapo80": frozenset({"original"}),
    "fau_copymove_multipaste": frozenset({"original", "manipulated"}),
    "liveportrait_examples": frozenset({"pristine"}),
    "micc_sift_examples": frozenset({"manipulated"}),
    "mklab_demos": frozenset({"manipulated"}),
    "pscc_sample": frozenset({"pristine"}),
}


@dataclass(frozen=True, slots=True)
class Picture:
    """One labelled picture on disk; `box` cuts a cell from a sheet (top, left, side)."""

    key: str
    group: str
    label: int  # 1 = generated
    style: str
    path: Path
    box: tuple[int, int, int] | None = None
    pair: str = ""  # key of the picture that this one reconstructs, or that reconstructs it
    maker: str = ""  # the autoencoder


@dataclass(frozen=True, slots=True)
class Row:
    """What one crop is."""

    picture: str
    group: str
    label: int
    style: str
    condition: str
    pair: str
    maker: str


class Crops(Protocol):
    """(n, SIDE, SIDE, 3) uint8, one crop at a time."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: Any, /) -> Any: ...


class Chained:
    """Crops of several banks under one numbering."""

    def __init__(self, parts: Sequence[Crops]) -> None:
        self._parts = parts
        self._starts = np.cumsum([0, *(len(p) for p in parts)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, index: int, /) -> NDArray[np.uint8]:
        part = int(np.searchsorted(self._starts, index, "right")) - 1
        found: NDArray[np.uint8] = self._parts[part][index - int(self._starts[part])]
        return found


class Bank:
    """A folder of crops, (n, SIDE, SIDE, 3) uint8, memory-mapped, and their rows."""

    def __init__(self, crops: Crops, rows: Sequence[Row]) -> None:
        if len(crops) != len(rows):
            raise InputError(f"a bank of {len(crops)} crops has {len(rows)} rows")
        self.crops = crops
        self.rows = rows

    def take(self, numbers: Iterable[int]) -> NDArray[np.uint8]:
        """(n, SIDE, SIDE, 3) copies of these crops, n at least 1."""
        return np.stack([np.asarray(self.crops[int(i)]) for i in numbers])

    @classmethod
    def open(cls, folder: Path) -> Bank:
        """Raises InputError when the folder holds no bank."""
        try:
            crops = np.load(folder / CROPS_FILE, mmap_mode="r", allow_pickle=False)
            with (folder / ROWS_FILE).open(encoding="utf-8", newline="") as stream:
                raw = list(csv.DictReader(stream))
            rows = [_row(r) for r in raw]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(f"{folder}: no crop bank: {error}") from error
        return cls(crops[: len(rows)], rows)

    @classmethod
    def join(cls, banks: Sequence[Bank]) -> Bank:
        """Several banks as one, without copying their crops."""
        return cls(Chained([b.crops for b in banks]), [row for b in banks for row in b.rows])

    def select(self, *, held_out: bool) -> NDArray[np.int64]:
        """Indices of the crops whose group is, or is not, held out."""
        return np.array(
            [i for i, r in enumerate(self.rows) if (r.group in HELD_OUT) == held_out], np.int64
        )


def _row(raw: dict[str, str]) -> Row:
    label = int(raw.pop("label"))
    return Row(label=label, **raw)


def treatment(condition: str, seed: int) -> str:
    """The laundering behind a condition; ``mix`` draws a chain of resize and recompression."""
    if condition != "mix":
        return condition
    rng = random.Random(seed)
    steps = []
    if rng.random() < 0.7:
        kind = rng.choice(("bilinear", "bicubic", "lanczos"))
        steps.append(f"resize-{rng.uniform(0.35, 1.3):.2f}-{kind}")
    if rng.random() < 0.2:
        steps.append(f"blur-{rng.uniform(0.3, 1.2):.2f}")
    steps.append(
        f"webp-{rng.randint(40, 92)}" if rng.random() < 0.15 else f"jpeg-{rng.randint(35, 97)}"
    )
    return "+".join(steps)


def crops_of(
    picture: Picture, conditions: Sequence[str], per_condition: int, seed: int
) -> Iterator[tuple[Row, NDArray[np.uint8]]]:
    """Launder one picture in each condition and cut crops at drawn places.

    A pair shares seeds and so launderings and places. A picture that cannot be read gives nothing.
    """
    shared = min(picture.key, picture.pair) if picture.pair else picture.key
    try:
        data = picture_bytes(picture)
    except (InputError, OSError):
        return
    for condition in conditions:
        own = derive_seed(seed, shared, condition)
        try:
            done = launder.apply(treatment(condition, own), data, own)
            pixels = padded(open_media(from_bytes(done.data, "laundered")).pixels, SIDE)
        except (ForgeError, InputError):
            continue
        rng = random.Random(own)
        row = Row(
            picture.key,
            picture.group,
            picture.label,
            picture.style,
            condition,
            picture.pair,
            picture.maker,
        )
        for _ in range(per_condition):
            top = rng.randint(0, pixels.shape[0] - SIDE)
            left = rng.randint(0, pixels.shape[1] - SIDE)
            yield row, pixels[top : top + SIDE, left : left + SIDE]


def picture_bytes(picture: Picture) -> bytes:
    """The file, or the cell of a sheet without loss. Raises InputError, OSError."""
    if picture.box is None:
        return picture.path.read_bytes()
    from tellsign.forge.codec import encode_png

    top, left, side = picture.box
    pixels = open_media(from_path(picture.path)).pixels
    return encode_png(np.ascontiguousarray(pixels[top : top + side, left : left + side]))


def build(
    pictures: Sequence[Picture],
    folder: Path,
    *,
    conditions: Sequence[str] = CONDITIONS,
    per_condition: int = 2,
    seed: int = 0,
    workers: int = 2,
) -> Bank:
    """Cut the bank of `pictures` into `folder`; at most len(conditions) * per_condition each."""
    folder.mkdir(parents=True, exist_ok=True)
    most = len(pictures) * len(conditions) * per_condition
    crops = np.lib.format.open_memmap(folder / CROPS_FILE, "w+", np.uint8, (most, SIDE, SIDE, 3))
    rows: list[Row] = []
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        jobs = ((p, tuple(conditions), per_condition, seed) for p in pictures)
        for found in pool.map(_collect, jobs, chunksize=4):
            for row, crop in found:
                crops[len(rows)] = crop
                rows.append(row)
    crops.flush()
    write_rows(folder / ROWS_FILE, rows)
    return Bank.open(folder)


def _collect(
    job: tuple[Picture, tuple[str, ...], int, int],
) -> list[tuple[Row, NDArray[np.uint8]]]:
    return [(row, crop.copy()) for row, crop in crops_of(*job)]


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [f.name for f in fields(Row)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
