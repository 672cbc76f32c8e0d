"""Generated pictures of our own making: reconstructions and samples by networks a user has.

A generator is a folder with ``generator.toml`` and ONNX files; nothing is downloaded and none comes
with tellsign. Four kinds are known::

    kind = "autoencoder"        encoder.onnx, decoder.onnx
    name = "toy-nearest"
    licence = "Apache-2.0"
    range = [0.0, 1.0]          values of black and white in the networks' pictures
    multiple_of = 8             sides the encoder accepts
    scale = 1.0                 optional: latents are multiplied by it between the two

    kind = "gan"                generator.onnx
    latent = [64]               shape of one draw from the normal distribution

    kind = "diffusion"          denoiser.onnx: picture and time, (n, 4, h, w), to (n, 3, h, w)
    latent = [3, 32, 32]
    steps = 25

    kind = "enlarger"           enlarger.onnx; see `tellsign.forge.enlarge`
    factor = 2                  a picture's sides grow by it

``tellsign train`` with a recipe ``toy_*`` makes such folders from photographs; ``scripts/
convert_taesd`` and ``scripts/convert_ncnn`` make them from weights that a user has.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellsign.errors import ArtifactError
from tellsign.nn.runtime import network

FORM = "generator.toml"
FILES = {
    "autoencoder": ("encoder.onnx", "decoder.onnx"),
    "gan": ("generator.onnx",),
    "diffusion": ("denoiser.onnx",),
    "enlarger": ("enlarger.onnx",),
}
DRAWING = ("gan", "diffusion")  # kinds that make pictures of noise alone
TILE = 1024  # pixels; a convolutional autoencoder of 64 channels needs 0.3 GB for one
MARGIN = 64  # pixels around a tile that are reconstructed and dropped
BATCH = 16  # constant, because the last bits of a sum depend on it

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Form:
    """The checked content of ``generator.toml``."""

    kind: str
    name: str
    licence: str
    low: float  # of black
    high: float  # of white
    scale: float = 1.0
    multiple_of: int = 1
    latent: tuple[int, ...] = ()
    steps: int = 0
    factor: int = 1


def read_form(folder: Path) -> Form:
    """Raises ArtifactError when the folder holds no generator of a known form."""
    path = folder / FORM
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
        low, high = (float(v) for v in raw.pop("range"))
        raw["latent"] = tuple(int(v) for v in raw.get("latent", ()))
        form = Form(low=low, high=high, **raw)
    except OSError as error:
        raise ArtifactError(f"{folder}: no generator: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path}: {error}") from None
    _check(form, folder)
    return form


def _check(form: Form, folder: Path) -> None:
    wanted = FILES.get(form.kind)
    if wanted is None:
        raise ArtifactError(f"{folder / FORM}: kind must be one of {', '.join(FILES)}")
    if missing := [name for name in wanted if not (folder / name).is_file()]:
        raise ArtifactError(f"{folder}: {', '.join(missing)} missing")
    fits = form.high > form.low and min(form.multiple_of, form.factor) >= 1 and form.scale > 0
    drawn = form.kind not in DRAWING or (bool(form.latent) and min(form.latent) >= 1)
    if not fits or not drawn or (form.kind == "diffusion" and form.steps < 2):
        raise ArtifactError(f"{folder / FORM}: range, multiple_of, scale, latent, steps or factor")


def write_form(folder: Path, form: Form) -> None:
    """Write ``generator.toml`` beside the networks; `read_form` reads it back."""
    lines = [
        f'kind = "{form.kind}"',
        f'name = "{form.name}"',
        f'licence = "{form.licence}"',
        f"range = [{form.low}, {form.high}]",
    ]
    if form.kind == "autoencoder":
        lines += [f"multiple_of = {form.multiple_of}", f"scale = {form.scale}"]
    elif form.kind == "enlarger":
        lines.append(f"factor = {form.factor}")
    else:
        lines.append(f"latent = {list(form.latent)}")
    if form.kind == "diffusion":
        lines.append(f"steps = {form.steps}")
    (folder / FORM).write_text("\n".join(lines) + "\n", "utf-8")


def digest(folder: Path) -> str:
    """sha256 over the form and the networks: what a record names instead of a path."""
    total = hashlib.sha256()
    for name in (FORM, *FILES[read_form(folder).kind]):
        total.update(hashlib.sha256((folder / name).read_bytes()).digest())
    return total.hexdigest()


# --- through an autoencoder and back -----------------------------------------------------------


def reconstruct(pixels: Pixels, folder: Path, *, noise: float = 0.0, seed: int = 0) -> Pixels:
    """The same picture after encoder and decoder: what latent diffusion does to every picture.

    Parameters
    ----------
    pixels : (H, W, 3) uint8 RGB
        Reflected to sides the encoder accepts, and cut back. Beyond `TILE` pixels in a side, tiles
        with a margin are reconstructed one by one.
    noise
        Standard deviation of what is added to the latents, in their own unit: a diffusion model's
        latents are not those of any picture either.

    Raises
    ------
    ArtifactError
        When `folder` holds no autoencoder, or its output has another size than its input.
    """
    form = read_form(folder)
    if form.kind != "autoencoder":
        raise ArtifactError(f"{folder}: a {form.kind} does not reconstruct; wants an autoencoder")
    height, width = pixels.shape[:2]
    rng = np.random.default_rng(seed)
    out = np.empty_like(pixels)
    for top, bottom in _spans(height):
        for left, right in _spans(width):
            first = (max(0, top - MARGIN), max(0, left - MARGIN))
            part = pixels[first[0] : bottom + MARGIN, first[1] : right + MARGIN]
            again = _round_trip(part, folder, form, noise, rng)
            inside = again[top - first[0] : bottom - first[0], left - first[1] : right - first[1]]
            out[top:bottom, left:right] = inside
    return out


def _spans(length: int) -> Iterator[tuple[int, int]]:
    count = -(-length // TILE)
    # Whole multiples of 64 keep every tile on the picture's own latent grid.
    size = -(-length // count // 64) * 64 if count > 1 else length
    for start in range(0, length, size):
        yield start, min(length, start + size)


def _round_trip(
    pixels: Pixels, folder: Path, form: Form, noise: float, rng: np.random.Generator
) -> Pixels:
    height, width = pixels.shape[:2]
    down, right = -height % form.multiple_of, -width % form.multiple_of
    whole = np.pad(pixels, ((0, down), (0, right), (0, 0)), "symmetric")
    latents = network(folder / "encoder.onnx").run(to_network(whole[None], form))
    if noise:
        latents = latents + rng.normal(0, noise, latents.shape).astype(np.float32)
    again = network(folder / "decoder.onnx").run(latents * np.float32(form.scale))
    if again.shape != (1, 3, *whole.shape[:2]):
        raise ArtifactError(f"{folder}: {whole.shape[:2]} pixels became {again.shape[-2:]}")
    return from_network(again, form)[0, :height, :width]


# --- from noise --------------------------------------------------------------------------------


def sample(folder: Path, n: int, seed: int) -> Pixels:
    """`n` pictures of a generator, (n, H, W, 3) uint8; the same seed gives the same pictures.

    Raises ArtifactError when `folder` holds no generator that draws.
    """
    form = read_form(folder)
    if form.kind not in DRAWING:
        raise ArtifactError(f"{folder}: an {form.kind} does not draw pictures")
    rng = np.random.Generator(np.random.Philox(seed))
    parts = []
    for start in range(0, n, BATCH):
        noise = rng.standard_normal((BATCH, *form.latent)).astype(np.float32)
        if form.kind == "diffusion":
            drawn = denoised(noise, folder, form, np.linspace(1, 0, form.steps + 1))
        else:
            drawn = network(folder / "generator.onnx").run(noise)
        parts.append(from_network(drawn, form)[: n - start])
    return np.concatenate(parts)


def denoised(noisy: Floats, folder: Path, form: Form, times: NDArray[np.float64]) -> Floats:
    """(n, C, h, w) pictures at times[0], falling to 0: deterministic sampling by velocities.

    Song et al., ICLR 2021 (DDIM); Salimans & Ho, ICLR 2022 (velocity): x = a clean + s noise,
    v = a noise - s clean, with a = cos(pi t / 2), s = sin(pi t / 2).
    """
    denoiser = network(folder / "denoiser.onnx")
    x = noisy
    for now, then in zip(times, times[1:], strict=False):
        a, s = signal_and_noise(now)
        velocity = denoiser.run(np.concatenate([x, np.full_like(x[:, :1], now)], axis=1))
        clean = np.clip(a * x - s * velocity, form.low, form.high)
        left = (x - a * clean) / s
        a, s = signal_and_noise(then)
        x = np.asarray(a * clean + s * left, np.float32)
    return x


def signal_and_noise(time: float) -> tuple[float, float]:
    """Shares of picture and noise at `time` 0 (picture) to 1 (noise)."""
    return float(np.cos(np.pi / 2 * time)), float(np.sin(np.pi / 2 * time))


def to_network(pixels: Pixels, form: Form) -> Floats:
    """(n, H, W, 3) uint8 to (n, 3, H, W) float32 in the form's range."""
    spread = np.float32((form.high - form.low) / 255)
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)) * spread + np.float32(form.low)


def from_network(values: Floats, form: Form) -> Pixels:
    """(n, 3, H, W) float32 in the form's range to (n, H, W, 3) uint8, rounded and clipped."""
    levels = (values - form.low) * (255 / (form.high - form.low))
    return np.ascontiguousarray(
        np.clip(np.rint(levels), 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    )
