from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from labelled import picture
from PIL import Image

from tellsign.benchmark import prepare
from tellsign.benchmark.datasets import Item
from tellsign.benchmark.prepare import Task, Wanted, frames
from tellsign.errors import ForgeError
from tellsign.forge.codec import encode_jpeg
from tellsign.media import from_bytes, open_media


def item(group: str, label: int, size: tuple[int, int], key: str = "0", path: str = "x") -> Item:
    height, width = size
    return Item(key, group, label, "photo", Path(path), "train", f"{group}{key}", width, height)


def crowd() -> list[Item]:
    """Squares of one class, long shapes of the other."""
    squares = [item("gan", 1, (512, 512), str(n)) for n in range(300)]
    return squares + [item("cam", 0, (400, 600), str(n)) for n in range(300)]


def test_matched_sizes_have_the_same_law_in_both_classes() -> None:
    mixed = crowd() + [item("cam2", 0, (3000, 4000), str(n)) for n in range(300)]
    sizes = frames(mixed, "norm", "matched", 0)
    of_class = {
        y: Counter(s for s, i in zip(sizes, mixed, strict=True) if i.label == y) for y in (0, 1)
    }
    assert set(of_class[0]) == set(of_class[1]) == {(400, 512), (512, 512)}
    share = {y: c[400, 512] / c.total() for y, c in of_class.items()}
    assert share[1] == pytest.approx(0.5, abs=0.08)  # each pristine group counts once
    assert share[0] == 0.5


def test_conditions_that_shrink_do_so_before_the_cut() -> None:
    pair = [item("gan", 1, (1024, 1024)), item("cam", 0, (3000, 4000))]
    assert frames(pair, "web", "matched", 0) == [(576, 768), (576, 768)]
    assert frames(pair, "hard", "matched", 0) == [(384, 512), (384, 512)]
    assert frames(pair, "norm", "matched", 0) == [(1024, 1024), (1024, 1024)]


def test_raw_own_sizes_and_a_single_class_are_left_alone() -> None:
    pair = [item("gan", 1, (512, 512)), item("cam", 0, (400, 600))]
    assert frames(pair, "raw", "matched", 0) == [None, None]
    assert frames(pair, "web", "own", 0) == [None, None]
    assert frames(pair[:1], "web", "matched", 0) == [None]


@pytest.mark.parametrize(("condition", "longest"), prepare.BOUNDS.items())
def test_the_bounds_are_those_of_the_launderings(
    condition: str, longest: int, tmp_path: Path
) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(picture(0, 0, (1000, 1400)))
    task = Task(item("g", 1, (1000, 1400), path=str(path)), (Wanted(condition, None),), 0, tmp_path)
    facts = prepare.prepare(task)[0]["facts"]
    assert max(facts["width"], facts["height"]) == min(
        longest, 1080 if condition == "social" else 1400
    )


def test_a_picture_is_laundered_at_its_frame(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(picture(0, 0, (800, 800)))
    wanted = (Wanted("raw", None), Wanted("web", (500, 700)), Wanted("jpeg-50", (300, 200)))
    raw, web, recompressed = prepare.prepare(
        Task(item("g", 1, (800, 800), path=str(path)), wanted, 0, tmp_path)
    )
    assert raw["path"] == str(path)
    assert raw["facts"]["format"] == "png"
    assert [web["facts"][k] for k in ("height", "width", "quality")] == [500, 700, 60]
    assert [recompressed["facts"][k] for k in ("height", "width", "quality")] == [300, 200, 50]
    stored = Path(web["path"]).read_bytes()
    assert from_bytes(stored).sha256 == web["sha256"]
    assert len(bytes.fromhex(web["thumb"])) == 768


def test_the_same_task_gives_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    path.write_bytes(picture(0, 0, (400, 500)))
    task = Task(
        item("g", 1, (400, 500), path=str(path)), (Wanted("norm", (300, 300)),), 7, tmp_path
    )
    assert prepare.prepare(task) == prepare.prepare(task)
    assert prepare.prepare(task) != prepare.prepare(replace(task, seed=8))


def test_what_cannot_be_opened_or_treated_says_so(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    broken = item("g", 1, (80, 80), path=str(path))
    both = (Wanted("raw", None), Wanted("web", None))
    assert prepare.prepare(Task(broken, both, 0, tmp_path)) == [{"error": "MalformedMedia"}] * 2
    assert prepare.fingerprint(broken) is None
    gone = item("g", 1, (80, 80), path=str(tmp_path / "gone.png"))
    assert prepare.prepare(Task(gone, both[:1], 0, tmp_path)) == [{"error": "UnreadableSource"}]


def test_a_treatment_that_was_not_applied_is_noticed() -> None:
    pixels = np.asarray(Image.open(io.BytesIO(picture(0, 0))))
    data = encode_jpeg(pixels, 60, "4:2:0")
    media = open_media(from_bytes(data))
    said = {"step": "jpeg", "quality": 60, "subsampling": "4:2:0"}
    prepare.assert_treated(media, [said], b"before")
    with pytest.raises(ForgeError, match="every byte"):
        prepare.assert_treated(media, [said], data)
    for wrong in ({"quality": 40}, {"subsampling": "4:4:4"}):
        with pytest.raises(ForgeError, match="not what was asked for"):
            prepare.assert_treated(media, [said | wrong], b"before")


def test_kept_names_depend_on_condition_frame_seed_and_content() -> None:
    one = item("g", 1, (80, 80))
    wanted = Wanted("web", (10, 10))
    names = {
        prepare.kept_name(one, wanted, 0),
        prepare.kept_name(one, wanted, 1),
        prepare.kept_name(one, Wanted("web", None), 0),
        prepare.kept_name(one, Wanted("hard", (10, 10)), 0),
        prepare.kept_name(replace(one, sha256="other"), wanted, 0),
    }
    assert len(names) == 5
