"""The rules of the house: imports point down, files stay small, thresholds live in policy.toml."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import tellsign

ROOT = Path(tellsign.__file__).resolve().parent
REPOSITORY = ROOT.parent.parent
SOURCES = sorted(ROOT.rglob("*.py"))

# A layer may import the layers above it in this list, and its own.
LAYERS = (
    ("types", "errors"),
    ("media", "artifacts"),
    ("nn", "provenance", "signal"),
    ("faces", "forge"),
    ("detectors", "registry"),
    ("calibration",),
    ("fusion",),
    ("report",),
    ("detection",),
    ("plan", "examiner"),
    ("testing", "training", "benchmark", "batch", "server", "protect"),
    ("cli",),
)
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
NEVER = {("forge", "detectors"), ("calibration", "detectors"), ("report", "detectors")}


def layer_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "tellsign":
                yield from (alias.name for alias in node.names)
            elif node.module.startswith("tellsign."):
                yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("tellsign."):
                    yield alias.name.split(".")[1]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    own = layer_of(path)
    if own in ("__init__", "__main__"):
        return
    for other in imports(path):
        if other in RANK:
            assert RANK[other] <= RANK[own], f"{own} imports {other}"
            assert (own, other) not in NEVER, f"{own} must not know {other}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_stay_small(path: Path) -> None:
    bounds = {"detectors/base.py": 200, "registry.py": 150, "examiner.py": 200}
    bound = bounds.get(str(path.relative_to(ROOT)), 500)
    assert len(path.read_text("utf-8").splitlines()) <= bound


def test_every_layer_is_known() -> None:
    known = {*RANK, "__init__", "__main__"}
    assert {layer_of(p) for p in SOURCES} <= known


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_torch_enters_in_training_alone(path: Path) -> None:
    if layer_of(path) != "training":
        assert not re.search(r"^\s*(import|from) torch", path.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_pickles_no_shell_no_network(path: Path) -> None:
    text = path.read_text("utf-8")
    if layer_of(path) != "testing":
        assert "import pickle" not in text
    for word in ("shell=True", "os.system", "urllib.request", "import requests", "import socket"):
        assert word not in text
    assert not re.search(r"(?<![.\w])(eval|exec)\(", text)


def test_public_names_are_sorted_and_exist() -> None:
    assert tellsign.__all__ == sorted(tellsign.__all__)
    for name in tellsign.__all__:
        assert getattr(tellsign, name) is not None
    with pytest.raises(AttributeError):
        tellsign.nothing  # noqa: B018


def test_the_version_is_stated_once() -> None:
    project = (REPOSITORY / "pyproject.toml").read_text("utf-8")
    assert f'version = "{tellsign.__version__}"' in project
    assert f"## {tellsign.__version__}" in (REPOSITORY / "CHANGELOG.md").read_text("utf-8")


def test_no_decision_threshold_in_detectors() -> None:
    """A detector neither knows the verbal scale nor imports the policy."""
    for path in (ROOT / "detectors").rglob("*.py"):
        text = path.read_text("utf-8")
        assert "policy" not in text
        assert not re.search(r"\bSupport\b", text)
