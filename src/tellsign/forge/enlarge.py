"""Pictures enlarged or cleaned by networks a user has: how many generators draw their last pixels.

Diffusion in pixel space, and most services, draw a small picture and let a network enlarge it. A
network is two files in ncnn's form, ``NAME.param`` and ``NAME.bin``; nothing is downloaded and none
comes with tellsign.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from tellsign.errors import ArtifactError, ForgeError, MissingExtra
from tellsign.forge.generate import reconstruct

Pixels = NDArray[np.uint8]

MARGIN: Final = 32  # pixels reflected around a picture; networks without padding eat up to 28
COARSE: Final = 8  # pixels; what a network draws anew agrees with its picture on this scale
ALIKE: Final = 12.0  # grey levels of mean difference there; of 140 pictures of sound networks, none
LARGEST: Final = 1024  # pixels of a side; networks of dense blocks need gigabytes beyond
# Half precision overflows in residual networks of this depth on CPUs that emulate it.
FULL_PRECISION: Final = {
    "use_fp16_packed": False,
    "use_fp16_storage": False,
    "use_fp16_arithmetic": False,
    "use_bf16_storage": False,
    "use_vulkan_compute": False,
}


def enlarge(pixels: Pixels, param: Path) -> Pixels:
    """What the network makes of a picture.

    Parameters
    ----------
    pixels : (H, W, 3) uint8 RGB
    param
        The ``.param`` file; the ``.bin`` of the same name lies beside it. The network takes and
        gives RGB in 0 to 1 and may lose a margin.

    Returns
    -------
    (f H, f W, 3) uint8, with the network's whole factor f >= 1.

    Raises
    ------
    ForgeError
        The picture has a side beyond `LARGEST` pixels.
    ArtifactError
        The files hold no such network.
    MissingExtra
        ncnn is not installed.
    """
    height, width = pixels.shape[:2]
    if max(height, width) > LARGEST:
        raise ForgeError(f"{width} x {height} pixels are too many to enlarge; at most {LARGEST}")
    around = ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0))
    wide = np.pad(pixels, around, "symmetric").transpose(2, 0, 1).astype(np.float32)
    out = _run(param, wide / np.float32(255))
    channels, rows, columns = out.shape
    factor = math.ceil(rows / wide.shape[1])
    top, left = (rows - factor * height) // 2, (columns - factor * width) // 2
    if channels != 3 or min(top, left) < 0 or factor != math.ceil(columns / wide.shape[2]):
        raise ArtifactError(f"{param.name}: {wide.shape[1:]} pixels became {out.shape}")
    inside = out[:, top : top + factor * height, left : left + factor * width]
    levels = np.clip(np.rint(inside * 255), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(1, 2, 0))


def again(
    pixels: Pixels,
    params: Sequence[Path],
    factor: int,
    *,
    autoencoder: Path | None = None,
    noise: float = 0.0,
    seed: int = 0,
) -> Pixels:
    """The picture made small by `factor` and drawn anew by the networks one after the other.

    Parameters
    ----------
    pixels : (H, W, 3) uint8 RGB
        Both sides are multiples of `factor`.
    autoencoder
        Folder of one that the small picture goes through first, as in latent diffusion.
    noise
        Standard deviation, in grey levels, of what is added to the small picture: the networks
        take it for detail or clean it away, as the last steps of diffusion do.

    Raises
    ------
    ArtifactError
        The networks together do not enlarge by `factor`, or draw something else: they want
        another range or order of colours; and as `enlarge`.
    """
    height, width = pixels.shape[:2]
    small = (width // factor, height // factor)
    drawn: Pixels = np.asarray(cv2.resize(pixels, small, interpolation=cv2.INTER_AREA), np.uint8)
    if autoencoder is not None:
        drawn = reconstruct(drawn, autoencoder)
    if noise:
        rough = drawn + np.random.default_rng(seed).normal(0.0, noise, drawn.shape)
        drawn = np.clip(np.rint(rough), 0, 255).astype(np.uint8)
    for param in params:
        drawn = enlarge(drawn, param)
    names = ", ".join(p.name for p in params)
    if drawn.shape != pixels.shape:
        raise ArtifactError(f"{names} do not enlarge by {factor}")
    if (gap := _gap(drawn, pixels)) > ALIKE:
        raise ArtifactError(f"{names} drew another picture: {gap:.0f} grey levels away")
    return drawn


def _gap(one: Pixels, other: Pixels) -> float:
    size = (max(1, one.shape[1] // COARSE), max(1, one.shape[0] // COARSE))
    a, b = (cv2.resize(p, size, interpolation=cv2.INTER_AREA).astype(float) for p in (one, other))
    return float(np.abs(a - b).mean())


def _run(param: Path, values: NDArray[np.float32]) -> NDArray[np.float32]:
    net, mat = _network(param)
    extractor = net.create_extractor()
    extractor.input(net.input_names()[0], mat(np.ascontiguousarray(values)).clone())
    failed, out = extractor.extract(net.output_names()[0])
    found = np.array(out, np.float32) if not failed else np.empty(0, np.float32)
    if found.ndim != 3 or not np.isfinite(found).all():
        raise ArtifactError(f"{param.name}: gives no picture for {values.shape}")
    return found


@lru_cache(maxsize=4)
def _network(param: Path) -> tuple[Any, Any]:
    """The loaded network, and ncnn's type of an array."""
    try:
        import ncnn
    except ImportError:
        raise MissingExtra("Enlarging networks", "enlarge") from None
    weights = param.with_suffix(".bin")
    if missing := [p.name for p in (param, weights) if not p.is_file()]:
        raise ArtifactError(f"{param.parent}: {', '.join(missing)} missing")
    net = ncnn.Net()
    for option, value in FULL_PRECISION.items():
        setattr(net.opt, option, value)
    if net.load_param(str(param)) or net.load_model(str(weights)) or not net.output_names():
        raise ArtifactError(f"{param}: no network that ncnn reads")
    return net, ncnn.Mat
