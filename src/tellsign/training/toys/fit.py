"""Three short loops: autoencoder, GAN, diffusion. Each stops after `steps` or at the deadline.

All take (n, side, side, 3) uint8 pictures and are reproducible from the seed as long as the
deadline does not cut them. Matrix products run in bfloat16 where the processor has it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tellsign.training.toys.networks import Critic, Decoder, Denoiser, Encoder, Generator

Pixels = NDArray[np.uint8]
# Radford et al., ICLR 2016.
GAN_RATE, GAN_BETAS = 2e-4, (0.5, 0.999)
RATE = 2e-3
AVERAGE = 0.995  # of the weights that are kept; a diffusion model's last step alone is ragged


def half_precision() -> torch.autocast:
    return torch.autocast("cpu", dtype=torch.bfloat16)


def batches(
    pictures: Pixels, size: int, steps: int, minutes: float, rng: np.random.Generator
) -> Iterator[Tensor]:
    """(size, 3, side, side) float32 in 0...1, mirrored at random, until steps or time are over."""
    end = time.monotonic() + 60 * minutes
    for _ in range(steps):
        if time.monotonic() > end:
            return
        chosen = pictures[rng.integers(len(pictures), size=size)]
        mirrored = np.where(rng.random((size, 1, 1, 1)) < 0.5, chosen[:, :, ::-1], chosen)
        batch = torch.from_numpy(np.ascontiguousarray(mirrored.transpose(0, 3, 1, 2)))
        yield (batch.float() / 255).contiguous(memory_format=torch.channels_last)


def fit_autoencoder(
    pictures: Pixels, kind: str, *, width: int, latent: int, batch: int, steps: int,
    minutes: float, seed: int,
) -> tuple[Encoder, Decoder]:  # fmt: skip
    """Mean absolute error alone: what is lost is what the latents cannot carry."""
    torch.manual_seed(seed)
    encoder, decoder = Encoder(width, latent), Decoder(kind, width, latent)
    model = nn.Sequential(encoder, decoder).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(model.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for x in batches(pictures, batch, steps, minutes, np.random.default_rng(seed)):
        with half_precision():
            again = model(x)
        loss = functional.l1_loss(again.float(), x)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return encoder.eval(), decoder.eval()


def fit_gan(
    pictures: Pixels, kind: str, *, width: int, latent: int, batch: int, steps: int,
    minutes: float, seed: int,
) -> Generator:  # fmt: skip
    """Goodfellow et al., NeurIPS 2014, non-saturating; networks and rates of DCGAN."""
    torch.manual_seed(seed)
    side = pictures.shape[1]
    generator = Generator(kind, width, latent, side).to(memory_format=torch.channels_last)
    critic = Critic(width, side).to(memory_format=torch.channels_last)
    makes = torch.optim.Adam(generator.parameters(), GAN_RATE, GAN_BETAS)
    judges = torch.optim.Adam(critic.parameters(), GAN_RATE, GAN_BETAS)
    for x in batches(pictures, batch, steps, minutes, np.random.default_rng(seed)):
        with half_precision():
            made = generator(torch.randn(batch, latent))
            told = critic(x * 2 - 1), critic(made.detach())
        # One-sided label smoothing of Salimans et al., NeurIPS 2016.
        loss = _against(told[0], 0.9) + _against(told[1], 0.0)
        judges.zero_grad()
        loss.backward()
        judges.step()
        with half_precision():
            verdict = critic(made)
        makes.zero_grad()
        _against(verdict, 1.0).backward()
        makes.step()
    return generator.eval()


def _against(logits: Tensor, target: float) -> Tensor:
    wanted = torch.full_like(logits, target, dtype=torch.float32)
    return functional.binary_cross_entropy_with_logits(logits.float(), wanted)


def fit_diffusion(
    pictures: Pixels, *, width: int, batch: int, steps: int, minutes: float, seed: int,
    latest: float = 1.0,
) -> Denoiser:  # fmt: skip
    """Predict the velocity (Salimans & Ho, ICLR 2022) at times drawn evenly from 0 to `latest`.

    Time 1 is noise alone, see forge.generate; a model that only redraws pictures needs less.
    """
    torch.manual_seed(seed)
    model = Denoiser(width).to(memory_format=torch.channels_last)
    kept = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGE)
    )
    optimiser = torch.optim.Adam(model.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for x in batches(pictures, batch, steps, minutes, np.random.default_rng(seed)):
        clean, noise = x * 2 - 1, torch.randn_like(x)
        t = latest * torch.rand(batch, 1, 1, 1)
        a, s = torch.cos(torch.pi / 2 * t), torch.sin(torch.pi / 2 * t)
        plane = t.expand(-1, 1, *x.shape[2:])
        with half_precision():
            velocity = model(torch.cat([a * clean + s * noise, plane], 1))
        loss = functional.mse_loss(velocity.float(), a * noise - s * clean)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        kept.update_parameters(model)
    denoiser = kept.module
    assert isinstance(denoiser, Denoiser)
    return denoiser.eval()
