"""Peers are strangers: they print, fail, end and answer nonsense, and no picture is lost by it.

The one below stands for them all:

Question     Was the whole picture generated?
How          It looks at the first pixel.
Score        How bright that is, as log odds.
Blind spots  All else.
References   None.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tellsign import registry
from tellsign.benchmark import peer
from tellsign.detectors.base import detector
from tellsign.forge.codec import encode_jpeg, encode_png
from tellsign.media import from_bytes, open_media
from tellsign.media.media import Media
from tellsign.testing import run
from tellsign.types import Abstention, Evidence, Family, Question, View

FILES = sorted((Path(__file__).parents[2] / "scripts/peers").glob("*.py"))
MEAN = """
import io
from PIL import Image
print("a library greets")
print("{it goes on}")
print(3)
def asked(data):
    print("{a library talks}")
    grey = Image.open(io.BytesIO(data)).convert("L").getpixel((0, 0))
    if grey == 13:
        raise ValueError("an unlucky picture")
    if grey == 14:
        return 7.0
    if grey == 15:
        return None
    if grey == 17:
        return float("nan")
    if grey == 16:
        raise SystemExit
    return grey / 255
"""


def asked(grey: int) -> Evidence | Abstention:
    found = run(Stranger(), picture(grey))
    assert isinstance(found, Evidence | Abstention)
    return found


def picture(grey: int) -> Media:
    return open_media(from_bytes(encode_png(np.full((16, 16, 3), grey, np.uint8))))


@detector(
    name="test_peer",
    version="1",
    family=Family.FEATURE,
    question=Question.SYNTHETIC,
    needs=View.PIXELS,
    unit="log odds",
    abstentions=peer.ABSTENTIONS,
    findings={},
)
class Stranger(peer.PeerDetector):
    PYTHON = "TEST_PEER_PYTHON"
    CHILD = MEAN


@pytest.fixture(autouse=True)
def python(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Python that has the package; children end with the test."""
    monkeypatch.setenv("TEST_PEER_PYTHON", sys.executable)
    started: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def recorded(*arguments: Any, **more: Any) -> subprocess.Popen[bytes]:
        started.append(start(*arguments, **more))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", recorded)
    peer._started.cache_clear()
    yield
    peer._started.cache_clear()
    for child in started:
        with suppress(BrokenPipeError), child:
            pass


def test_the_probability_comes_back_as_log_odds() -> None:
    first, second = asked(51), asked(204)
    assert isinstance(first, Evidence)
    assert isinstance(second, Evidence)
    assert first.score == pytest.approx(np.log(0.2 / 0.8))
    assert second.score == pytest.approx(np.log(0.8 / 0.2))


def test_certainty_has_finite_odds() -> None:
    sure = asked(255)
    assert isinstance(sure, Evidence)
    assert sure.score == pytest.approx(np.log(1e6), rel=1e-4)


@pytest.mark.parametrize("grey", [13, 14, 15, 17])
def test_what_a_peer_cannot_answer_is_refused_and_the_next_is_asked(grey: int) -> None:
    found = asked(grey)
    assert isinstance(found, Abstention)
    assert found.code == "refused"
    assert isinstance(asked(51), Evidence)


def test_a_peer_that_wants_a_path_gets_one_with_the_right_ending(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    code = f"""
def asked(data):
    path = as_file(data)
    open({str(told)!r}, "a").write(path + "\\n")
    return 0.75 if open(path, "rb").read() == data else 0.25
"""
    monkeypatch.setattr(Stranger, "CHILD", code)
    jpeg = open_media(from_bytes(encode_jpeg(np.full((16, 16, 3), 9, np.uint8), 90, "4:2:0")))
    for media in (picture(51), jpeg):
        found = run(Stranger(), media)
        assert isinstance(found, Evidence)
        assert found.score == pytest.approx(np.log(3))
    asked_of = [Path(line) for line in told.read_text().split()]
    assert [path.suffix for path in asked_of] == [".png", ".jpg"]


def test_a_peer_that_ends_abstains_from_then_on() -> None:
    for grey in (16, 51):
        found = asked(grey)
        assert isinstance(found, Abstention)
        assert found.code == "no_peer"


@pytest.mark.parametrize("python", ["", "/no/such/python"])
def test_without_an_environment_there_is_no_peer(
    python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_PEER_PYTHON", python)
    found = asked(51)
    assert isinstance(found, Abstention)
    assert found.code == "no_peer"


@pytest.mark.parametrize("file", FILES, ids=[f.stem for f in FILES])
def test_every_peer_of_the_repository_loads(file: Path) -> None:
    name = file.stem
    found = registry.load([str(file)])[name]
    assert issubclass(found, peer.PeerDetector)
    compile(found.CHILD + peer.LOOP, name, "exec")
    assert "def asked(data):" in found.CHILD
    assert found.PYTHON.endswith("_PYTHON")
