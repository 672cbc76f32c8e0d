"""The toys' networks, alike in everything but how they enlarge: that is what leaves the traces.

Four up-samplings, each doubling the sides: ``transposed`` convolution (Odena et al., Distill 2016:
chequerboards), ``nearest`` and ``bilinear`` interpolation before a convolution, and ``shuffle``
(sub-pixel convolution, Shi et al., CVPR 2016).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

UPSAMPLINGS = ("transposed", "nearest", "bilinear", "shuffle")


def up(kind: str, inputs: int, outputs: int) -> nn.Module:
    """One doubling of height and width. Raises ValueError for an unknown `kind`."""
    match kind:
        case "transposed":
            return nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)
        case "nearest":
            enlarge: nn.Module = nn.Upsample(scale_factor=2, mode="nearest")
            return nn.Sequential(enlarge, nn.Conv2d(inputs, outputs, 3, 1, 1))
        case "bilinear":
            enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
            return nn.Sequential(enlarge, nn.Conv2d(inputs, outputs, 3, 1, 1))
        case "shuffle":
            return nn.Sequential(nn.Conv2d(inputs, 4 * outputs, 3, 1, 1), nn.PixelShuffle(2))
        case _:
            raise ValueError(f"no up-sampling {kind!r}; there are {', '.join(UPSAMPLINGS)}")


class Encoder(nn.Sequential):
    """(n, 3, h, w) in 0...1 to (n, latent, h/8, w/8)."""

    def __init__(self, width: int, latent: int) -> None:
        layers: list[nn.Module] = []
        channels = 3
        for wider in (width, 2 * width, 2 * width):
            layers += [nn.Conv2d(channels, wider, 4, 2, 1), nn.LeakyReLU(0.2)]
            channels = wider
        layers.append(nn.Conv2d(channels, latent, 3, 1, 1))
        super().__init__(*layers)


class Decoder(nn.Sequential):
    """The way back, with three doublings of one kind."""

    def __init__(self, kind: str, width: int, latent: int) -> None:
        layers: list[nn.Module] = [nn.Conv2d(latent, 2 * width, 3, 1, 1), nn.LeakyReLU(0.2)]
        channels = 2 * width
        for narrower in (2 * width, width, width):
            layers += [up(kind, channels, narrower), nn.LeakyReLU(0.2)]
            channels = narrower
        layers.append(nn.Conv2d(channels, 3, 3, 1, 1))
        super().__init__(*layers)


class Generator(nn.Module):
    """DCGAN-like (Radford et al., ICLR 2016): (n, latent) normal numbers to (n, 3, side, side)."""

    def __init__(self, kind: str, width: int, latent: int, side: int) -> None:
        super().__init__()
        doublings = (side // 4).bit_length() - 1
        if 4 << doublings != side or doublings < 2:
            raise ValueError(f"side must be 16, 32, 64, 128, ...; got {side}")
        self.top = width << (doublings - 1)
        self.first = nn.Sequential(nn.Linear(latent, self.top * 16, bias=False))
        layers: list[nn.Module] = [nn.BatchNorm2d(self.top), nn.ReLU()]
        channels = self.top
        for _ in range(doublings - 1):
            layers += [up(kind, channels, channels // 2), nn.BatchNorm2d(channels // 2), nn.ReLU()]
            channels //= 2
        self.rest = nn.Sequential(*layers, up(kind, channels, 3), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        out: Tensor = self.rest(self.first(z).view(-1, self.top, 4, 4))
        return out


class Critic(nn.Sequential):
    """The generator's mirror: (n, 3, side, side) to (n, 1)."""

    def __init__(self, width: int, side: int) -> None:
        doublings = (side // 4).bit_length() - 1
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        channels = width
        for _ in range(doublings - 1):
            layers += [
                nn.Conv2d(channels, 2 * channels, 4, 2, 1),
                nn.BatchNorm2d(2 * channels),
                nn.LeakyReLU(0.2),
            ]
            channels *= 2
        super().__init__(*layers, nn.Flatten(), nn.Linear(channels * 16, 1))


class Denoiser(nn.Module):
    """A U-net with two levels for teaching: (n, 4, h, w), last plane the time, to (n, 3, h, w)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = _block(4, width)
        self.down = _block(width, 2 * width, stride=2)
        self.bottom = _block(2 * width, 4 * width, stride=2)
        self.middle = _block(4 * width + 1, 4 * width)
        self.rise = up("nearest", 4 * width, 2 * width)
        self.join = _block(4 * width + 1, 2 * width)
        self.top = up("nearest", 2 * width, width)
        self.leave = nn.Sequential(_block(2 * width + 1, width), nn.Conv2d(width, 3, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        time = x[:, 3:]
        high = self.enter(x)
        half = self.down(high)
        low = self.bottom(half)
        low = self.middle(torch.cat([low, time[..., ::4, ::4]], 1))
        half = self.join(torch.cat([self.rise(low), half, time[..., ::2, ::2]], 1))
        out: Tensor = self.leave(torch.cat([self.top(half), high, time], 1))
        return out


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1),
        nn.GroupNorm(4, outputs),
        nn.SiLU(),
        nn.Conv2d(outputs, outputs, 3, 1, 1),
        nn.GroupNorm(4, outputs),
        nn.SiLU(),
    )
