"""Shrink an exported network: int8 weights, and files small enough for a repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tellsign.errors import ArtifactError

PART = 16 * 2**20  # bytes of one weight file
SMALL = 1024  # bytes; smaller tensors stay in the graph
LARGE = 2**20  # bytes; larger tensors that remain float32 are stored as float16


def quantise(
    source: Path, folder: Path, name: str = "model", leave: str | None = None
) -> list[Path]:
    """Write `source` with int8 matrix products to ``<folder>/<name>.onnx``.

    Weights are quantised per channel, activations by the range of each run, so that a row must be
    run by itself to be independent of others. Products whose node's name holds `leave` are not
    quantised: where a few activations are far larger than the rest, steps of 1/255 of their range
    drown what the others say. Weights go to ``<name>-<i>.bin`` beside the graph, at most `PART`
    bytes each unless a single tensor is larger. Returns all files written.
    """
    import onnx
    from onnx.external_data_helper import set_external_data
    from onnxruntime.quantization import QuantType, quantize_dynamic

    folder.mkdir(parents=True, exist_ok=True)
    graph_file = folder / f"{name}.onnx"
    names = [node.name for node in onnx.load(source).graph.node]
    kept = [name for name in names if leave is not None and leave in name]
    quantize_dynamic(
        source,
        graph_file,
        per_channel=True,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul"],
        # Linear layers of two dimensions are renamed on the way.
        nodes_to_exclude=[*kept, *(f"{name}_MatMul" for name in kept)],
    )
    model = onnx.load(graph_file)
    _halve(model)
    parts: list[bytearray] = [bytearray()]
    for tensor in model.graph.initializer:
        data = tensor.raw_data
        if len(data) < SMALL:
            continue
        if parts[-1] and len(parts[-1]) + len(data) > PART:
            parts.append(bytearray())
        offset, location = len(parts[-1]), f"{name}-{len(parts) - 1}.bin"
        parts[-1] += data
        set_external_data(tensor, location, offset=offset, length=len(data))
        tensor.ClearField("raw_data")
    if not parts[0]:
        raise ArtifactError(f"{source.name}: no weights to write")
    files = [graph_file]
    for i, part in enumerate(parts):
        path = folder / f"{name}-{i}.bin"
        path.write_bytes(part)
        files.append(path)
    graph_file.write_bytes(model.SerializeToString())
    return files


def _halve(model: Any) -> None:
    """Store large float32 tensors as float16; they are widened again when the file is opened."""
    from onnx import TensorProto, helper, numpy_helper

    for tensor in list(model.graph.initializer):
        if tensor.data_type != TensorProto.FLOAT or len(tensor.raw_data) < LARGE:
            continue
        values = numpy_helper.to_array(tensor).astype(np.float16)
        half = numpy_helper.from_array(values, f"{tensor.name}_half")
        model.graph.initializer.remove(tensor)
        model.graph.initializer.append(half)
        widen = helper.make_node("Cast", [half.name], [tensor.name], to=TensorProto.FLOAT)
        model.graph.node.insert(0, widen)
