"""Both classes are cut and laundered alike; pairs are cut in the same places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tellsign.errors import InputError
from tellsign.forge.codec import encode_png
from tellsign.training import bank
from tellsign.training.bank import SIDE, Bank, Picture, Row


def picture(folder: Path, name: str, seed: int, shift: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(20, 200, (12, 14, 3), dtype=np.uint8)
    pixels = np.kron(coarse, np.ones((32, 32, 1), np.uint8)) + np.uint8(shift)
    path = folder / f"{name}.png"
    path.write_bytes(encode_png(pixels))
    return path


@pytest.fixture
def pair(tmp_path: Path) -> list[Picture]:
    made = [(0, "o", "r", 0), (1, "r", "o", 20)]
    return [
        Picture(own, "g", label, "photo", picture(tmp_path, own, 1, shift), None, other, "toy")
        for label, own, other, shift in made
    ]


def test_a_pair_shares_treatment_and_places(pair: list[Picture]) -> None:
    first, second = (list(bank.crops_of(p, ("web", "mix"), 3, 0)) for p in pair)
    assert len(first) == len(second) == 6
    for (row, crop), (other, twin) in zip(first, second, strict=True):
        assert (row.condition, row.label, other.label) == (other.condition, 0, 1)
        gap = twin.astype(float) - crop.astype(float)
        assert abs(float(np.median(gap)) - 20) < 4


def test_every_condition_gives_crops(tmp_path: Path) -> None:
    one = Picture("a", "g", 1, "photo", picture(tmp_path, "a", 2))
    rows = [row for row, crop in bank.crops_of(one, bank.CONDITIONS, 2, 0)]
    assert [r.condition for r in rows] == [c for c in bank.CONDITIONS for _ in range(2)]


def test_a_cell_is_cut_from_its_sheet(tmp_path: Path) -> None:
    sheet = np.zeros((300, 600, 3), np.uint8)
    sheet[:, 300:] = 200
    path = tmp_path / "sheet.png"
    path.write_bytes(encode_png(sheet))
    cell = Picture("c", "g", 1, "art", path, (0, 300, 300))
    crops = [crop for _, crop in bank.crops_of(cell, ("norm",), 2, 0)]
    assert all(abs(float(c.mean()) - 200) < 3 for c in crops)


def test_what_cannot_be_read_gives_nothing(tmp_path: Path) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    assert not list(bank.crops_of(Picture("b", "g", 1, "photo", path), ("norm",), 2, 0))


def test_mix_is_drawn_and_repeats() -> None:
    drawn = {bank.treatment("mix", seed) for seed in range(40)}
    assert len(drawn) > 30
    assert bank.treatment("mix", 7) == bank.treatment("mix", 7)
    assert all("jpeg-" in name or "webp-" in name for name in drawn)
    assert bank.treatment("web", 7) == "web"


def test_a_bank_is_written_and_read(tmp_path: Path, pair: list[Picture]) -> None:
    made = bank.build(pair, tmp_path / "bank", conditions=("norm",), per_condition=2, workers=1)
    again = Bank.open(tmp_path / "bank")
    assert list(again.rows) == list(made.rows)
    assert len(again.rows) == 4
    assert again.crops[3].shape == (SIDE, SIDE, 3)
    np.testing.assert_array_equal(again.crops[3], made.crops[3])


def test_another_folder_is_no_bank(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no crop bank"):
        Bank.open(tmp_path)


def row(group: str) -> Row:
    return Row("p", group, 0, "photo", "norm", "", "")


def test_held_out_groups_are_never_selected_for_training() -> None:
    rows = [row("bsds500"), row("imagenet_sample"), row("comfyui_examples"), row("x")]
    found = Bank(np.zeros((4, 1, 1, 3), np.uint8), rows)
    assert found.select(held_out=False).tolist() == [1, 3]
    assert found.select(held_out=True).tolist() == [0, 2]


def test_banks_join_under_one_numbering() -> None:
    parts = [Bank(np.full((n, 1, 1, 3), n, np.uint8), [row("x")] * n) for n in (2, 0, 3)]
    joined = Bank.join(parts)
    assert len(joined.crops) == len(joined.rows) == 5
    assert [int(joined.crops[i].max()) for i in range(5)] == [2, 2, 3, 3, 3]


def test_rows_and_crops_must_agree() -> None:
    with pytest.raises(InputError, match="has 1 rows"):
        Bank(np.zeros((2, 1, 1, 3), np.uint8), [row("x")])
