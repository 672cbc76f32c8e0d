"""Differences of neighbouring pixels, read without regard to where the up-sampling cells begin.

An up-sampler leaves cells of 2 x 2 pixels whose members depend on each other [Tan et al., CVPR
2024, :DOI:`10.1109/CVPR52733.2024.02657`]. Taking one corner of each cell as the reference ties
the features to the phase of the grid, which one cropped row shifts. Here every pixel is compared
with its neighbours in all directions, at distances of one and two cells, and only rectified
features are averaged, so a shift moves the sums but does not change them.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from tellsign.errors import UsageError

# (rows, columns) to the neighbour: the cell of 2 x 2 pixels, then the corners of 4 x 4.
OFFSETS = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0))
SOFT = 8.0  # grey levels; larger differences are edges of the scene, of which only the sign is kept
REACH = max(max(abs(dy), abs(dx)) for dy, dx in OFFSETS)
WIDTHS = (24, 48, 96, 128)
POOL = 4  # the last map has a place every 8 pixels; a logit is given for every 32


def differences(pixels: Tensor) -> Tensor:
    """(n, 3, h, w) grey levels -> (n, 3 x 6, h - 2 REACH, w - 2 REACH), within -1 to 1."""
    height, width = pixels.shape[-2] - 2 * REACH, pixels.shape[-1] - 2 * REACH
    centre = pixels[..., REACH : REACH + height, REACH : REACH + width]
    found = [
        centre - pixels[..., REACH + dy : REACH + dy + height, REACH + dx : REACH + dx + width]
        for dy, dx in OFFSETS
    ]
    return torch.tanh(torch.cat(found, dim=1) / SOFT)


class Smooth(nn.Module):
    """Halve by overlapping binomial averages, so that no phase of the grid is preferred."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        line = torch.tensor([1.0, 2.0, 1.0]) / 4
        kernel = torch.outer(line, line).expand(channels, 1, 3, 3)
        self.register_buffer("kernel", kernel.clone(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.kernel, stride=2, padding=1, groups=x.shape[1])


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside a 1 x 1 one."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(after)
        self.second = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(after)
        self.skip = nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.first_norm(self.first(x)))
        return functional.relu(self.second_norm(self.second(y)) + self.skip(x))


class NeighbouringPixels(nn.Module):
    """(n, 3, s, s) grey levels 0 to 255 -> (n, s/32, s/32) logits; a crop's logit is their mean."""

    def __init__(self) -> None:
        super().__init__()
        first = WIDTHS[0]
        self.stem = nn.Sequential(
            nn.Conv2d(3 * len(OFFSETS), first, 3, padding=1, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
            nn.Conv2d(first, first, 3, padding=1, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
            Smooth(first),
        )
        blocks: list[nn.Module] = []
        for before, after in zip(WIDTHS, WIDTHS[1:], strict=False):
            blocks += [Residual(before, after), Smooth(after)]
        self.blocks = nn.Sequential(*blocks[:-1])
        self.head = nn.Conv2d(WIDTHS[-1], 1, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        features = self.blocks(self.stem(differences(pixels)))
        return functional.avg_pool2d(self.head(features), POOL)[:, 0]


def build(weights: Path | None) -> nn.Module:
    """A network with random weights. Raises UsageError when pretrained ones are given."""
    if weights is not None:
        raise UsageError("neighbouring_pixels is trained from nothing; leave out --weights")
    return NeighbouringPixels()
