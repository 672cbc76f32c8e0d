"""Which rows of a manifest may be trained on."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tellsign.errors import InputError
from tellsign.training import pictures

FIELDS = [
    *("split", "question", "label", "group", "role", "path", "width", "height"),
    *("sha256", "style", "file"),
]
PLAIN = dict(
    split="train", question="SYNTHETIC", label="synthetic", group="g", role="image", width="512",
    height="512", style="photo",
)  # fmt: skip


def manifest(folder: Path, *changes: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    with (folder / "manifest.tsv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, FIELDS, delimiter="\t")
        writer.writeheader()
        for i, change in enumerate(changes):
            own = {"path": f"{i}.png", "file": f"g/{i}.png", "sha256": f"h{i}"}
            writer.writerow({**PLAIN, **own, **change})
    return folder


def test_generated_and_pristine_rows_are_read(tmp_path: Path) -> None:
    folder = manifest(
        tmp_path, {}, {"label": "pristine", "question": "CAMERA"}, {"label": "pristine"}
    )
    found = pictures.read([folder], 10, 0)
    assert sorted(p.label for p in found) == [0, 0, 1]
    assert {p.path.parent for p in found} == {folder / "g"}


@pytest.mark.parametrize(
    "change",
    [
        {"split": "devtest"},
        {"label": "mask"},
        {"question": "FACE", "label": "synthetic"},
        {"question": "MANIPULATED", "label": "pristine"},
        {"label": "pristine", "group": "celeba_hq"},
        {"width": "128"},
        {"width": ""},
        {"role": "video"},
        {"role": "sheet"},
    ],
)
def test_other_rows_are_left_out(tmp_path: Path, change: dict[str, str]) -> None:
    assert pictures.read([manifest(tmp_path, change)], 10, 0) == []


def test_photographs_of_other_questions_are_read_apart(tmp_path: Path) -> None:
    own = {"question": "MANIPULATED", "group": "fau_copymove_multipaste"}
    folder = manifest(
        tmp_path,
        {**own, "label": "manipulated"},
        {**own, "label": "mask", "role": "mask"},
        {**own, "label": "original", "split": "devtest", "sha256": "measured"},
        {**own, "label": "original", "sha256": "measured"},
        {**own, "label": "original", "width": "150"},
        {**own, "label": "original", "group": "unknown"},
        {"label": "synthetic"},
    )
    assert [(p.key, p.label) for p in pictures.read_others([folder])] == [
        ("fau_copymove_multipaste/0.png", 0)
    ]
    assert [p.label for p in pictures.read([folder], 10, 0)] == [1]


def test_of_panels_before_and_after_a_square_of_the_first_is_taken(tmp_path: Path) -> None:
    row = {"group": "casia1_samples", "role": "sheet", "width": "1152", "height": "256"}
    folder = manifest(tmp_path, {**row, "question": "MANIPULATED", "label": "manipulated"})
    (found,) = pictures.read_others([folder])
    assert found.box == (0, 0, 256)


def test_a_known_sheet_is_cut_into_cells_inside_it(tmp_path: Path) -> None:
    sheet = {"group": "stylegan2_pretrained_zoo", "role": "sheet", "width": "768", "height": "1024"}
    found = pictures.read([manifest(tmp_path, sheet)], 10, 0)
    boxes = [p.box for p in found]
    assert len(set(boxes)) == pictures.CELLS_PER_SHEET
    assert all(b and b[0] + b[2] <= 1024 and b[1] + b[2] <= 768 and b[2] == 256 for b in boxes)


def test_black_corners_of_sheets_are_no_cells(tmp_path: Path) -> None:
    mixing = {"group": "stylegan2_pretrained_zoo", "role": "sheet"}
    mixing |= {"width": "1280", "height": "1280"}
    found = pictures.read([manifest(tmp_path, *[mixing] * 30)], 1000, 0)
    assert len(found) == 30 * pictures.CELLS_PER_SHEET
    assert all(p.box and p.box[:2] != (0, 0) for p in found)


def test_sheets_of_large_pictures_are_taken_whole(tmp_path: Path) -> None:
    found = pictures.read([manifest(tmp_path, {"group": "flux_assets", "role": "sheet"})], 10, 0)
    assert [p.box for p in found] == [None]


@pytest.mark.parametrize("last", [False, True])
def test_content_that_is_measured_on_is_never_learnt_from(tmp_path: Path, last: bool) -> None:
    twice = [{"split": "devtest", "sha256": "x"}, {"sha256": "x"}]
    folder = manifest(tmp_path, *(twice[::-1] if last else twice), {})
    assert len(pictures.read([folder], 10, 0)) == 1


def test_the_same_content_is_read_once(tmp_path: Path) -> None:
    one, two = manifest(tmp_path / "a", {}), manifest(tmp_path / "b", {})
    assert len(pictures.read([one, two], 10, 0)) == 1


def test_no_more_than_asked_of_a_group(tmp_path: Path) -> None:
    folder = manifest(tmp_path, *[{}] * 20)
    assert len(pictures.read([folder], 7, 0)) == 7
    assert pictures.read([folder], 7, 1) == pictures.read([folder], 7, 1)


def test_a_folder_without_manifest_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"manifest\.tsv"):
        pictures.read([tmp_path], 1, 0)
