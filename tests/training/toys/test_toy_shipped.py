"""Shipped detectors in the toys' world, with detectors and an embedding of our own making."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tellsign import registry  # noqa: E402
from tellsign.artifacts.store import Store  # noqa: E402
from tellsign.detectors.base import Abstain  # noqa: E402
from tellsign.errors import ArtifactError  # noqa: E402
from tellsign.media.media import Media  # noqa: E402
from tellsign.training.toys import experiments, probes, shipped  # noqa: E402
from tellsign.training.toys.page import Measured, page  # noqa: E402
from tellsign.training.toys.pictures import procedural  # noqa: E402
from tellsign.training.toys.world import PRISTINE, Split  # noqa: E402
from tellsign.types import Question  # noqa: E402

SIDE, N = 32, 24

SOURCE = '''"""Brightness

Question     Was the whole picture generated?
How          Bright pictures were.
Score        Mean level.
Blind spots  Everything.
References   None.
"""
from tellsign.detectors.base import Abstain, Detector, detector
from tellsign.types import Family, Question, View


@detector(
    name="brightness", version="1", family=Family.FEATURE, question=Question.SYNTHETIC,
    needs=View.PIXELS, unit="levels", findings={},
    abstentions={"dark": "It is dark.", "black": "It is black."},
)
class Brightness(Detector):
    def applicable(self, media):
        return "black" if media.pixels.max() == 0 else None

    def examine(self, media):
        level = float(media.pixels.mean())
        if level < 20:
            raise Abstain("dark")
        return self.evidence(level)
'''


@pytest.fixture
def brightness(tmp_path: Path) -> type[shipped.Detector]:
    path = tmp_path / "brightness.py"
    path.write_text(SOURCE, "utf-8")
    return registry.load([str(path)])["brightness"]


def world() -> Split:
    def pools(seed: int) -> dict[str, np.ndarray]:
        plain = procedural(N, SIDE, seed)
        bright = np.clip(procedural(N, SIDE, seed + 1) + 60.0, 0, 255).astype(np.uint8)
        return {PRISTINE: plain, "alike": procedural(N, SIDE, seed + 2), "bright": bright}

    return Split(pools(0), pools(100), tuple(i // 2 for i in range(N)), tuple(range(N)))


def test_pictures_reach_detectors_unchanged() -> None:
    picture = procedural(1, SIDE, 0)[0]
    assert np.array_equal(shipped.media(picture).pixels, picture)


def test_a_detector_is_measured_on_what_it_speaks_about(
    brightness: type[shipped.Detector],
) -> None:
    split = world()
    split.measuring[PRISTINE][:3] = 0
    split.measuring[PRISTINE][3:5] = 9
    split.measuring["alike"][:] = 9
    (row,) = shipped.as_installed(split, [brightness()], ["somewhere"])
    assert row.silent == {"black": 3, "dark": 2 + N}
    assert set(row.aucs) == {"bright"}
    assert row.aucs["bright"].value > 0.9
    assert row.aucs["bright"].n == 2 * N - 5
    assert (row.detector, row.artifact, row.learned) == ("brightness", "", ())


def test_all_detectors_of_the_question_are_asked() -> None:
    found = {d.info.name: d for d in shipped.synthetic_detectors()}
    assert "embedding_probe" in found
    assert {d.info.question for d in found.values()} == {Question.SYNTHETIC}


def test_a_card_tells_what_was_learned_from() -> None:
    artifact = Store.default().get("embedding_probe", "1")
    assert artifact is not None
    (row,) = shipped.as_installed(
        world(), [registry.load()["embedding_probe"]()], ["imagenet_sample", "kodak_lossless"]
    )
    assert row.artifact == artifact.sha256[:12]
    assert row.learned == ("imagenet_sample",)
    assert row.silent == {"too_small": 3 * N}
    assert row.aucs == {}


def fake(media: Media) -> np.ndarray:
    """Two crops; their mean is told by mean level and spread."""
    pixels = media.pixels.astype(np.float32)
    row = np.array([pixels.mean(), pixels.std()], np.float32)
    return np.stack([row - 1, row + 1])


def test_a_head_is_fitted_on_embeddings_of_one_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiments, "ROUNDS", 20)
    extract = probes.Remembered(shipped.embeddings(fake, "fake@1"))
    cells = list(experiments.matrix(world(), 0, {"head": probes.ridge_on(extract)}))
    told = {(c.trained, c.tested): c.auc.value for c in cells if c.preprocessing == "none"}
    assert told["bright", "bright"] > 0.9
    assert told["bright", "alike"] < 0.8


def test_an_abstaining_network_gives_no_features() -> None:
    def silent(media: Media) -> np.ndarray:
        raise Abstain("too_small")

    with pytest.raises(ArtifactError, match="fake@1 abstains: too_small"):
        shipped.embeddings(silent, "fake@1")(procedural(1, SIDE, 0))


def test_thinned_classes_come_of_many_photographs() -> None:
    few = world().thinned(12)
    assert few.owners == tuple(range(12))
    assert {len(p) for p in (*few.fitting.values(), *few.measuring.values())} == {12}
    assert np.array_equal(few.measuring["bright"], world().measuring["bright"][::2])


def test_the_page_shows_what_was_measured(
    brightness: type[shipped.Detector], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiments, "ROUNDS", 20)
    split = world()
    trainers = {"ridge": probes.ridge_on(probes.dct_features)}
    cells = list(experiments.matrix(split, 0, trainers))
    rows = list(shipped.as_installed(split, [brightness()], []))
    found = [experiments.attribution(split, "pixels", 10)]
    lines = list(page("run", split, split.thinned(8), Measured(found, cells, rows, "net@1, 12ab")))
    text = "\n".join(lines)
    own = [c for c in cells if c.trained == c.tested and c.preprocessing == "none"]
    apart = [c for c in cells if c.trained != c.tested and c.preprocessing == "none"]
    carried = sum(c.auc.value for c in apart) / len(apart)
    assert all(f"| {c.trained} | {c.correct} | {c.auc} | {c.strength:g} |" in text for c in own)
    (line,) = [x for x in lines if x.startswith("| ridge | none | ")]
    assert f"| {carried:.3f} [" in line
    assert f"| {rows[0].aucs['bright']} |" in text
    assert "net@1, 12ab" in text
    for table in text.split("\n\n"):
        widths = {row.count("|") for row in table.splitlines() if row.startswith("|")}
        assert len(widths) <= 1
    partial = "\n".join(page("run", split, split, Measured(found, [], [])))
    assert "As installed" not in partial
