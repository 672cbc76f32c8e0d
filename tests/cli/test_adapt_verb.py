"""The verb, with a toy network in the place of the embedding detector's."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tellsign.artifacts.store import ENVIRONMENT, forget
from tellsign.cli.main import cli
from tellsign.errors import UsageError

sys.path.insert(0, str(Path(__file__).parent.parent / "training"))
from toy_probe import artifact

from tellsign.training.head import Head, Memory

onnx = pytest.importorskip("onnx")

WIDTH = 6


def network() -> bytes:
    """Mean and mean step of each channel over a crop: (n, 3, 224, 224) -> logit, (n, 6)."""
    from onnx import TensorProto, helper, numpy_helper

    step = np.zeros((3, 3, 1, 2), np.float32)
    for channel in range(3):
        step[channel, channel, 0] = (-1, 1)
    nodes = [
        helper.make_node("Conv", ["x", "step"], ["steps"]),
        helper.make_node("Abs", ["steps"], ["sizes"]),
        helper.make_node("ReduceMean", ["sizes"], ["texture"], axes=[2, 3], keepdims=0),
        helper.make_node("ReduceMean", ["x"], ["colour"], axes=[2, 3], keepdims=0),
        helper.make_node("Concat", ["texture", "colour"], ["embedding"], axis=1),
        helper.make_node("ReduceMean", ["embedding"], ["logit"], axes=[1], keepdims=1),
    ]
    shapes = {"x": ["n", 3, 224, 224], "logit": ["n", 1], "embedding": ["n", WIDTH]}
    values = [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in shapes.items()]
    graph = helper.make_graph(
        nodes, "toy", values[:1], values[1:], [numpy_helper.from_array(step, "step")]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    return bytes(model.SerializeToString())


def save(folder: Path, n: int, seed: int, *, generated: bool) -> None:
    """Soft noise; a generated picture is bluer than it should be."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for i in range(n):
        level = rng.normal(110, 12, 3) + (np.array([0, 0, 60]) if generated else 0)
        pixels = np.clip(level + rng.normal(0, 4, (240, 240, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with examples, photographs and the artifact of a probe that knows nothing yet."""
    rng = np.random.default_rng(0)
    typical = np.concatenate([np.full(3, 4.0), np.full(3, 110.0)])  # grey levels
    rows = typical + rng.normal(0, [0.3] * 3 + [12] * 3, (120, WIDTH))
    labels = np.arange(120) % 2 == 0
    rows[labels, 0] += 2
    groups = np.array([f"{'g' if v else 'c'}{i % 12 // 2}" for i, v in enumerate(labels)])
    weight = np.zeros(WIDTH)
    weight[0] = 3.0
    head = Head(weight, -15.0, np.zeros(WIDTH), np.ones(WIDTH))
    held = Memory(rows.astype(np.float32), labels, groups)
    artifact(tmp_path / "installed", head=head, held=held, more={"model.onnx": network()})
    save(tmp_path / "examples", 12, 1, generated=True)
    save(tmp_path / "photographs", 12, 2, generated=False)
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "installed"))
    forget()
    return tmp_path


def call(*arguments: str | Path) -> tuple[int, str, BaseException | None]:
    done = CliRunner().invoke(cli, ["adapt", *map(str, arguments)])
    return done.exit_code, done.stdout, done.exception


def test_an_adapted_detector_is_what_examine_uses(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, text, _ = call(
        installed / "examples", "--pristine", installed / "photographs",
        "--output", installed / "mine", "--name", "blue-1", "--json",
        "--cache", installed / "kept",
    )  # fmt: skip
    assert code == 0
    told = json.loads(text)
    assert told["after"]["auc"] > max(0.9, told["before"]["auc"] + 0.1)
    assert len(list((installed / "kept").iterdir())) == 3 * 24
    scores = []
    for folder in ("installed", "mine"):
        monkeypatch.setenv(ENVIRONMENT, str(installed / folder))
        done = CliRunner().invoke(
            cli,
            [
                "examine",
                "--json",
                "--detector",
                "embedding_probe",
                str(installed / "examples/0.png"),
            ],
        )
        assert done.exit_code == 0
        (found,) = json.loads(done.stdout)["outcomes"]
        scores.append(found["score"])
        digest = found["artifact"]["sha256"]
    assert scores[1] > scores[0] + 1
    assert digest == told["sha256"]
    added = CliRunner().invoke(
        cli,
        ["models", "add", str(installed / "mine" / "embedding_probe-1")],
        env={ENVIRONMENT: str(installed / "third")},
    )
    assert added.exit_code == 0
    assert told["sha256"] in added.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give EXAMPLES"),
        (["E"], "give EXAMPLES"),
        (["E", "--pristine-only", "P"], "neither"),
        (["E", "--pristine", "P", "--force", "other"], "the detector adapted is"),
        (["E", "--pristine", "P", "--name", "a b"], "letters, digits"),
        (["E", "--pristine", "P", "--detector", "nobody"], "unknown detector"),
        (["E", "--pristine", "P", "--detector", "resampling"], "not adaptable|not installed"),
        (["missing", "--pristine", "P"], "no such file"),
    ],
)
def test_wrong_calls_are_usage_errors(tmp_path: Path, arguments: list[str], words: str) -> None:
    for name, seed in (("E", 1), ("P", 2)):
        save(tmp_path / name, 1, seed, generated=False)
    given = [str(tmp_path / a) if a in ("E", "P") else a for a in arguments]
    code, _, error = call(*given, "--output", tmp_path / "mine")
    assert code != 0
    assert isinstance(error, UsageError)
    assert re.search(words, str(error))
    assert not (tmp_path / "mine").exists()
