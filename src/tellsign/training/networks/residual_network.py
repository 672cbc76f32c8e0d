"""EfficientNet-Lite0 with one logit for each place of its last map."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional

from tellsign.training.networks.efficientnet_lite import Trunk, norm

FEATURES = 1280
DROPOUT = 0.2  # before the head, as in the paper


class ResidualNetwork(Trunk):
    """(n, 3, s, s) grey levels 0 to 255 -> (n, s/32, s/32) logits; a crop's logit is their mean."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_head = nn.Conv2d(self.channels, FEATURES, 1, bias=False)
        self._bn1 = norm(FEATURES)
        self.head = nn.Conv2d(FEATURES, 1, 1)
        nn.init.normal_(self.head.weight, 0.0, 0.02)

    def features(self, pixels: Tensor) -> Tensor:
        """(n, 1280, s/32, s/32)."""
        return functional.relu6(self._bn1(self._conv_head(self.trunk(pixels))))

    def forward(self, pixels: Tensor) -> Tensor:
        features = functional.dropout(self.features(pixels), DROPOUT, self.training)
        return self.head(features)[:, 0]


def build(weights: Path | None) -> nn.Module:
    """The network with ImageNet weights. Raises UsageError and ArtifactError, see the trunk."""
    network = ResidualNetwork()
    network.load_imagenet(weights, "residual_network")
    return network
