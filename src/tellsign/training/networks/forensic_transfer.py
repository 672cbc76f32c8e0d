"""An autoencoder of residuals whose latent maps are split between the two classes.

After Cozzolino, Thies, Rossler, Riess, Niessner & Verdoliva, "ForensicTransfer:
weakly-supervised domain adaptation for forgery detection", 2018, arXiv:1812.02510. Half of the
latent channels is to be active for generated pictures, the other half for pristine ones; before
decoding, the half of the other class is set to zero.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the field's own name
from torch import Tensor, nn

LATENT = 128  # channels of the latent map, half for each class
STRIDE = 16  # pixels for a cell of the latent map
KERNEL = (1.0, -3.0, 3.0, -1.0)  # third-order derivative
REACH = 16.0  # grey levels; residuals beyond are squashed by the hyperbolic tangent


def residual(pixels: Tensor) -> Tensor:
    """(n, 3, H, W) in 0..255 -> (n, 6, H, W): third derivative of each colour along x and y."""
    kernel = torch.tensor(KERNEL, dtype=pixels.dtype)
    along = kernel.view(1, 1, 1, 4).repeat(3, 1, 1, 1)
    down = kernel.view(1, 1, 4, 1).repeat(3, 1, 1, 1)
    x = F.conv2d(F.pad(pixels, (1, 2, 0, 0), "reflect"), along, groups=3)
    y = F.conv2d(F.pad(pixels, (0, 0, 1, 2), "reflect"), down, groups=3)
    return torch.cat([x, y], 1)


class Encoder(nn.Module):
    """Pixels (n, 3, H, W) in 0..255 -> residual (n, 6, H, W) and latent (n, 128, H/16, W/16).

    The residual is squashed to -1..1. The latent is not negative; its first half is that of
    pristine pictures.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 6
        for i, width in enumerate((*widths, LATENT)):
            layers += [
                nn.Conv2d(channels, width, 3, 1 if i == 0 else 2, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
            channels = width
        self.layers = nn.Sequential(*layers)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        squashed = torch.tanh(residual(pixels) / REACH)
        return squashed, self.layers(squashed)


class Decoder(nn.Module):
    """Latent (n, 128, h, w) -> residual in -1..1: nearest neighbour, then a convolution."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = LATENT
        for width in reversed(widths):
            layers += [
                nn.Upsample(scale_factor=2, mode="nearest"),
                nn.Conv2d(channels, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
            channels = width
        layers += [nn.Conv2d(channels, 6, 3, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, latent: Tensor) -> Tensor:
        return torch.as_tensor(self.layers(latent))


class ForensicTransfer(nn.Module):
    """Encoder, selection by class, decoder."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        if len(widths) != 4:  # with the latent layer four halvings: cells of 16 pixels
            raise ValueError(f"an encoder wants four widths before the latent map; got {widths}")
        self.encoder, self.decoder = Encoder(widths), Decoder(widths)

    def forward(self, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Residual, latent, and residual decoded from the half of the class in `labels`."""
        squashed, latent = self.encoder(pixels)
        return squashed, latent, self.decoder(selected(latent, labels))


class Latent(nn.Module):
    """What is shipped: pixels -> (n, 128, h, w) latent activations, pristine half first."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.as_tensor(self.encoder(pixels)[1])


def activations(latent: Tensor) -> Tensor:
    """(n, 128, h, w) -> (n, 2, h, w) float32: mean absolute value of each half; pristine first.

    Its mean over all cells is the paper's activation a_c = ||H_c||_1 / K_c.
    """
    pristine, generated = latent.float().abs().split(LATENT // 2, 1)
    return torch.stack([pristine.mean(1), generated.mean(1)], 1)


def selected(latent: Tensor, labels: Tensor) -> Tensor:
    """The latent with the half zeroed that does not belong to the class (1 = generated)."""
    generated = labels.view(-1, 1, 1, 1).to(latent.dtype)
    half = LATENT // 2
    return torch.cat([latent[:, :half] * (1 - generated), latent[:, half:] * generated], 1)
