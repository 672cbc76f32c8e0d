"""The trunk of a CLIP image tower, read from its ONNX file, under a small head.

Middle blocks, not the last: what tells generated pixels apart is texture, which the last blocks
forget for the sake of content. Trunk: ViT-B/16 (Radford et al. 2021, arXiv:2103.00020).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's own name
from torch import Tensor, nn

from tellsign.errors import ArtifactError

WIDTH, HEADS, PATCH, TOKENS = 768, 12, 16, 197
MEAN = (0.48145466, 0.4578275, 0.40821073)  # the tower's own preprocessing
STD = (0.26862954, 0.26130258, 0.27577711)


GELU = 1.702  # CLIP's approximation of GELU is y * sigmoid(1.702 y)


class Block(nn.Module):
    """A pre-norm transformer block of CLIP.

    Its activation is silu(1.702 y) / 1.702; both factors are folded into the products around it,
    and attention is written out: on CPUs a step so takes two thirds of the time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.fc1, self.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, _ = x.shape
        split = self.qkv(self.ln1(x)).view(n, tokens, 3, HEADS, WIDTH // HEADS)
        q, k, v = split.permute(2, 0, 3, 1, 4)
        weights = torch.softmax(q * (WIDTH // HEADS) ** -0.5 @ k.transpose(-1, -2), -1)
        attended = (weights.to(v.dtype) @ v).transpose(1, 2)
        x = x + self.out(attended.reshape(n, tokens, WIDTH))
        return x + self.fc2(F.silu(self.fc1(self.ln2(x))))


class Trunk(nn.Module):
    """Crops (n, 3, 224, 224), RGB in 0..255 -> pooled tokens (n, taps, 1536).

    Pooled are the class token and the mean patch token after each block in `taps`. Nothing of it
    is trained: what tuning gains on the generators of training it loses on others.
    """

    def __init__(self, taps: tuple[int, ...]) -> None:
        super().__init__()
        self.taps = taps
        self.register_buffer("mean", 255 * torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        self.patch = nn.Conv2d(3, WIDTH, PATCH, PATCH, bias=False)
        self.token = nn.Parameter(torch.zeros(WIDTH))
        self.place = nn.Parameter(torch.zeros(TOKENS, WIDTH))
        self.norm = nn.LayerNorm(WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(max(taps) + 1))

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patch((x - self.mean) / self.std).flatten(2).transpose(1, 2)
        token = self.token.expand(x.shape[0], 1, -1)
        x = self.norm(torch.cat([token, patches], 1) + self.place)
        found = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.taps:
                found.append(torch.cat([x[:, 0], x[:, 1:].mean(1)], 1))
        return torch.stack(found, 1)

    def load_tower(self, path: Path) -> None:
        """Read the tower's weights. Raises ArtifactError when the file is another model."""
        try:
            _load(self, path)
        except (KeyError, OSError, IndexError, RuntimeError) as error:
            raise ArtifactError(f"{path.name} is no CLIP ViT-B/16 image tower: {error}") from error
        self.requires_grad_(False)


class Head(nn.Module):
    """Pooled tokens (n, taps, 1536) -> logits (n, 1) and the normalised tokens (n, taps * 1536)."""

    def __init__(self, taps: int, size: int, dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(2 * WIDTH) for _ in range(taps))
        self.drop = nn.Dropout(dropout)
        self.project = nn.Linear(2 * WIDTH * taps, size)
        self.head = nn.Linear(size, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        joined = torch.cat([norm(x[:, i]) for i, norm in enumerate(self.norms)], 1)
        hidden = F.gelu(self.project(self.drop(joined)))
        # Written out, since int8 products would round the very last step as well.
        return (hidden * self.head.weight).sum(1, keepdim=True) + self.head.bias, joined


class Top(nn.Module):
    """Pooled tokens (n, taps, 1536) -> logits (n, 1) and embeddings (n, 1 + components).

    Heads that differ by their seeds alone are averaged, so that the outcome hangs less on one draw.
    An embedding holds the logit, which is what training was about, and principal components of the
    normalised tokens, scaled to a variance of 1: there is far more in them of a generator that was
    not trained on than in the last layer, and heads are adapted on both.
    """

    def __init__(self, heads: Sequence[Head], pooled: Tensor, components: int) -> None:
        """`pooled`: (m, taps, 1536) of training crops, m >= components."""
        super().__init__()
        self.heads = nn.ModuleList(heads)
        with torch.no_grad():
            joined = self.heads[0](pooled)[1]
            mean, deviation = joined.mean(0), joined.std(0) + 1e-3
            scaled = (joined - mean) / deviation
            _, spread, directions = torch.linalg.svd(
                scaled / len(joined) ** 0.5, full_matrices=False
            )
            weight = directions[:components] / spread[:components, None] / deviation
            self.components = nn.Linear(joined.shape[1], components)
            self.components.weight.copy_(weight)
            self.components.bias.copy_(-weight @ mean)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        found = [head(x) for head in self.heads]
        logit = torch.stack([logit for logit, _ in found]).mean(0)
        return logit, torch.cat([logit, self.components(found[0][1])], 1)


class EmbeddingProbe(nn.Module):
    """Crops (n, 3, 224, 224), RGB in 0..255 -> logits (n, 1) and embeddings (n, 1 + components)."""

    def __init__(self, trunk: Trunk, top: Top) -> None:
        super().__init__()
        self.trunk, self.top = trunk, top

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        told: tuple[Tensor, Tensor] = self.top(self.trunk(x))
        return told


def _load(net: Trunk, path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    stored = {t.name: numpy_helper.to_array(t) for t in graph.initializer}

    def get(name: str) -> Tensor:
        return torch.tensor(stored[f"vision_model.{name}"].astype(np.float32))

    def matrix(layer: int, part: str) -> Tensor:
        return torch.tensor(_product(graph, stored, f"layers.{layer}/", f"/{part}/")).T.contiguous()

    with torch.no_grad():
        net.patch.weight.copy_(get("embeddings.patch_embedding.weight"))
        net.token.copy_(get("embeddings.class_embedding"))
        net.place.copy_(get("embeddings.position_embedding.weight"))
        _copy_norm(net.norm, get("pre_layrnorm.weight"), get("pre_layrnorm.bias"))
        heads = ("q_proj", "k_proj", "v_proj")
        for i, block in enumerate(net.blocks):
            assert isinstance(block, Block)
            own = f"encoder.layers.{i}."
            block.qkv.weight.copy_(torch.cat([matrix(i, h) for h in heads]))
            block.qkv.bias.copy_(torch.cat([get(f"{own}self_attn.{h}.bias") for h in heads]))
            block.out.weight.copy_(matrix(i, "out_proj"))
            block.out.bias.copy_(get(f"{own}self_attn.out_proj.bias"))
            block.fc1.weight.copy_(GELU * matrix(i, "fc1"))
            block.fc1.bias.copy_(GELU * get(f"{own}mlp.fc1.bias"))
            block.fc2.weight.copy_(matrix(i, "fc2") / GELU)
            block.fc2.bias.copy_(get(f"{own}mlp.fc2.bias"))
            for norm, part in ((block.ln1, "layer_norm1"), (block.ln2, "layer_norm2")):
                _copy_norm(norm, get(f"{own}{part}.weight"), get(f"{own}{part}.bias"))


def _copy_norm(norm: nn.LayerNorm, weight: Tensor, bias: Tensor) -> None:
    norm.weight.copy_(weight)
    norm.bias.copy_(bias)


def _product(graph: Any, stored: dict[str, Any], layer: str, part: str) -> Any:
    """The float weight of one dynamically quantised matrix product, (inputs, outputs)."""
    for node in graph.node:
        if node.op_type == "MatMulInteger" and layer in node.name and part in node.name:
            name = node.input[1]
            zero = stored[node.input[3]].astype(np.float32) if len(node.input) > 3 else 0.0
            scale = stored[name.replace("_quantized", "_scale")]
            return (stored[name].astype(np.float32) - zero) * scale
    raise KeyError(f"no product {layer}{part}")
