"""From a trained network to the ONNX file that is shipped, and how far the two differ."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from tellsign.nn.runtime import network as open_network
from tellsign.training.recipe import write_whole

OPSET = 17
MICRO_BATCH = 8
SMALL = 1024  # elements; what has fewer is not worth storing in half precision


def to_onnx(network: nn.Module, example: Tensor, path: Path, *, half: bool = False) -> float:
    """Write `network` in evaluation mode; normalisation is folded into the convolutions.

    Parameters
    ----------
    example
        (n, ...) float32 input; the file takes any n.
    half
        Store large weights as float16; they are widened when the file is opened, so that all
        arithmetic stays float32.

    Returns
    -------
    The largest absolute difference between torch and onnxruntime over the outputs for `example`.
    """
    network.eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".exported")
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own age
        torch.onnx.export(
            network,
            (example[:1],),
            str(part),
            dynamo=False,
            opset_version=OPSET,
            input_names=["pixels"],
            output_names=["logits"],
            dynamic_axes={"pixels": {0: "n"}, "logits": {0: "n"}},
        )
        expected = network(example).numpy()
    model = onnx.load(str(part))
    part.unlink()
    if half:
        halve(model)
    onnx.checker.check_model(model)
    write_whole(path, model.SerializeToString())
    open_network.cache_clear()  # the path may have held another network
    found = open_network(path)
    rows = example.numpy()
    got = np.concatenate(
        [found.run(rows[i : i + MICRO_BATCH]) for i in range(0, len(rows), MICRO_BATCH)]
    )
    return float(np.abs(got - expected).max())


def halve(model: onnx.ModelProto) -> None:
    """Replace large float32 initialisers by float16 ones and a cast back, in place."""
    graph = model.graph
    casts = []
    for number, tensor in enumerate(graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < SMALL:
            continue
        name = tensor.name
        stored = numpy_helper.from_array(values.astype(np.float16), f"{name}.half")
        graph.initializer[number].CopyFrom(stored)
        casts.append(helper.make_node("Cast", [stored.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
