"""`make`: recipe + sources + seed -> media, exact mask and record; the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tellsign.errors import ForgeError, UsageError
from tellsign.forge.altered import Altered, Step
from tellsign.forge.codec import encode_jpeg, encode_png
from tellsign.forge.copy_move import copy_move
from tellsign.forge.draws import Draws
from tellsign.forge.inpaint import inpaint
from tellsign.forge.jpeg_history import compressed, double_jpeg, reduced
from tellsign.forge.recipe import Recipe
from tellsign.forge.record import Record, build_record
from tellsign.forge.region import Pixels
from tellsign.forge.retouch import retouch
from tellsign.forge.splice import splice
from tellsign.media import open_media
from tellsign.media.limits import DEFAULT_LIMITS, Limits
from tellsign.types import Source

ATTEMPTS = 8  # a draw that does not fit the picture is made anew, at most so often


@dataclass(frozen=True, slots=True, eq=False)
class Forged:
    """One forgery.

    Parameters
    ----------
    media
        The file's bytes, `format` jpeg or png.
    mask : (H, W) uint8
        255 altered, 128 where a copy-move took its pixels, else 0.
    pixels : (H, W, 3) uint8
        Before the final save.
    before : (H, W, 3) uint8
        The pristine twin before its final save; equals `pixels` where the mask is not 255.
    """

    media: bytes
    format: str
    mask: Pixels
    record: Record
    pixels: Pixels
    before: Pixels


def make(
    recipe: Recipe, sources: Sequence[Source], seed: int, limits: Limits = DEFAULT_LIMITS
) -> Forged:
    """Carry a recipe out. Splices take (host, donor), all others (host,).

    Raises UsageError for the wrong number of sources, InputError for one that cannot be opened and
    ForgeError when the recipe does not fit the picture.
    """
    draws, history, result = _carry_out(recipe, sources, seed, limits)
    return _saved(recipe, sources, seed, draws, history, result)


def make_pair(
    recipe: Recipe, sources: Sequence[Source], seed: int, limits: Limits = DEFAULT_LIMITS
) -> tuple[Forged, Forged]:
    """A forgery and its pristine twin: the same host, history and final save, nothing altered.

    Comparing a forgery with its source file instead would measure the final save.
    """
    draws, history, result = _carry_out(recipe, sources, seed, limits)
    unmarked = np.zeros_like(result.mask)
    twin = Altered(result.before, unmarked, result.before, result.shared, result.shared)
    forged = _saved(recipe, sources, seed, draws, history, result)
    return forged, _saved(recipe, sources, seed, draws, history, twin)


def _carry_out(
    recipe: Recipe, sources: Sequence[Source], seed: int, limits: Limits
) -> tuple[Draws, list[Step], Altered]:
    if len(sources) != recipe.sources:
        wanted = "two sources, host and donor" if recipe.sources == 2 else "one source"
        raise UsageError(f"recipe {recipe.name!r} takes {wanted}; got {len(sources)}")
    opened = [open_media(s, limits).pixels for s in sources]
    key = "\n".join(["forge", recipe.sha256, str(seed), *(s.sha256 for s in sources)])
    reason = ""
    for attempt in range(ATTEMPTS):
        draws = Draws(f"{key}\n{attempt}")
        history: list[Step] = []
        host = _history(opened[0], recipe, draws, history)
        try:
            return draws, history, _alter(host, opened, recipe, draws)
        except ForgeError as error:
            reason = str(error)
    raise ForgeError(f"{sources[0].name}: recipe {recipe.name!r}: {reason}")


def _saved(
    recipe: Recipe, sources: Sequence[Source], seed: int, draws: Draws,
    history: Sequence[Step], result: Altered,
) -> Forged:  # fmt: skip
    kind = draws.choice("format", recipe.format)
    final: Step = {"step": "png"}
    if kind == "jpeg":
        quality = draws.integer("quality", recipe.quality)
        subsampling = draws.choice("subsampling", recipe.subsampling)
        data = encode_jpeg(result.pixels, quality, subsampling)
        final = {"step": "jpeg", "quality": quality, "subsampling": subsampling}
    else:
        data = encode_png(result.pixels)
    steps = [*history, *result.steps, final]
    record = build_record(recipe, seed, sources, draws.values, steps, data, kind, result.mask)
    return Forged(data, kind, result.mask, record, result.pixels, result.before)


def _history(pixels: Pixels, recipe: Recipe, draws: Draws, steps: list[Step]) -> Pixels:
    factor = draws.uniform("reduce", recipe.reduce)
    if factor != 1:
        pixels = reduced(pixels, factor)
        steps.append({"step": "reduce", "factor": factor, "filter": "area"})
    if recipe.host_quality is not None:
        quality = draws.integer("host_quality", recipe.host_quality)
        sampling = draws.choice("host_subsampling", recipe.subsampling)
        pixels = compressed(pixels, quality, sampling)
        steps.append({"step": "host jpeg", "quality": quality, "subsampling": sampling})
    return pixels


def _alter(host: Pixels, opened: Sequence[Pixels], recipe: Recipe, draws: Draws) -> Altered:
    match recipe.operation:
        case "splice":
            return splice(host, opened[1], recipe, draws)
        case "copy_move":
            return copy_move(host, recipe, draws)
        case "inpaint" | "removal":
            return inpaint(host, recipe, draws)
        case "retouch":
            return retouch(host, recipe, draws)
        case _:
            return double_jpeg(host, recipe, draws)
