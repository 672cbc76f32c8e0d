"""Pictures enlarged or cleaned by networks a user has: how many generators draw their last pixels.

Diffusion in pixel space, and most services, draw a small picture and let a network enlarge it. A
network is a generator folder of the kind ``enlarger``; ``scripts/convert_ncnn`` makes one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from tellsign.errors import ArtifactError, ForgeError
from tellsign.forge.generate import from_network, read_form, reconstruct, to_network
from tellsign.nn.runtime import network

Pixels = NDArray[np.uint8]

MARGIN: Final = 32  # pixels reflected around a picture; networks without padding eat up to 28
COARSE: Final = 8  # pixels; what a network draws anew agrees with its picture on this scale
ALIKE: Final = 12.0  # grey levels of mean difference there; of sound networks 2 of 322 pictures
LARGEST: Final = 1024  # pixels of a side; networks of dense blocks need gigabytes beyond


def enlarge(pixels: Pixels, folder: Path) -> Pixels:
    """What the network makes of a picture.

    Parameters
    ----------
    pixels : (H, W, 3) uint8 RGB
    folder
        Holds ``generator.toml`` and ``enlarger.onnx``; the network may lose a margin.

    Returns
    -------
    (f H, f W, 3) uint8, with the network's factor f.

    Raises
    ------
    ForgeError
        The picture has a side beyond `LARGEST` pixels.
    ArtifactError
        The folder holds no such network.
    """
    height, width = pixels.shape[:2]
    if max(height, width) > LARGEST:
        raise ForgeError(f"{width} x {height} pixels are too many to enlarge; at most {LARGEST}")
    form = read_form(folder)
    if form.kind != "enlarger":
        raise ArtifactError(f"{folder}: a {form.kind} does not enlarge; wants an enlarger")
    wide = np.pad(pixels, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), "symmetric")
    out = network(folder / "enlarger.onnx").run(to_network(wide[None], form))
    rows, columns = form.factor * height, form.factor * width
    top, left = (out.shape[2] - rows) // 2, (out.shape[3] - columns) // 2
    if out.shape[1] != 3 or min(top, left) < 0:
        raise ArtifactError(f"{folder}: {wide.shape[:2]} pixels became {out.shape[1:]}")
    return from_network(out, form)[0, top : top + rows, left : left + columns]


def again(pixels: Pixels, networks: Sequence[Path], *, autoencoder: Path | None = None) -> Pixels:
    """The picture made small and drawn anew by enlarging networks, one after the other.

    Parameters
    ----------
    pixels : (H, W, 3) uint8 RGB
        Both sides are multiples of the product of the networks' factors, by which it is shrunk.
    autoencoder
        Folder of one that the small picture goes through first, as in latent diffusion.

    Raises
    ------
    ArtifactError
        The sides are no such multiples; a network drew something else, since it wants another
        range or order of colours; and as `enlarge`.
    """
    height, width = pixels.shape[:2]
    factor = math.prod(read_form(folder).factor for folder in networks)
    if height % factor or width % factor:
        raise ArtifactError(f"{width} x {height} pixels are no multiples of {factor}")
    small = (width // factor, height // factor)
    drawn: Pixels = np.asarray(cv2.resize(pixels, small, interpolation=cv2.INTER_AREA), np.uint8)
    if autoencoder is not None:
        drawn = reconstruct(drawn, autoencoder)
    for folder in networks:
        drawn = enlarge(drawn, folder)
    names = ", ".join(f.name for f in networks)
    if (gap := _gap(drawn, pixels)) > ALIKE:
        raise ArtifactError(f"{names} drew another picture: {gap:.0f} grey levels away")
    return drawn


def _gap(one: Pixels, other: Pixels) -> float:
    size = (max(1, one.shape[1] // COARSE), max(1, one.shape[0] // COARSE))
    a, b = (cv2.resize(p, size, interpolation=cv2.INTER_AREA).astype(float) for p in (one, other))
    return float(np.abs(a - b).mean())
