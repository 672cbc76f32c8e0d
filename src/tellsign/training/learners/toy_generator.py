"""Learner of the toys: a small autoencoder, GAN or diffusion model of the bank's photographs.

What it writes is no detector's artifact but a generator folder that `tellsign.forge.generate`
reads: for paired reconstructions, teaching, and experiments in a world where every generator is
known.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellsign.errors import UsageError
from tellsign.forge.generate import FILES, FORM, Form
from tellsign.training.recipe import Job
from tellsign.training.toys.export import export_autoencoder, export_diffusion, export_generator
from tellsign.training.toys.fit import fit_autoencoder, fit_diffusion, fit_gan
from tellsign.training.toys.networks import UPSAMPLINGS
from tellsign.training.toys.pictures import from_bank

LICENCE = "Apache-2.0"
REDUCTION = 8  # of the encoder, in pixels per latent


@dataclass(frozen=True, slots=True)
class Settings:
    kind: str  # autoencoder, gan, diffusion
    upsampling: str = "nearest"  # of autoencoder and gan
    side: int = 64  # pixels; what is learnt from, and for gan and diffusion what is made
    width: int = 32  # channels at full size
    latent: int = 64  # numbers per picture (gan) or per 8 x 8 pixels (autoencoder)
    batch: int = 32
    steps: int = 800
    sampling_steps: int = 40  # of a diffusion model
    latest: float = 1.0  # time up to which a diffusion model learns; 1 is noise alone
    pictures: int = 6000  # at most

    def __post_init__(self) -> None:
        if self.kind not in FILES:
            raise UsageError(f"toy_generator: kind must be one of {', '.join(FILES)}")
        if self.upsampling not in UPSAMPLINGS:
            raise UsageError(f"toy_generator: upsampling is one of {', '.join(UPSAMPLINGS)}")
        if self.side not in (16, 32, 64, 128):
            raise UsageError(f"toy_generator: side must be 16, 32, 64 or 128; got {self.side}")
        if not 0 < self.latest <= 1:
            raise UsageError(f"toy_generator: latest lies above 0, up to 1; got {self.latest}")


def fit(job: Job) -> None:
    """Train on the photographs of the bank and write the generator with its card."""
    settings = job.checked(Settings)
    pictures, groups = from_bank(job.bank, settings.pictures, settings.side, job.seed)
    worst = make(settings, pictures, job.out, job.recipe.name, job.minutes, job.seed)
    summary = f"A toy {settings.kind}; torch and ONNX differ by at most {worst:.1g}"
    data = f"{len(pictures)} reduced crops of photographs: {', '.join(groups)}"
    job.finish(summary, data, (FORM, *FILES[settings.kind]))


def make(
    settings: Settings, pictures: NDArray[np.uint8], folder: Path, name: str, minutes: float,
    seed: int,
) -> float:  # fmt: skip
    """Train one toy on (n, side, side, 3) uint8 and write its folder.

    Returns the largest difference between torch and ONNX on one batch, in the network's unit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    s = settings
    if s.kind == "autoencoder":
        encoder, decoder = fit_autoencoder(
            pictures, s.upsampling, width=s.width, latent=s.latent, batch=s.batch, steps=s.steps,
            minutes=minutes, seed=seed,
        )  # fmt: skip
        form = Form(s.kind, name, LICENCE, 0.0, 1.0, multiple_of=REDUCTION)
        return export_autoencoder(folder, encoder, decoder, form, s.latent)
    if s.kind == "gan":
        generator = fit_gan(
            pictures, s.upsampling, width=s.width, latent=s.latent, batch=s.batch, steps=s.steps,
            minutes=minutes, seed=seed,
        )  # fmt: skip
        form = Form(s.kind, name, LICENCE, -1.0, 1.0, latent=(s.latent,))
        return export_generator(folder, generator, form)
    denoiser = fit_diffusion(
        pictures, width=s.width, batch=s.batch, steps=s.steps, minutes=minutes, seed=seed,
        latest=s.latest,
    )  # fmt: skip
    latent = (3, s.side, s.side)
    form = Form(s.kind, name, LICENCE, -1.0, 1.0, latent=latent, steps=s.sampling_steps)
    return export_diffusion(folder, denoiser, form)
