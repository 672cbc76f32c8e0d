from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tellsign import registry
from tellsign.detectors.base import docstring_sections
from tellsign.errors import DetectorError, UsageError
from tellsign.types import Question

TOYS = Path(__file__).parent / "toys"
TOY = str(TOYS / "toy_brightness.py")


def test_built_in_detectors_are_found_without_a_list() -> None:
    found = registry.load()
    folder = Path(registry.package.__file__).parent
    files = {
        p.stem
        for family in ("feature", "supervised", "universal")
        for p in (folder / family).glob("*.py")
        if p.stem != "__init__"
    }
    assert set(found) == files
    assert list(found) == sorted(found)


def test_a_file_adds_its_detector() -> None:
    found = registry.load([TOY])
    assert found["toy_brightness"].info.question is Question.MANIPULATED
    assert len(found) == len(registry.load()) + 1


def test_a_name_that_occurs_twice_is_an_error() -> None:
    cls = registry.load([TOY])["toy_brightness"]
    with pytest.raises(DetectorError, match="two detectors"):
        registry.Registry([cls, cls])


def test_selection_by_question_name_and_exclusion() -> None:
    found = registry.load([TOY, str(TOYS / "toy_broken.py")])
    assert found.select(questions=[Question.FACE]) == ("toy_broken",)
    assert found.select(names=["toy_brightness"]) == ("toy_brightness",)
    assert "toy_broken" not in found.select(without=["toy_broken"])


@pytest.mark.parametrize("option", ["names", "without"])
def test_an_unknown_name_is_an_error(option: str) -> None:
    with pytest.raises(UsageError, match="nobody"):
        registry.load().select(**{option: ["nobody"]})


def test_an_empty_selection_is_an_error() -> None:
    found = registry.load([TOY])
    with pytest.raises(UsageError, match="no detector"):
        found.select(names=["toy_brightness"], without=["toy_brightness"])


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no detector file"):
        registry.load([str(tmp_path / "nowhere.py")])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = (", "cannot be loaded"),
        ("import a_module_that_does_not_exist", "cannot be loaded"),
        ("x = 1", "defines no detector"),
    ],
)
def test_a_file_that_is_no_detector_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text, "utf-8")
    with pytest.raises(DetectorError, match=message):
        registry.load([str(path)])


def test_a_detector_is_named_after_its_file(tmp_path: Path) -> None:
    path = tmp_path / "other_name.py"
    path.write_text(Path(TOY).read_text("utf-8"), "utf-8")
    with pytest.raises(DetectorError, match="must live in"):
        registry.load([str(path)])


def test_docstring_headings_are_read_in_order() -> None:
    text = "Title.\n\nQuestion  Q?\nHow  A\n     B\nScore  S\nBlind spots  X\nReferences  R"
    sections = docstring_sections("toy", text)
    assert sections["title"] == "Title"
    assert sections["How"] == "A\nB"


@pytest.mark.parametrize(
    "text",
    [
        None,
        "Title.\n\nQuestion Q\nHow A\nScore S\nReferences R",
        "Title.\n\nHow A\nQuestion Q\nScore S\nBlind spots X\nReferences R",
        "Title.\n\nQuestion Q\nHow A\nScore S\nBlind spots\nReferences R",
    ],
)
def test_a_docstring_without_its_headings_is_an_error(text: str | None) -> None:
    with pytest.raises(DetectorError, match="docstring"):
        docstring_sections("toy", text)


def test_listing_detectors_imports_nothing_heavy() -> None:
    heavy = ["torch", "onnxruntime", "cv2", "scipy", "c2pa", "jpeglib", "rich", "pyarrow"]
    code = (
        "import sys; from tellsign import registry; registry.load(); "
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_installed_package_adds_its_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point may name the module or the class in it."""
    cls = registry.load([TOY])["toy_brightness"]

    class Point:
        def __init__(self, loaded: object) -> None:
            self.loaded = loaded

        def load(self) -> object:
            return self.loaded

    for loaded in (cls, sys.modules[cls.__module__]):
        points = [Point(loaded)]
        monkeypatch.setattr(registry, "entry_points", lambda group, p=points: p)
        assert registry.load()["toy_brightness"] is cls
