from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
from labelled import World, picture, world
from numpy.typing import NDArray
from PIL import Image

from tellsign.benchmark import datasets
from tellsign.benchmark.datasets import Choice, Grid, choose, near_duplicates, perceptual_hash
from tellsign.errors import InputError, MalformedMedia
from tellsign.media import from_bytes, open_media
from tellsign.types import Question

ALL = Choice(Question.SYNTHETIC, "train")


def luma(data: bytes) -> NDArray[np.uint8]:
    return open_media(from_bytes(data)).luma


def test_rows_become_items_with_labels(tmp_path: Path) -> None:
    folder = world(tmp_path).write()
    items = choose([folder], ALL).items
    assert len(items) == 36
    assert {(i.group, i.label) for i in items} >= {("gan_a", 1), ("cam_a", 0)}
    assert all(i.path.is_file() and i.split == "train" for i in items)


def test_other_splits_questions_and_styles_stay_out(tmp_path: Path) -> None:
    made = world(tmp_path, each=1)
    for n, columns in enumerate(
        (
            {"label": "synthetic", "split": "devtest"},
            {"label": "pristine", "question": "MANIPULATED"},
            {"label": "synthetic", "style": "graphic"},
            {"label": "mask"},
            {"label": "synthetic", "role": "sheet"},
        )
    ):
        made.add("extra", f"{n}.png", picture(n, 0), **columns)
    folder = made.write()
    assert {i.group for i in choose([folder], ALL).items}.isdisjoint({"extra"})
    only = choose([folder], Choice(Question.SYNTHETIC, "devtest"))
    assert [(i.group, i.split) for i in only.items] == [("extra", "devtest")]


def test_groups_can_be_named_and_left_out(tmp_path: Path) -> None:
    folder = world(tmp_path).write()
    some = choose([folder], Choice(Question.SYNTHETIC, "train", groups=("gan_a", "cam_b")))
    assert {i.group for i in some.items} == {"gan_a", "cam_b"}
    rest = choose([folder], Choice(Question.SYNTHETIC, "train", without=("gan_a",)))
    assert "gan_a" not in {i.group for i in rest.items}


def test_the_draw_is_capped_and_repeats(tmp_path: Path) -> None:
    folder = world(tmp_path).write()
    choice = Choice(Question.SYNTHETIC, "train", per_group=2, seed=3)
    drawn = choose([folder], choice)
    assert len(drawn.items) == 12
    assert drawn.left_out == {"over the number per group": 24}
    assert drawn == choose([folder], choice)
    assert drawn.items != choose([folder], Choice(Question.SYNTHETIC, "train", per_group=2)).items


def test_the_same_bytes_count_once_and_never_under_two_labels(tmp_path: Path) -> None:
    made = world(tmp_path, each=1)
    twin, torn = picture(5000, 0), picture(5001, 0)
    made.add("cam_a", "twin.png", twin, label="pristine")
    made.add("cam_b", "twin.png", twin, label="pristine")
    made.add("cam_a", "torn.png", torn, label="pristine")
    made.add("gan_a", "torn.png", torn, label="synthetic")
    chosen = choose([made.write(), made.folder], ALL)  # a folder given twice brings nothing new
    assert [i.key for i in chosen.items].count("twin.png") == 1
    assert "torn.png" not in {i.key for i in chosen.items}
    assert chosen.left_out["under both labels"] == 4


def test_small_pictures_are_left_out_and_counted(tmp_path: Path) -> None:
    folder = world(tmp_path).write()
    choice = Choice(Question.SYNTHETIC, "train", least_side=80)
    chosen = choose([folder], choice)
    assert {i.label for i in chosen.items} == {1}
    assert chosen.left_out == {"too small": 18}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        ("split\tgroup\n", "no column"),
        ("\xff", "no column"),
    ],
)
def test_a_folder_without_a_manifest_is_an_input_error(
    tmp_path: Path, text: str | None, message: str
) -> None:
    if text is not None:
        (tmp_path / "manifest.tsv").write_text(text, "utf-8")
    with pytest.raises(InputError, match=message):
        choose([tmp_path], ALL)


def test_a_width_that_is_no_number_names_the_manifest(tmp_path: Path) -> None:
    made = world(tmp_path, each=1)
    made.rows[0]["width"] = "wide"
    with pytest.raises(InputError, match=r"manifest\.tsv"):
        choose([made.write()], ALL)


def test_nothing_left_is_an_input_error(tmp_path: Path) -> None:
    folder = world(tmp_path, each=1).write()
    with pytest.raises(InputError, match="no synthetic pictures"):
        choose([folder], Choice(Question.SYNTHETIC, "train", groups=("nobody",)))
    with pytest.raises(InputError, match="no labels"):
        choose([folder], Choice(Question.SOURCE, "train"))


# --- sheets ------------------------------------------------------------------------------------


def test_grids_lie_within_their_sheets() -> None:
    for sheets in datasets.GRIDS.values():
        for (width, height), grid in sheets.items():
            boxes = list(grid.boxes())
            assert len(boxes) == grid.columns * grid.rows - len(grid.blank)
            assert max(b.x + b.width for b in boxes) == width - (grid.gap if grid.framed else 0)
            assert max(b.y + b.height for b in boxes) == height - (grid.gap if grid.framed else 0)


def test_blank_cells_are_skipped() -> None:
    corners = [(b.x, b.y) for b in Grid(2, 2, 8, 1, framed=True, blank=((0, 0),)).boxes()]
    assert corners == [(10, 1), (1, 10), (10, 10)]


def sheet(world: World, size: int = 1024) -> None:
    pixels = np.zeros((size, size, 3), np.uint8)
    pixels[: size // 2, size // 2 :] = 200
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    world.add(
        "sd1_supagruen_artist_styles",
        "sheet.png",
        buffer.getvalue(),
        label="synthetic",
        role="sheet2x2",
        width="1024",
        height="1024",
    )


def test_a_sheet_gives_its_pictures(tmp_path: Path) -> None:
    made = World(tmp_path)
    sheet(made)
    items = choose([made.write()], ALL).items
    assert [i.key for i in items] == sorted(
        ["sheet.png#0,0", "sheet.png#512,0", "sheet.png#0,512", "sheet.png#512,512"]
    )
    assert {(i.width, i.height) for i in items} == {(512, 512)}
    assert len({i.name for i in items}) == 4
    means = {i.key: open_media(datasets.source(i)).pixels.mean() for i in items}
    assert means == pytest.approx(dict.fromkeys(means, 0.0) | {"sheet.png#512,0": 200.0})


def test_a_sheet_smaller_than_stated_is_malformed(tmp_path: Path) -> None:
    made = World(tmp_path)
    sheet(made, size=600)
    last = choose([made.write()], ALL).items[-1]
    with pytest.raises(MalformedMedia, match="smaller than"):
        datasets.source(last)


# --- near duplicates ---------------------------------------------------------------------------


def test_a_perceptual_hash_survives_compression_and_shrinking(photo: NDArray[np.uint8]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(photo).resize((320, 240)).save(buffer, "JPEG", quality=60)
    before = np.ascontiguousarray(photo[..., 1])
    first, second = perceptual_hash(before), perceptual_hash(luma(buffer.getvalue()))
    assert (first ^ second).bit_count() <= datasets.NEAR
    other = perceptual_hash(np.ascontiguousarray(before[::-1]))
    assert (first ^ other).bit_count() > 2 * datasets.NEAR


def test_near_duplicates_are_dropped_across_groups_only(tmp_path: Path) -> None:
    items = choose([world(tmp_path, each=2).write()], ALL).items
    rng = random.Random(0)
    hashes = {i.name: rng.getrandbits(64) for i in items}
    assert near_duplicates(items, hashes) == set()
    first, sibling, stranger = items[0], items[1], items[2]
    hashes[sibling.name] = hashes[stranger.name] = hashes[first.name]
    assert near_duplicates(items, hashes) == {stranger.name}
    del hashes[first.name], hashes[sibling.name]  # not opened, so not compared
    assert near_duplicates(items, hashes) == set()
