from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from tellsign.errors import ArtifactError  # noqa: E402
from tellsign.forge.generate import read_form, reconstruct  # noqa: E402
from tellsign.training.taesd import convert, decoder, encoder, read_weights  # noqa: E402


def weights(latent: int, bottleneck: bool) -> tuple[dict[str, object], dict[str, object]]:
    """State dictionaries with the names and shapes of TAESD, small random values."""
    generator = torch.Generator().manual_seed(0)

    def tensor(*shape: int) -> object:
        return torch.randn(*shape, generator=generator) * 0.03

    def conv(names: dict[str, object], at: str, out: int, into: int, bias: bool = True) -> None:
        names[f"{at}.weight"] = tensor(out, into, 3, 3)
        if bias:
            names[f"{at}.bias"] = tensor(out)

    def block(names: dict[str, object], at: int, pooled: bool) -> None:
        for k in (0, 2, 4):
            conv(names, f"{at}.conv.{k}", 64, 64)
        if pooled:
            names[f"{at}.pool.0.weight"] = tensor(256, 64, 1, 1)
            names[f"{at}.pool.1.weight"] = tensor(256)
            names[f"{at}.pool.1.bias"] = tensor(256)
            names[f"{at}.pool.3.weight"] = tensor(64, 256, 1, 1)

    there: dict[str, object] = {}
    conv(there, "0", 64, 3)
    block(there, 1, False)
    for stage in range(3):
        conv(there, str(2 + 4 * stage), 64, 64, bias=False)
        for k in range(3):
            block(there, 3 + 4 * stage + k, bottleneck and stage == 2)
    conv(there, "14", latent, 64)
    back: dict[str, object] = {}
    conv(back, "1", 64, latent)
    for stage in range(3):
        for k in range(3):
            block(back, 3 + 5 * stage + k, bottleneck and stage == 0)
        conv(back, str(7 + 5 * stage), 64, 64, bias=False)
    block(back, 18, False)
    conv(back, "19", 3, 64)
    return there, back


def saved(folder: Path, latent: int, bottleneck: bool) -> tuple[Path, Path]:
    paths = folder / f"e{latent}.pth", folder / f"d{latent}.pth"
    for path, state in zip(paths, weights(latent, bottleneck), strict=True):
        torch.save(state, path)
    return paths


@pytest.mark.parametrize(("latent", "bottleneck"), [(4, False), (32, True)])
def test_both_generations_convert(tmp_path: Path, latent: int, bottleneck: bool) -> None:
    worst = convert(*saved(tmp_path, latent, bottleneck), tmp_path / "made", "tiny", "MIT")
    assert worst < 1e-4
    assert read_form(tmp_path / "made").licence == "MIT"
    pixels = np.random.default_rng(0).integers(0, 256, (20, 33, 3), dtype=np.uint8)
    assert reconstruct(pixels, tmp_path / "made").shape == pixels.shape


def test_other_weights_are_refused(tmp_path: Path) -> None:
    there, back = weights(4, False)
    with pytest.raises(ArtifactError, match="another network"):
        encoder({k: v for k, v in there.items() if k != "0.bias"})  # type: ignore[misc]
    with pytest.raises(ArtifactError, match="1.weight is missing"):
        decoder({})
    four, sixteen = saved(tmp_path, 4, False), saved(tmp_path, 16, False)
    with pytest.raises(ArtifactError, match="differ in their latents"):
        convert(four[0], sixteen[1], tmp_path / "made", "mixed", "none")
    (tmp_path / "text.pth").write_text("no weights", "utf-8")
    with pytest.raises(ArtifactError, match="no weights"):
        read_weights(tmp_path / "text.pth")


def test_published_weights_reconstruct_a_smooth_picture(tmp_path: Path, core: Path) -> None:
    weights = core / "weights" / "taesd"
    files = weights / "taef2_encoder.pth", weights / "taef2_decoder.pth"
    convert(*files, tmp_path, "taef2", "MIT")
    rows, columns = np.mgrid[:64, :96]
    pixels = np.stack([rows * 3, columns * 2, 255 - rows - columns], -1).astype(np.uint8)
    error = reconstruct(pixels, tmp_path).astype(float) - pixels
    assert 10 * np.log10(255**2 / np.square(error).mean()) > 25  # others give 10
