"""Labelled cases from pristine photographs: a forgery and its untouched twin, treated alike.

Both classes share the photograph, its size, its history, the final save and the laundering, so
that nothing but the alteration tells them apart.
"""

from __future__ import annotations

import csv
import io
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tellsign import forge
from tellsign.errors import ForgeError, InputError
from tellsign.forge import launder
from tellsign.media import from_bytes, from_path, open_media
from tellsign.types import Source

# `raw` is what the forger saves; then the conditions of the evaluation rules; the last two bring
# pictures without loss and of another codec.
TREATMENTS = ("raw", "norm", "web", "hard", "social", "crop-0.9", "webp-85")
# Longest sides of the part of a photograph that is used; multiples of 16 keep its JPEG grid.
CROP = (768, 1024)
SMALLEST = 256  # pixels; below, no forgery fits
EXIF_LARGEST = 65_533  # bytes of a JPEG segment without its length field
LEFT = 0.25  # share of the altered part's weight in the picture that a crop must keep


@dataclass(frozen=True, slots=True)
class Photo:
    """A pristine photograph of the reference set."""

    group: str
    key: str
    path: Path


@dataclass(frozen=True, slots=True)
class Case:
    group: str
    key: str
    treatment: str
    recipe: str
    label: int  # 1 = altered
    source: Source


def photos(data: Path, per_group: int, seed: int, groups: Sequence[str] = ()) -> list[Photo]:
    """Draw up to `per_group` photographs of each origin from ``data/manifest.tsv``.

    Only rows that may be trained on (`split` train), photographs (`label` pristine, `role` image)
    of a useful size. Raises InputError when there is no manifest.
    """
    manifest = data / "manifest.tsv"
    if not manifest.is_file():
        raise InputError(f"{data}: no manifest.tsv; extract the sources first")
    found: dict[str, list[Photo]] = defaultdict(list)
    with manifest.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            if (row["split"], row["label"], row["role"]) != ("train", "pristine", "image"):
                continue
            large = min(int(row["width"] or 0), int(row["height"] or 0)) >= SMALLEST
            if large and (not groups or row["group"] in groups):
                path = data / row["file"]
                found[row["group"]].append(Photo(row["group"], row["path"], path))
    rng = random.Random(seed)
    return [
        photo
        for group in sorted(found)
        for photo in rng.sample(found[group], min(per_group, len(found[group])))
    ]


def host(photo: Photo) -> Source:
    """The photograph itself, or its central part saved without loss when it is large."""
    from PIL import Image

    source = from_path(photo.path)
    pixels = open_media(source).pixels
    height, width = pixels.shape[:2]
    bounds = CROP if width >= height else CROP[::-1]
    if height <= bounds[0] and width <= bounds[1]:
        return source
    top = max(0, (height - bounds[0]) // 2) // 16 * 16
    left = max(0, (width - bounds[1]) // 2) // 16 * 16
    part = np.ascontiguousarray(pixels[top : top + bounds[0], left : left + bounds[1]])
    buffer = io.BytesIO()
    Image.fromarray(part).save(buffer, "PNG", compress_level=1)
    return from_bytes(buffer.getvalue(), photo.path.stem + ".png")


def keeping_metadata(photo: Photo, donor: Photo, recipe: forge.Recipe, seed: int) -> Iterator[Case]:
    """Both classes of a whole camera file, saved with the metadata and thumbnail it came with.

    That is what a careless editor leaves: the picture changes, the camera's block does not.
    Nothing where the file has no Exif block.
    """
    try:
        media = open_media(from_path(photo.path))
        block = media.metadata.raw("exif")
        if not block or media.facts.format != "jpeg":
            return
        sources = [media.source] + ([host(donor)] if recipe.sources == 2 else [])
        twins = _twins(recipe, sources, seed)
    except (InputError, ForgeError):
        return
    segment = b"Exif\0\0" + block
    if len(segment) > EXIF_LARGEST or any(t.format != "jpeg" for t in twins):
        return
    head = b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment
    for label, twin in enumerate(twins):
        source = from_bytes(twin.media[:2] + head + twin.media[2:], f"{photo.path.stem}-{label}")
        yield Case(photo.group, photo.key, "kept", recipe.name, label, source)


def _twins(recipe: forge.Recipe, sources: Sequence[Source], seed: int) -> tuple[forge.Forged, ...]:
    altered, pristine = forge.make_pair(recipe, sources, seed)
    return pristine, altered


def cases(
    photo: Photo, donor: Photo, recipe: forge.Recipe, treatments: Sequence[str], seed: int
) -> Iterator[Case]:
    """Both classes of one photograph under each treatment.

    Nothing where the recipe cannot fit, and no pair whose laundering cropped the altered part away.
    """
    try:
        sources = [host(photo)] + ([host(donor)] if recipe.sources == 2 else [])
        twins = _twins(recipe, sources, seed)
    except (InputError, ForgeError):
        return
    altered = twins[1].mask == forge.ALTERED
    for treatment in treatments:
        try:
            own = forge.derive_seed(seed, photo.group, photo.key, treatment)
            done = [launder.apply(treatment, t.media, own, t.mask) for t in twins]
        except ForgeError:
            continue
        left = done[1].mask
        if left is None or (left == forge.ALTERED).mean() < LEFT * altered.mean():
            continue
        for label, laundered in enumerate(done):
            name = f"{photo.path.stem}-{recipe.name}-{treatment}-{label}"
            source = from_bytes(laundered.data, name)
            yield Case(photo.group, photo.key, treatment, recipe.name, label, source)
