"""Patches into an embedding in which generated pictures lie together, and a classifier beside it.

After Hsu, Lee & Zhuang, "Learning to detect fake face images in the wild", IS3C 2018,
DOI 10.1109/IS3C.2018.00104: an embedding branch for the pairs and a convolutional branch for the
classes on one map of a small network. Theirs was trained from nothing, on faces; on many kinds of
pictures one of that size came to nothing here, so the map is that of the first blocks of
EfficientNet-Lite0 with ImageNet weights. The unit length of the embedding is our own.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - the field's own name
from torch import Tensor, nn

from tellsign.training.networks.efficientnet_lite import Trunk

SIDE = 64  # pixels of a patch, as in the paper
DROPOUT = 0.2  # before both branches


class PairwiseEmbedding(Trunk):
    """Patches (n, 3, 64, 64), RGB in 0..255 -> logits (n,) and embeddings (n, size) of length 1.

    Larger logits mean more support for "generated". Other sides are refused by the embedding.
    """

    def __init__(self, blocks: int, size: int) -> None:
        super().__init__(blocks)
        cells = SIDE // self.reduction
        self.embed = nn.Linear(self.channels * cells * cells, size)
        self.classify = nn.Conv2d(self.channels, 2, 3, padding=1)
        self.out = nn.Linear(2, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = F.dropout(F.silu(self.trunk(x)), DROPOUT, self.training)
        embedding = F.normalize(self.embed(y.flatten(1)).float(), dim=1)
        logit = self.out(self.classify(y).mean((2, 3))).squeeze(1)
        return logit, embedding


def build(weights: Path | None, blocks: int, size: int) -> PairwiseEmbedding:
    """The network with ImageNet weights. Raises UsageError and ArtifactError, see the trunk."""
    network = PairwiseEmbedding(blocks, size)
    network.load_imagenet(weights, "pairwise_embedding")
    return network


def patches(crops: Tensor, per_side: int) -> Tensor:
    """(n, 3, S, S) -> (n * per_side ** 2, 3, 64, 64): an even grid of patches of each crop.

    Those of one crop stand together.
    """
    room = crops.shape[-1] - SIDE
    starts = [round(i * room / max(1, per_side - 1)) for i in range(per_side)]
    cut = [crops[:, :, y : y + SIDE, x : x + SIDE] for y in starts for x in starts]
    return torch.stack(cut, 1).flatten(0, 1)
