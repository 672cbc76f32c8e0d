from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from banded_pictures import banded, pictures, read_bands
from toy_probe import WIDTH, artifact

from tellsign.detectors.base import Abstain
from tellsign.detectors.universal.embedding_probe import EmbeddingProbe, layout
from tellsign.detectors.universal.forensic_transfer import ForensicTransfer
from tellsign.errors import ArtifactError, UsageError
from tellsign.forge.codec import encode_png
from tellsign.media import from_bytes, open_media
from tellsign.media.media import Media
from tellsign.testing import run
from tellsign.training.adapt import opened
from tellsign.training.embed import CONDITIONS, CROPS, embed_all, embedder
from tellsign.training.head import Rows
from tellsign.types import Evidence, Source

ROW = np.linspace(-2, 2, WIDTH)


class Counted:
    """An embedding step that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, media: Media) -> Rows:
        self.calls += 1
        return read_bands(media)


def test_every_condition_gives_a_case_with_its_stratum() -> None:
    cases, skipped = embed_all([(from_bytes(banded(ROW)), True)], read_bands)
    assert not skipped
    assert len(cases.labels) == len(CONDITIONS)
    assert list(cases.units) == [0, 0, 1, 1, 2, 2]
    assert cases.strata[1] == "jpeg-q50-74"
    assert cases.strata[2] == "jpeg-q0-49"
    assert np.allclose(cases.rows, ROW, atol=0.6)


def test_embeddings_are_kept_by_content_and_not_by_name(tmp_path: Path) -> None:
    step, data = Counted(), banded(ROW)
    first, _ = embed_all([(from_bytes(data, "a"), True)], step, cache=tmp_path, model="m")
    again, _ = embed_all([(from_bytes(data, "b"), True)], step, cache=tmp_path, model="m")
    assert step.calls == len(CONDITIONS)
    assert (first.rows == again.rows).all()
    assert (first.strata == again.strata).all()
    embed_all([(from_bytes(data), True)], step, cache=tmp_path, model="another")
    assert step.calls == 2 * len(CONDITIONS)


@pytest.mark.parametrize("content", ["", "{}", '{"stratum": "x", "width": 3, "rows": "AAA="}', "["])
def test_a_kept_file_that_is_not_whole_is_made_again(tmp_path: Path, content: str) -> None:
    step, source = Counted(), from_bytes(banded(ROW))
    first, _ = embed_all([(source, True)], step, cache=tmp_path)
    for path in tmp_path.iterdir():
        path.write_text(content, "utf-8")
    again, _ = embed_all([(source, True)], step, cache=tmp_path)
    assert step.calls == 2 * len(CONDITIONS)
    assert (first.rows == again.rows).all()


def test_what_cannot_be_used_is_named() -> None:
    def particular(media: Media) -> Rows:
        if media.luma.mean() > 160:
            raise Abstain("too_bright")
        return read_bands(media)

    good = banded(ROW)
    given: list[tuple[Source, bool]] = [
        (from_bytes(good, "good"), True),
        (from_bytes(good, "twin"), True),
        (from_bytes(good, "turncoat"), False),
        (from_bytes(b"no picture at all", "text"), True),
        (from_bytes(banded(ROW + 4), "bright"), True),
    ]
    cases, skipped = embed_all(given, particular, conditions=("web",))
    assert len(cases.labels) == 1
    reasons = {s.name: s.reason for s in skipped}
    assert reasons["twin"] == "given twice"
    assert reasons["turncoat"] == "given as both classes"
    assert reasons["bright"] == "web: too_bright"
    assert reasons["text"].startswith("web: ")


def test_nothing_usable_is_an_error() -> None:
    with pytest.raises(UsageError, match="none of the pictures"):
        embed_all([(from_bytes(b"text"), True)], read_bands)


def test_an_embedding_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(ArtifactError, match="not finite"):
        embed_all([(from_bytes(banded(ROW)), True)], lambda m: read_bands(m) * np.float32("nan"))


def test_classes_are_laundered_alike() -> None:
    """The same content under either label gives the same rows: nothing depends on the class."""
    sources = pictures(0, 3, generated=False)
    one, _ = embed_all([(s, True) for s in sources], read_bands)
    two, _ = embed_all([(s, False) for s in sources], read_bands)
    assert (one.rows == two.rows).all()


def test_an_artifact_without_a_detector_has_no_embedding(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no detector"):
        embedder(artifact(tmp_path, name="nobodys"))


def test_reduced_copies_are_among_what_a_head_is_adapted_on() -> None:
    detector = EmbeddingProbe()
    pixels = np.random.default_rng(0).integers(0, 256, (500, 520, 3), dtype=np.uint8)
    media = open_media(from_bytes(encode_png(pixels)))
    whole = detector.infer_rows(detector.prepare(media))
    rows = embedder(detector.needed)(media)
    np.testing.assert_array_equal(rows, whole[-len(rows) :])
    assert len(layout(media)) == 3
    assert len(rows) == CROPS < len(whole)


def test_a_network_that_describes_cells_gives_their_mean_for_each_crop() -> None:
    detector = ForensicTransfer()
    pixels = np.random.default_rng(0).integers(0, 256, (280, 400, 3), dtype=np.uint8)
    media = open_media(from_bytes(encode_png(pixels)))
    rows = embedder(detector.needed)(media)
    head, memory = opened(detector.needed)
    assert rows.shape[1] == head.width == memory.rows.shape[1]
    assert len(rows) == len(detector.prepare(media)) < CROPS
    found = run(detector, media)
    assert isinstance(found, Evidence)
    assert head(rows).mean() == pytest.approx(found.score, abs=1e-5)
