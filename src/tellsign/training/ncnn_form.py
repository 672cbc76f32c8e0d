"""Enlarging networks in ncnn's form, so that weights a user has become a generator folder.

``NAME.param`` lists layers, ``NAME.bin`` holds their weights in the same order (format: the wiki of
github.com/Tencent/ncnn, page param-and-model-file-structure). Known are the layers that networks
for enlarging are made of; anything else is refused, and no code is read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's own name
from torch import Tensor, nn

from tellsign.errors import ArtifactError
from tellsign.forge.generate import Form
from tellsign.training.toys.export import export_enlarger

MAGIC = "7767517"
HALF = 0x01306B47  # before weights stored as float16; 0 before float32
RESIZED = {1: "nearest", 2: "bilinear", 3: "bicubic"}
NOT_WEIGHTED = frozenset(
    {"Input", "Split", "Concat", "Eltwise", "BinaryOp", "Interp", "PixelShuffle", "Crop"}
    | {"Pooling", "Scale", "Sigmoid", "Swish"}
)


@dataclass(frozen=True, slots=True)
class Layer:
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    options: dict[int, tuple[float, ...]]

    def number(self, key: int, default: float = 0.0) -> float:
        return self.options.get(key, (default,))[0]

    def whole(self, key: int, default: int = 0) -> int:
        return int(self.number(key, default))


class Weights:
    """The ``.bin`` file, read from front to back."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def tagged(self, count: int) -> Tensor:
        """`count` numbers behind a tag that says how they are stored."""
        tag = int.from_bytes(self._take(4), "little")
        if tag not in (0, HALF):
            raise ArtifactError("quantised weights are not read")
        if tag == 0:
            return self.plain(count)
        stored = self._take((2 * count + 3) // 4 * 4)  # padded to whole words
        return torch.from_numpy(np.frombuffer(stored, "<f2", count).astype(np.float32))

    def plain(self, count: int) -> Tensor:
        return torch.from_numpy(np.frombuffer(self._take(4 * count), "<f4", count).copy())

    def rest(self) -> int:
        return len(self._data) - self._at

    def _take(self, size: int) -> bytes:
        self._at += size
        if size < 0 or self._at > len(self._data):
            raise ArtifactError("the weights end early")
        return self._data[self._at - size : self._at]


class Enlarger(nn.Module):
    """(n, 3, h, w) in 0..1 -> what the last layer gives."""

    def __init__(self, layers: Sequence[Layer], weights: Weights) -> None:
        super().__init__()
        self.layers = list(layers)
        self.parts = nn.ParameterDict()
        for number, layer in enumerate(self.layers):
            for name, value in _read(layer, weights).items():
                self.parts[f"{number}_{name}"] = nn.Parameter(value, requires_grad=False)
        if weights.rest():
            raise ArtifactError(f"{weights.rest()} bytes of weights belong to no layer")

    def forward(self, x: Tensor) -> Tensor:
        known: dict[str, Tensor] = {}
        out = x
        for number, layer in enumerate(self.layers):
            if layer.kind == "Input":
                known[layer.outputs[0]] = x
                continue
            seen = [known[name] for name in layer.inputs]
            own = {k: self.parts[f"{number}_{k}"] for k in _shapes(layer)}
            out = _RUN[layer.kind](layer, seen, own)
            known |= dict.fromkeys(layer.outputs, out)
        return out


def convert(param: Path, folder: Path, name: str, licence: str) -> float:
    """Write the generator folder; the largest torch-ONNX difference comes back.

    Raises ArtifactError when the files hold no network of known layers.
    """
    try:
        layers = parse(param.read_text("ascii"))
        weights = Weights(param.with_suffix(".bin").read_bytes())
        net = Enlarger(layers, weights).eval()
        with torch.inference_mode():
            grown = math.ceil(net(torch.rand(1, 3, 96, 96)).shape[-1] / 96)
        form = Form("enlarger", name, licence, 0.0, 1.0, factor=grown)
        return export_enlarger(folder, net, form)
    except (OSError, ValueError, KeyError, IndexError, RuntimeError) as error:
        raise ArtifactError(f"{param.name}: no network that is known: {error}") from None


def parse(text: str) -> list[Layer]:
    """Raises ValueError or IndexError on another form, ArtifactError on an unknown layer."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != MAGIC:
        raise ArtifactError("not in ncnn's text form")
    return [_layer(line.split()) for line in lines[2:] if line.strip()]


def _layer(words: list[str]) -> Layer:
    kind, taken, given = words[0], int(words[2]), int(words[3])
    if kind not in _RUN and kind != "Input":
        raise ArtifactError(f"a layer of kind {kind} is not known")
    options = {}
    for word in words[4 + taken + given :]:
        key, _, value = word.partition("=")
        values = tuple(float(v) for v in value.split(","))
        number = int(key)
        options[-23300 - number if number < 0 else number] = values[1:] if number < 0 else values
    places = words[4 : 4 + taken + given]
    return Layer(kind, tuple(places[:taken]), tuple(places[taken:]), options)


def _shapes(layer: Layer) -> tuple[str, ...]:
    if layer.kind in ("Convolution", "Deconvolution", "InnerProduct"):
        biased = layer.whole(1 if layer.kind == "InnerProduct" else 5)
        return ("weight", "bias") if biased else ("weight",)
    return ("weight",) if layer.kind in ("PReLU", "MemoryData") else ()


def _read(layer: Layer, weights: Weights) -> dict[str, Tensor]:
    if layer.kind == "PReLU":
        return {"weight": weights.plain(layer.whole(0))}
    if layer.kind == "MemoryData":
        width, height, channels = (max(1, layer.whole(k)) for k in range(3))
        return {"weight": weights.plain(width * height * channels).view(1, channels, height, width)}
    if layer.kind in NOT_WEIGHTED:
        return {}
    inner = layer.kind == "InnerProduct"
    out, count = layer.whole(0), layer.whole(2 if inner else 6)
    size = 1 if inner else layer.whole(1) ** 2
    shape = (out, count // out // size, *(() if inner else (layer.whole(1),) * 2))
    found = {"weight": weights.tagged(count).view(shape)}
    if layer.kind == "Deconvolution":  # torch keeps inputs first
        found["weight"] = found["weight"].transpose(0, 1).contiguous()
    if "bias" in _shapes(layer):
        found["bias"] = weights.plain(out)
    return found


# --- layers --------------------------------------------------------------------------------------

Own = dict[str, Tensor]


def _activated(layer: Layer, x: Tensor) -> Tensor:
    kind = layer.whole(9)
    if kind == 0:
        return x
    if kind in (1, 2):
        return F.leaky_relu(x, layer.options[10][0] if kind == 2 else 0.0)
    if kind == 4:
        return torch.sigmoid(x)
    raise ArtifactError(f"activation {kind} is not known")


def _convolution(layer: Layer, seen: list[Tensor], own: Own) -> Tensor:
    step, around = layer.whole(3, 1), layer.whole(4)
    return _activated(layer, F.conv2d(seen[0], own["weight"], own.get("bias"), step, around))


def _deconvolution(layer: Layer, seen: list[Tensor], own: Own) -> Tensor:
    step, around = layer.whole(3, 1), layer.whole(4)
    out = F.conv_transpose2d(seen[0], own["weight"], own.get("bias"), step, around)
    return _activated(layer, out)


def _inner_product(layer: Layer, seen: list[Tensor], own: Own) -> Tensor:
    return _activated(layer, F.linear(seen[0].flatten(1), own["weight"], own.get("bias")))


def _eltwise(layer: Layer, seen: list[Tensor], own: Own) -> Tensor:
    if layer.whole(0) != 1:
        raise ArtifactError("only sums of layers are known")
    shares = layer.options.get(1, (1.0,) * len(seen))
    total = shares[0] * seen[0]
    for share, value in zip(shares[1:], seen[1:], strict=True):
        total = total + share * value
    return total


def _binary(layer: Layer, seen: list[Tensor], own: Own) -> Tensor:
    other = layer.number(2) if layer.whole(1) else seen[1]
    operations: tuple[Callable[[Tensor], Tensor], ...] = (
        lambda a: a + other,
        lambda a: a - other,
        lambda a: a * other,
    )
    return operations[layer.whole(0)](seen[0])


def _interp(layer: Layer, seen: list[Tensor], own: Own) -> Tensor:
    mode = RESIZED[layer.whole(0)]
    scale = (layer.number(1, 1.0), layer.number(2, 1.0))
    even = None if mode == "nearest" else False
    return F.interpolate(seen[0], scale_factor=scale, mode=mode, align_corners=even)


def _crop(layer: Layer, seen: list[Tensor], own: Own) -> Tensor:
    if set(layer.options) - {0, 1, 2}:
        raise ArtifactError("a crop with other bounds than its second input's is not known")
    left, top = layer.whole(0), layer.whole(1)
    height, width = seen[1].shape[2:]
    return seen[0][:, :, top : top + height, left : left + width]


def _pooling(layer: Layer, seen: list[Tensor], own: Own) -> Tensor:
    if (layer.whole(0), layer.whole(4)) != (1, 1):
        raise ArtifactError("only the mean over the whole picture is known as pooling")
    return seen[0].mean((2, 3), keepdim=True)


_RUN: dict[str, Callable[[Layer, list[Tensor], Own], Tensor]] = {
    "Convolution": _convolution,
    "Deconvolution": _deconvolution,
    "InnerProduct": _inner_product,
    "Eltwise": _eltwise,
    "BinaryOp": _binary,
    "Interp": _interp,
    "Crop": _crop,
    "Pooling": _pooling,
    "Split": lambda layer, seen, own: seen[0],
    "Concat": lambda layer, seen, own: torch.cat(seen, 1),
    "PixelShuffle": lambda layer, seen, own: F.pixel_shuffle(seen[0], layer.whole(0)),
    "PReLU": lambda layer, seen, own: F.prelu(seen[0], own["weight"]),
    "Scale": lambda layer, seen, own: seen[0] * seen[1].view(*seen[1].shape[:2], 1, 1),
    "Sigmoid": lambda layer, seen, own: torch.sigmoid(seen[0]),
    "Swish": lambda layer, seen, own: F.silu(seen[0]),
    "MemoryData": lambda layer, seen, own: own["weight"],
}
