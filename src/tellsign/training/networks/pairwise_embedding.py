"""Patches into an embedding in which generated pictures lie together, and a classifier beside it.

After Hsu, Lee & Zhuang, "Learning to detect fake face images in the wild", IS3C 2018,
DOI 10.1109/IS3C.2018.00104: a wide first convolution, pairs of pre-activation residual blocks
with swish, an embedding branch for the pairs and a convolutional branch for the classes. Widths
and the unit length of the embedding are our own.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the field's own name
from torch import Tensor, nn

SIDE = 64  # pixels of a patch, as in the paper


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside an identity; where channels grow, the map is halved.

    The identity gets its new channels as zeros.
    """

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.grown = out - channels
        self.norm1, self.norm2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(out)
        self.conv1 = nn.Conv2d(channels, out, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.grown:
            x = F.avg_pool2d(x, 2)
        y = self.conv1(F.silu(self.norm1(x)))
        y = self.conv2(F.silu(self.norm2(y)))
        return y + (F.pad(x, (0, 0, 0, 0, 0, self.grown)) if self.grown else x)


class PairwiseEmbedding(nn.Module):
    """Patches (n, 3, 64, 64), RGB in 0..255 -> logits (n,) and embeddings (n, size) of length 1.

    Larger logits mean more support for "generated". Other sides are refused by the embedding.
    """

    def __init__(self, widths: tuple[int, ...], stride: int, size: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, widths[0], 7, stride)
        blocks = []
        channels = widths[0]
        for width in widths:
            blocks += [Residual(channels, width), Residual(width, width)]
            channels = width
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.BatchNorm2d(channels)
        halvings = sum(a != b for a, b in zip(widths, widths[1:], strict=False))
        cells = ((SIDE - 7) // stride + 1) // 2**halvings
        self.embed = nn.Linear(channels * cells * cells, size)
        self.classify = nn.Conv2d(channels, 2, 3, padding=1)
        self.out = nn.Linear(2, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.first((x - 127.5) / 64.0)
        y = F.silu(self.norm(self.blocks(y)))
        embedding = F.normalize(self.embed(y.flatten(1)).float(), dim=1)
        logit = self.out(self.classify(y).mean((2, 3))).squeeze(1)
        return logit, embedding


def patches(crops: Tensor, per_side: int) -> Tensor:
    """(n, 3, S, S) -> (n * per_side ** 2, 3, 64, 64): an even grid of patches of each crop.

    Those of one crop stand together.
    """
    room = crops.shape[-1] - SIDE
    starts = [round(i * room / max(1, per_side - 1)) for i in range(per_side)]
    cut = [crops[:, :, y : y + SIDE, x : x + SIDE] for y in starts for x in starts]
    return torch.stack(cut, 1).flatten(0, 1)
