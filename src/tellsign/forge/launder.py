"""Laundering: what platforms, editors and screens do to a picture, both classes alike.

Named treatments, one function each; the fixed ones are those of the evaluation protocol:

=============  ==================================================================================
``raw``        nothing
``norm``       metadata dropped; one native-resolution crop, sides drawn from 256 to 1024 pixels;
               JPEG quality 80 to 97, 4:4:4 or 4:2:0; ``norm-S`` draws sides up to S
``web``        long side at most 768 px (area, never enlarged), JPEG 60, 4:2:0
``hard``       long side at most 512 px (area, never enlarged), JPEG 40, 4:2:0
``social``     two hops: long side at most 1280 px + JPEG 75, then at most 1080 px + JPEG 70
``fit-N``      long side at most N px (area, never enlarged); PNG
``jpeg-Q``     recompressed at quality Q, 4:2:0; ``recompress-Q`` is the same
``resize-F``   times F, with ``resize-F-nearest|bilinear|bicubic|lanczos``; PNG
``crop-S``     the share S of each side kept, anywhere; PNG
``blur-S``     Gaussian of standard deviation S pixels; PNG
``noise-S``    Gaussian of standard deviation S grey levels; PNG
``webp-Q``, ``avif-Q``   saved in that format
``screenshot`` shown smaller on a screen (bilinear, times 0.4 to 0.95) and saved as PNG
=============  ==================================================================================

A number left out is drawn. ``+`` chains: ``crop-0.8+jpeg-75``. Metadata is always dropped. What is
saved as PNG varies one thing only; chain a ``jpeg`` for more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from PIL import Image

from tellsign.errors import ForgeError, UsageError
from tellsign.forge.altered import Step
from tellsign.forge.codec import decode, encode_avif, encode_jpeg, encode_png, encode_webp
from tellsign.forge.draws import Draws
from tellsign.forge.region import ALTERED, COPIED_FROM, Pixels, as_bytes
from tellsign.media import open_media
from tellsign.media.limits import DEFAULT_LIMITS, Limits
from tellsign.media.source import from_bytes

CONDITIONS = ("raw", "norm", "web", "hard", "social")
FILTERS: Mapping[str, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
NORM_SIDES = (256, 1024)
NORM_QUALITY = (80, 97)


@dataclass(frozen=True, slots=True, eq=False)
class Laundered:
    """A treated picture, its mask carried through the geometry, and the steps taken."""

    data: bytes
    format: str
    mask: Pixels | None
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    pixels: Pixels
    mask: Pixels | None
    limits: Limits
    steps: tuple[Step, ...] = ()
    data: bytes = b""
    format: str = ""


@dataclass(frozen=True, slots=True)
class _Treatment:
    """`drawn` is where a number comes from that is not given, `allowed` what may be given."""

    run: Callable[[_State, _Part, Draws], _State]
    drawn: tuple[float, float] | None = None
    allowed: tuple[float, float] = (0, 0)
    whole: bool = False

    def number(self, text: str, argument: str) -> float:
        low, high = self.allowed
        kind = "whole number" if self.whole else "number"
        try:
            value = float(argument)
        except ValueError:
            value = float("nan")
        if not low <= value <= high or (self.whole and value != int(value)):
            raise UsageError(f"treatment {text!r} wants a {kind} from {low:g} to {high:g}")
        return value


@dataclass(frozen=True, slots=True)
class _Part:
    treatment: _Treatment
    value: float | None
    kernel: str | None

    def number(self, draws: Draws, name: str) -> float:
        """The number given, else one drawn."""
        assert self.treatment.drawn is not None
        low, high = self.treatment.drawn
        if self.value is not None:
            return self.value
        return (
            draws.integer(name, (int(low), int(high)))
            if self.treatment.whole
            else (draws.uniform(name, (low, high)))
        )


def apply(
    name: str,
    data: bytes,
    seed: int,
    mask: Pixels | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Laundered:
    """Treat the bytes of a picture.

    The choices depend on `name` and `seed` only, never on the picture: a forgery and its pristine
    twin get the same crop and quality from the same seed. Give each pair a seed of its own
    (`draws.derive_seed`).

    Parameters
    ----------
    mask : (H, W) uint8 or None
        In stored pixels of `data`; returned resized and cropped like the picture.

    Raises UsageError for an unknown treatment, InputError when `data` cannot be opened, ForgeError
    when the picture is too small for it or the result is byte for byte what was given.
    """
    parts = parse(name)
    if name == "raw":
        return Laundered(data, "", mask, ())
    pixels = open_media(from_bytes(data, limits=limits), limits).pixels
    if mask is not None and mask.shape != pixels.shape[:2]:
        raise ForgeError(f"mask {mask.shape} and picture {pixels.shape[:2]} differ in size")
    state = _State(pixels, mask, limits)
    for position, part in enumerate(parts):
        draws = Draws(f"launder\n{name}\n{seed}\n{position}")
        state = part.treatment.run(_reopened(state), part, draws)
    if state.data == data:
        raise ForgeError(f"{name}: the treatment left every byte as it was")
    return Laundered(state.data, state.format, state.mask, state.steps)


def parse(name: str) -> tuple[_Part, ...]:
    """Split ``a-1+b`` into treatments and arguments. Raises UsageError for what is not known."""
    parts = []
    for text in name.split("+"):
        word, *arguments = text.split("-")
        treatment = TREATMENTS.get(word)
        if treatment is None or (word == "raw" and text != name):
            known = ", ".join(sorted(TREATMENTS))
            raise UsageError(f"unknown treatment {text!r}; there are {known}")
        kernels = [a for a in arguments if word == "resize" and a in FILTERS]
        numbers = [a for a in arguments if a not in kernels]
        if len(kernels) > 1 or len(numbers) > (treatment.drawn is not None):
            raise UsageError(f"treatment {text!r}: too many arguments")
        value = treatment.number(text, numbers[0]) if numbers else None
        parts.append(_Part(treatment, value, kernels[0] if kernels else None))
    return tuple(parts)


# --- the treatments --------------------------------------------------------------------------


def _raw(state: _State, _part: _Part, _draws: Draws) -> _State:
    return state


def _norm(state: _State, part: _Part, draws: Draws) -> _State:
    most = NORM_SIDES[1] if part.value is None else part.value
    sides = []
    for name, full in zip(("height", "width"), state.pixels.shape, strict=False):
        # Drawn below the picture's own side, not cut to it: else a class of one size would show as
        # a heap of crops of just that size.
        high = min(full, int(most))
        low = min(NORM_SIDES[0], high)
        sides.append(low + round(draws.uniform(name, (0, 1)) * (high - low)))
    quality = draws.integer("quality", NORM_QUALITY)
    cropped = _cut(state, sides[0], sides[1], draws)
    return _jpeg_saved(cropped, quality, draws.choice("subsampling", ("4:4:4", "4:2:0")))


def _web(state: _State, _part: _Part, _draws: Draws) -> _State:
    return _jpeg_saved(_at_most(state, 768), 60)


def _hard(state: _State, _part: _Part, _draws: Draws) -> _State:
    return _jpeg_saved(_at_most(state, 512), 40)


def _social(state: _State, _part: _Part, _draws: Draws) -> _State:
    first = _jpeg_saved(_at_most(state, 1280), 75)
    return _jpeg_saved(_at_most(_reopened(first), 1080), 70)


def _fit(state: _State, part: _Part, draws: Draws) -> _State:
    return _png_saved(_at_most(state, int(part.number(draws, "longest"))))


def _jpeg(state: _State, part: _Part, draws: Draws) -> _State:
    return _jpeg_saved(state, int(part.number(draws, "quality")))


def _webp(state: _State, part: _Part, draws: Draws) -> _State:
    quality = int(part.number(draws, "quality"))
    step: Step = {"step": "webp", "quality": quality}
    return _saved(state, encode_webp(state.pixels, quality), "webp", step)


def _avif(state: _State, part: _Part, draws: Draws) -> _State:
    quality = int(part.number(draws, "quality"))
    step: Step = {"step": "avif", "quality": quality}
    return _saved(state, encode_avif(state.pixels, quality), "avif", step)


def _resize(state: _State, part: _Part, draws: Draws) -> _State:
    factor = part.number(draws, "factor")
    return _png_saved(_resized(state, factor, part.kernel or draws.choice("filter", [*FILTERS])))


def _screenshot(state: _State, part: _Part, draws: Draws) -> _State:
    return _png_saved(_resized(state, part.number(draws, "factor"), "bilinear"))


def _crop(state: _State, part: _Part, draws: Draws) -> _State:
    share = part.number(draws, "share")
    height, width = (max(1, round(share * side)) for side in state.pixels.shape[:2])
    return _png_saved(_cut(state, height, width, draws))


def _blur(state: _State, part: _Part, draws: Draws) -> _State:
    sigma = part.number(draws, "sigma")
    blurred = np.asarray(cv2.GaussianBlur(state.pixels, (0, 0), sigma), np.uint8)
    step: Step = {"step": "blur", "sigma": sigma}
    return _png_saved(replace(state, pixels=blurred, steps=(*state.steps, step)))


def _noise(state: _State, part: _Part, draws: Draws) -> _State:
    sigma = part.number(draws, "sigma")
    field = draws.generator("field").standard_normal(state.pixels.shape, np.float32)
    noisy = as_bytes(state.pixels + np.float32(sigma) * field)
    step: Step = {"step": "noise", "sigma": sigma}
    return _png_saved(replace(state, pixels=noisy, steps=(*state.steps, step)))


TREATMENTS: Mapping[str, _Treatment] = {
    "raw": _Treatment(_raw),
    "norm": _Treatment(_norm, NORM_SIDES, NORM_SIDES, whole=True),
    "web": _Treatment(_web),
    "hard": _Treatment(_hard),
    "social": _Treatment(_social),
    "fit": _Treatment(_fit, (128, 256), (16, 8192), whole=True),
    "jpeg": _Treatment(_jpeg, (40, 95), (1, 100), whole=True),
    "recompress": _Treatment(_jpeg, (40, 95), (1, 100), whole=True),
    "resize": _Treatment(_resize, (0.5, 2.0), (0.05, 4.0)),
    "screenshot": _Treatment(_screenshot, (0.4, 0.95), (0.1, 2.0)),
    "crop": _Treatment(_crop, (0.6, 0.95), (0.05, 0.99)),
    "blur": _Treatment(_blur, (0.5, 2.0), (0.1, 50.0)),
    "noise": _Treatment(_noise, (2.0, 10.0), (0.1, 100.0)),
    "webp": _Treatment(_webp, (40, 95), (0, 100), whole=True),
    "avif": _Treatment(_avif, (40, 90), (0, 100), whole=True),
}


# --- what they are made of -------------------------------------------------------------------


def _at_most(state: _State, longest: int) -> _State:
    """Area resampling until the long side is at most `longest`; never enlarged."""
    height, width = state.pixels.shape[:2]
    if max(height, width) <= longest:
        return state
    factor = longest / max(height, width)
    size = (max(1, round(height * factor)), max(1, round(width * factor)))
    pixels = cv2.resize(state.pixels, size[::-1], interpolation=cv2.INTER_AREA)
    step: Step = {"step": "resize", "height": size[0], "width": size[1], "filter": "area"}
    mask = None if state.mask is None else resize_mask(state.mask, size)
    return replace(
        state, pixels=np.asarray(pixels, np.uint8), mask=mask, steps=(*state.steps, step)
    )


def _resized(state: _State, factor: float, kernel: str) -> _State:
    size = tuple(max(1, round(side * factor)) for side in state.pixels.shape[:2])
    state.limits.check_size(size[1], size[0], "resized picture")
    # Pillow widens the kernel when shrinking, as browsers and editors do; OpenCV would alias.
    image = Image.fromarray(state.pixels).resize((size[1], size[0]), FILTERS[kernel])
    step: Step = {"step": "resize", "height": size[0], "width": size[1], "filter": kernel}
    mask = None if state.mask is None else resize_mask(state.mask, (size[0], size[1]))
    return replace(state, pixels=np.array(image), mask=mask, steps=(*state.steps, step))


def _cut(state: _State, height: int, width: int, draws: Draws) -> _State:
    full = state.pixels.shape
    # Positions as shares, so that twins of one size get one window.
    y = round(draws.uniform("top", (0, 1)) * (full[0] - height))
    x = round(draws.uniform("left", (0, 1)) * (full[1] - width))
    window = (slice(y, y + height), slice(x, x + width))
    step: Step = {"step": "crop", "x": x, "y": y, "width": width, "height": height}
    return replace(
        state,
        pixels=np.ascontiguousarray(state.pixels[window]),
        mask=None if state.mask is None else state.mask[window].copy(),
        steps=(*state.steps, step),
    )


def resize_mask(mask: Pixels, size: tuple[int, int]) -> Pixels:
    """Mask labels at a new (height, width): the label that covers at least half of a pixel."""
    shrinks = size[0] * size[1] < mask.size
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    result = np.zeros(size, np.uint8)
    for label in (COPIED_FROM, ALTERED):
        share = cv2.resize((mask == label).astype(np.float32), size[::-1], interpolation=how)
        result[share >= 0.5] = label
    return result


def _jpeg_saved(state: _State, quality: int, subsampling: str = "4:2:0") -> _State:
    data = encode_jpeg(state.pixels, quality, subsampling)
    step: Step = {"step": "jpeg", "quality": quality, "subsampling": subsampling}
    return _saved(state, data, "jpeg", step)


def _png_saved(state: _State) -> _State:
    return _saved(state, encode_png(state.pixels), "png", {"step": "png"})


def _saved(state: _State, data: bytes, kind: str, step: Step) -> _State:
    return replace(state, data=data, format=kind, steps=(*state.steps, step))


def _reopened(state: _State) -> _State:
    """The state with the pixels of its last save: a second hop sees what the first one left."""
    if not state.data:
        return state
    return replace(state, pixels=decode(state.data), data=b"", format="")
