"""The tiny autoencoder TAESD, so that weights a user has become a generator folder.

Architecture of ollin's TAESD (github.com/madebyollin/taesd, MIT licence) as its state dictionaries
show it: three halvings, residual blocks of three 3 x 3 convolutions, and in the newer versions a
group-normalised bottleneck in the blocks nearest the latents. All versions are told apart by their
weights alone: latent channels, and which blocks have the bottleneck.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn

from tellsign.errors import ArtifactError
from tellsign.forge.generate import Form
from tellsign.training.toys.export import export_autoencoder

WIDTH = 64
GROUPS = 4
LIMIT = 3.0  # latents are softly clamped to -3...3 before decoding
REDUCTION = 8

Weights = Mapping[str, Tensor]


class Block(nn.Module):
    def __init__(self, bottleneck: bool) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            _conv(WIDTH, WIDTH), nn.ReLU(), _conv(WIDTH, WIDTH), nn.ReLU(), _conv(WIDTH, WIDTH)
        )
        self.pool: nn.Sequential | None = None
        if bottleneck:
            self.pool = nn.Sequential(
                nn.Conv2d(WIDTH, 4 * WIDTH, 1, bias=False),
                nn.GroupNorm(GROUPS, 4 * WIDTH),
                nn.ReLU(),
                nn.Conv2d(4 * WIDTH, WIDTH, 1, bias=False),
            )

    def forward(self, x: Tensor) -> Tensor:
        if self.pool is not None:
            x = x + self.pool(x)
        return torch.relu(self.conv(x) + x)


class Clamp(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / LIMIT) * LIMIT


def encoder(weights: Weights) -> nn.Sequential:
    """Raises ArtifactError when the weights are of another network."""
    layers: list[nn.Module] = [_conv(3, WIDTH), Block(_bottleneck(weights, 1))]
    for _ in range(3):
        layers.append(_conv(WIDTH, WIDTH, stride=2))
        layers += [Block(_bottleneck(weights, len(layers) + k)) for k in range(3)]
    layers.append(_conv(WIDTH, _rows(weights, f"{len(layers)}.weight"), bias=True))
    return _loaded(nn.Sequential(*layers), weights)


def decoder(weights: Weights) -> nn.Sequential:
    """Raises ArtifactError when the weights are of another network."""
    latent = _shape(weights, "1.weight")[1]
    layers: list[nn.Module] = [Clamp(), _conv(latent, WIDTH), nn.ReLU()]
    for _ in range(3):
        layers += [Block(_bottleneck(weights, len(layers) + k)) for k in range(3)]
        layers += [nn.Upsample(scale_factor=2), _conv(WIDTH, WIDTH, bias=False)]
    layers += [Block(_bottleneck(weights, len(layers))), _conv(WIDTH, 3)]
    return _loaded(nn.Sequential(*layers), weights)


def convert(encoder_file: Path, decoder_file: Path, folder: Path, name: str, licence: str) -> float:
    """Write the generator folder; the largest torch-ONNX difference comes back.

    Only tensors are read from the files, no code. Raises ArtifactError when a file does not hold
    such weights or the two do not fit each other.
    """
    there, back = read_weights(encoder_file), read_weights(decoder_file)
    form = Form("autoencoder", name, licence, 0.0, 1.0, multiple_of=REDUCTION)
    networks = encoder(there), decoder(back)
    latent = _shape(back, "1.weight")[1]
    if _rows(there, f"{len(networks[0]) - 1}.weight") != latent:
        raise ArtifactError(f"{encoder_file.name} and {decoder_file.name} differ in their latents")
    return export_autoencoder(folder, *networks, form, latent)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.pth`` state dictionary as float32. Raises ArtifactError."""
    try:
        raw = torch.load(path, map_location="cpu", weights_only=True)
        return {str(name): tensor.float() for name, tensor in raw.items()}
    except (OSError, RuntimeError, UnpicklingError, AttributeError, EOFError) as error:
        raise ArtifactError(f"{path}: no weights: {error}") from None


def _conv(inputs: int, outputs: int, stride: int = 1, bias: bool | None = None) -> nn.Conv2d:
    wanted = stride == 1 if bias is None else bias
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=wanted)


def _bottleneck(weights: Weights, index: int) -> bool:
    return f"{index}.pool.0.weight" in weights


def _shape(weights: Weights, name: str) -> tuple[int, ...]:
    if name not in weights:
        raise ArtifactError(f"the weights are of another network: {name} is missing")
    return tuple(weights[name].shape)


def _rows(weights: Weights, name: str) -> int:
    return _shape(weights, name)[0]


def _loaded(model: nn.Sequential, weights: Weights) -> nn.Sequential:
    try:
        model.load_state_dict(dict(weights))
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise ArtifactError(f"the weights are of another network: {first}") from None
    return model.eval()
