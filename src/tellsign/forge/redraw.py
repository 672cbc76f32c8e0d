"""Photographs whose fine texture a diffusion model draws anew.

Noise is added up to some time and taken away again step by step, as in SDEdit (Meng et al., ICLR
2022): what is larger than the noise stays, what is finer is the model's. Generators that diffuse
pixels, or enlarge in stages, leave such texture over the whole picture.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellsign.errors import ArtifactError
from tellsign.forge.generate import denoised, from_network, read_form, signal_and_noise, to_network

MULTIPLE = 4  # the denoiser halves sides twice

Pixels = NDArray[np.uint8]


def redraw(pixels: Pixels, folder: Path, *, until: float, steps: int, seed: int) -> Pixels:
    """The picture after noise up to time `until`, above 0, at most 1, and `steps` of denoising.

    Parameters
    ----------
    pixels : (H, W, 3) uint8 RGB
        Reflected to sides the model accepts, and cut back.

    Raises
    ------
    ArtifactError
        When `folder` holds no diffusion model of pixels, or `until` or `steps` are out of range.
    """
    form = read_form(folder)
    if form.kind != "diffusion" or form.latent[0] != 3:
        raise ArtifactError(f"{folder}: a {form.kind} cannot redraw; wants a diffusion model")
    if not 0 < until <= 1 or steps < 1:
        raise ArtifactError(f"until must lie above 0, up to 1, steps from 1; got {until}, {steps}")
    height, width = pixels.shape[:2]
    down, right = -height % MULTIPLE, -width % MULTIPLE
    whole = np.pad(pixels, ((0, down), (0, right), (0, 0)), "symmetric")
    clean = to_network(whole[None], form)
    noise = np.random.Generator(np.random.Philox(seed)).standard_normal(clean.shape)
    a, s = signal_and_noise(until)
    noisy = np.asarray(a * clean + s * noise, np.float32)
    again = denoised(noisy, folder, form, np.linspace(until, 0, steps + 1))
    return from_network(again, form)[0, :height, :width]
