"""The public contract suite over every registered detector."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tellsign import registry
from tellsign.artifacts.store import Store
from tellsign.detectors.base import Detector
from tellsign.errors import DetectorError
from tellsign.testing import check_detector, odd_pictures

TOYS = Path(__file__).parent.parent / "toys"
DETECTORS = list(registry.load().values())
IDS = [cls.info.name for cls in DETECTORS]


@pytest.mark.parametrize("cls", DETECTORS, ids=IDS)
def test_contract(cls: type[Detector]) -> None:
    check_detector(cls)


@pytest.mark.parametrize("cls", DETECTORS, ids=IDS)
def test_references_are_cited(cls: type[Detector]) -> None:
    assert re.search(r"\b(19|20)\d\d\b", cls.info.sections["References"])


@pytest.mark.parametrize("cls", DETECTORS, ids=IDS)
def test_every_function_is_annotated(cls: type[Detector]) -> None:
    module = ast.parse(Path(registry.sys.modules[cls.__module__].__file__ or "").read_text("utf-8"))
    functions = [n for n in ast.walk(module) if isinstance(n, ast.FunctionDef)]
    assert functions
    assert all(f.returns is not None for f in functions)


@pytest.mark.parametrize("cls", DETECTORS, ids=IDS)
def test_a_calibration_has_a_card_with_known_failures(cls: type[Detector]) -> None:
    found = Store.default().get(cls.info.name, cls.info.version)
    if cls.info.question in ("processed", "source"):
        assert found is None or not found.holds("calibration.json")
        return
    assert found is not None, "no artifact: run scripts/calibrate"
    assert found.card.detector_version == cls.info.version


@pytest.mark.parametrize("toy", ["toy_brightness", "toy_network"])
def test_the_suite_passes_what_is_in_order(toy: str) -> None:
    check_detector(registry.load([str(TOYS / f"{toy}.py")])[toy])


def test_the_suite_finds_what_is_broken(tmp_path: Path) -> None:
    text = (TOYS / "toy_brightness.py").read_text("utf-8")
    changed = text.replace("toy_brightness", "toy_random").replace(
        "mean = float(media.luma.mean())",
        "mean = float(id(object()) + __import__('time').time_ns())",
    )
    path = tmp_path / "toy_random.py"
    path.write_text(changed, "utf-8")
    with pytest.raises(DetectorError, match="two runs differ"):
        check_detector(registry.load([str(path)])["toy_random"])


def test_the_odd_pictures_differ() -> None:
    assert len(set(odd_pictures().values())) == len(odd_pictures())
