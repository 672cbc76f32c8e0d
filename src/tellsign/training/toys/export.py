"""Trained toys as folders of the form that `tellsign.forge.generate` reads."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tellsign.errors import ArtifactError
from tellsign.forge.generate import Form, write_form
from tellsign.nn.runtime import network

OPSET = 17
TOLERANCE = 1e-3  # in the networks' unit; more and the export is another network


def export_autoencoder(
    folder: Path, encoder: nn.Module, decoder: nn.Module, form: Form, latent: int
) -> float:
    """Write both networks for any picture size; the largest torch-ONNX difference comes back."""
    side = 4 * form.multiple_of
    seen = torch.rand(2, 3, side, 2 * side) * (form.high - form.low) + form.low
    inside = torch.randn(2, latent, 4, 8)
    worst = max(
        _export(encoder, seen, folder / "encoder.onnx", spatial=True),
        _export(decoder, inside, folder / "decoder.onnx", spatial=True),
    )
    write_form(folder, form)
    return worst


def export_generator(folder: Path, generator: nn.Module, form: Form) -> float:
    """Write a network that makes pictures of normal numbers."""
    worst = _export(generator, torch.randn(2, *form.latent), folder / "generator.onnx")
    write_form(folder, form)
    return worst


def export_diffusion(folder: Path, denoiser: nn.Module, form: Form) -> float:
    """Write the denoiser, for any picture size; its input has one plane more, the time."""
    channels, height, width = form.latent
    seen = torch.randn(2, channels + 1, height, width)
    worst = _export(denoiser, seen, folder / "denoiser.onnx", spatial=True)
    write_form(folder, form)
    return worst


def export_enlarger(folder: Path, enlarger: nn.Module, form: Form) -> float:
    """Write a network that enlarges pictures of any size."""
    worst = _export(enlarger, torch.rand(1, 3, 64, 96), folder / "enlarger.onnx", spatial=True)
    write_form(folder, form)
    return worst


def _export(model: nn.Module, seen: Tensor, path: Path, *, spatial: bool = False) -> float:
    """Write `model` and run what was written. Raises ArtifactError when it differs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    model = model.eval().to(memory_format=torch.contiguous_format)
    free = {0: "n", 2: "height", 3: "width"} if spatial else {0: "n"}
    with warnings.catch_warnings(), torch.no_grad():
        # The tracing exporter announces its own retirement and constant-folds with a notice.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, (seen,), str(path), dynamo=False, opset_version=OPSET,
            input_names=["x"], output_names=["y"], dynamic_axes={"x": free, "y": free},
        )  # fmt: skip
        wanted = model(seen).numpy()
    worst = float(np.abs(network(path).run(seen.numpy()) - wanted).max())
    if worst > TOLERANCE:
        raise ArtifactError(f"{path.name}: torch and ONNX differ by {worst:.2g}")
    return worst
