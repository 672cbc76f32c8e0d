"""Heads fitted without each generator in turn."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from labelled import World, picture, world
from numpy.typing import NDArray

from tellsign.benchmark import leave_one_out, protocols, scores, tables
from tellsign.benchmark.calibrate import MARK
from tellsign.benchmark.datasets import Choice, Item, choose
from tellsign.benchmark.leave_one_out import Cases, Method, deal, left_out_scores
from tellsign.benchmark.metrics import auc
from tellsign.benchmark.protocols import Protocol
from tellsign.benchmark.run import Order, run, run_leave_one_out
from tellsign.detectors.base import Abstain
from tellsign.errors import UsageError
from tellsign.media import from_bytes, open_media
from tellsign.media.media import Media
from tellsign.plan import Plan
from tellsign.types import Question

TOY = str(Path(__file__).parent.parent / "toys" / "toy_generated.py")
PROTOCOL = Protocol(
    "tiny", "leave_one_out", "d", Question.SYNTHETIC, "train", ("norm", "web"), least_side=32
)


def silent(_: str) -> None:
    pass


def colours(media: Media) -> NDArray[np.float32]:
    mean = media.pixels.mean(axis=(0, 1))
    if mean[2] > 200:
        raise Abstain("blue")
    return np.asarray(mean[None], np.float32)


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return Order(PROTOCOL, (tmp_path / "data",), tmp_path / "out", tmp_path / "kept", 1, "bench")


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setattr(leave_one_out, "FIXED", {"toy_generated": (colours, "mean colours")})
    return Plan.select(detectors=["toy_generated"], loaded=[TOY])


# --- heads -------------------------------------------------------------------------------------


def cases(seed: int = 0, each: int = 60) -> Cases:
    """Generators a, b and c differ from four sources along number 0, d along number 1 only."""
    rng = np.random.default_rng(seed)
    groups = np.repeat([*"abcd", *"wxyz"], each)
    rows = rng.normal(size=(len(groups), 4)).astype(np.float32)
    rows[np.isin(groups, [*"abc"]), 0] += 2
    rows[groups == "d", 1] += 4
    labels = np.isin(groups, [*"abcd"])
    sides = np.where(labels, np.arange(len(groups)) % 2, np.isin(groups, ["w", "x"]))
    conditions = np.resize(np.repeat(["norm", "web"], 2), len(groups))
    return Cases(rows, labels, groups, conditions, sides, np.zeros(len(groups), np.bool_))


def area(of: Cases, values: NDArray[np.float64], group: str) -> float:
    part = ~of.labels | (of.groups == group)
    return auc(values[part], of.labels[part])


def test_what_other_generators_teach_is_found_and_what_only_this_one_has_is_not() -> None:
    toy = cases()
    found = left_out_scores(toy, silent)
    assert found.min() >= 0
    assert found.max() <= 1
    for group in "abc":
        assert area(toy, found, group) > 0.85
    # Fitted with it, it would be told: number 1 alone does so.
    assert area(toy, found, "d") < 0.65
    assert area(toy, toy.rows[:, 1].astype(float), "d") > 0.95
    assert np.array_equal(found, left_out_scores(toy, silent))


def test_no_head_meets_the_generator_or_a_source_it_is_tested_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    toy = cases()
    met: list[set[str]] = []

    def watched(groups: list[str], labels: list[int]) -> NDArray[np.float64]:
        met.append(set(groups))
        return np.ones(len(labels))

    monkeypatch.setattr(leave_one_out, "balanced_weights", watched)
    left_out_scores(toy, silent)
    halves = [{"y", "z"}, {"w", "x"}]
    others = [set("bcd"), set("acd"), set("abd"), set("abc")]
    # Tested on side 0 are y and z, so that heads of side 0 are fitted with w and x.
    assert met == [o | h for o in others for h in (halves[1], halves[0])]


def test_sources_told_apart_are_scored_but_teach_nothing() -> None:
    toy = cases()
    strange = replace(toy, apart=toy.groups == "w", rows=toy.rows.copy())
    strange.rows[toy.groups == "w", 0] += 6
    found = left_out_scores(strange, silent)
    assert found[toy.groups == "w"].mean() > 0.95
    assert found[toy.groups == "z"].mean() == pytest.approx(0.5, abs=0.1)
    assert all(np.isfinite(found))


def test_a_score_is_a_rank_among_photographs_of_the_same_side_and_condition() -> None:
    toy = cases()
    found = left_out_scores(toy, silent)
    for side in (0, 1):
        for condition in ("norm", "web"):
            here = ~toy.labels & (toy.sides == side) & (toy.conditions == condition)
            ranks = np.sort(found[here])
            evenly = (np.arange(len(ranks)) + 0.5) / len(ranks)
            assert np.allclose(ranks, evenly, atol=0.02)  # but for ties


def items(*groups: tuple[str, int, int]) -> list[Item]:
    return [
        Item(f"{g}{n}", g, label, "photo", Path("x"), "train", f"{g}{n}", 9, 9)
        for g, label, count in groups
        for n in range(count)
    ]


def test_generators_are_halved_and_sources_kept_whole() -> None:
    dealt = items(("a", 1, 5), ("b", 1, 4), ("v", 0, 3), ("w", 0, 3), ("x", 0, 3), ("q", 0, 2))
    sides = deal(dealt, ["q"], 0)
    by_group = {g: [s for s, i in zip(sides, dealt, strict=True) if i.group == g] for g in "abvwx"}
    assert sorted(map(sum, (by_group["a"], by_group["b"]))) == [2, 2]
    assert all(len(set(by_group[g])) == 1 for g in "vwx")
    assert {by_group[g][0] for g in "vwx"} == {0, 1}
    assert np.array_equal(sides, deal(dealt, ["q"], 0))


@pytest.mark.parametrize(
    "groups",
    [
        [("a", 1, 5), ("v", 0, 3), ("w", 0, 3)],
        [("a", 1, 5), ("b", 1, 5), ("v", 0, 3), ("q", 0, 3)],
    ],
)
def test_one_generator_or_one_source_is_too_little(groups: list[tuple[str, int, int]]) -> None:
    with pytest.raises(UsageError, match="two generators and two sources"):
        deal(items(*groups), ["q"], 0)


# --- descriptions ------------------------------------------------------------------------------


def test_descriptions_that_are_computed_have_a_row_for_each_crop_or_abstain() -> None:
    media = open_media(from_bytes(picture(3, 0, (200, 300))))
    assert leave_one_out.noise_statistics(media).shape[0] == 1
    spectra = leave_one_out.log_fourier(media)
    assert spectra.shape[0] >= 2
    assert spectra.shape[1] == 2112
    for describe in (leave_one_out.noise_statistics, leave_one_out.log_fourier):
        with pytest.raises(Abstain, match="too_small"):
            describe(open_media(from_bytes(picture(3, 0, (60, 300)))))


def test_the_card_tells_which_generators_a_description_was_learned_on() -> None:
    card = (
        f"Generated pictures: sd1_extile 150, gan-b 3. Pristine pictures: cam_a 5.{MARK}9 of dalle"
    )
    method = Method("d", "t", "x", card)
    assert method.trained_on(["sd1_extile", "sd1", "extile", "gan", "gan-b", "dalle"]) == [
        "sd1_extile",
        "gan-b",
    ]
    assert replace(method, card=None).trained_on(["sd1_extile"]) is None


def page_with(order: Order, without: str = "", **changes: list[str]) -> str:
    """The tables of a run whose meta file was changed."""
    path = order.out / "toy_generated.meta.json"
    meta = json.loads(path.read_text("utf-8")) | changes
    meta.pop(without, None)
    path.write_text(json.dumps(meta), "utf-8")
    return tables.page(tables.load(order.out))


def test_the_head_of_the_tables_names_what_was_trained_on_groups_of_the_run(
    order: Order, plan: Plan
) -> None:
    world(order.data[0], each=6).write()
    run_leave_one_out(order, plan, silent)
    refitted = page_with(order, learned_from=["gan_b"])
    assert "Trained on groups of this run" not in refitted
    page = page_with(order, without="refitted")
    assert "**Trained on groups of this run**" in page
    assert "- toy_generated: gan_b\n" in page


def test_a_plan_without_such_a_head_is_refused() -> None:
    with pytest.raises(UsageError, match="can be fitted again"):
        leave_one_out.methods(Plan.select(detectors=["jpeg_grid_zero"]))


# --- the run -----------------------------------------------------------------------------------


def test_a_run_writes_score_files_and_its_tables_say_what_was_fitted(
    order: Order, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = world(order.data[0], each=10)
    made.add("gan_a", "bad.png", b"\x89PNG\r\n\x1a\nbroken", label="synthetic")
    made.write()
    run_leave_one_out(order, plan, silent)
    assert {p.name.split(".")[0] for p in order.out.iterdir()} == {
        *("zero_pixel", "zero_pixel_no_bytes", "content_16x16", "toy_generated")
    }
    rows = scores.read(order.out / "toy_generated.scores.csv")
    assert len(rows) == 2 * 61
    assert [(r.key, r.code) for r in rows if r.status == "failed"] == [
        ("bad.png", "MalformedMedia")
    ] * 2
    spoke = [r for r in rows if r.score is not None]
    values, labels = (
        np.array([v(r) for r in spoke]) for v in (lambda r: r.score, lambda r: r.label)
    )
    assert auc(values, labels == 1) > 0.9
    meta = json.loads((order.out / "toy_generated.meta.json").read_text("utf-8"))
    assert meta["trained_on"] is None
    assert meta["refitted"] == "mean colours"
    assert "thresholds" not in meta
    page = tables.page(tables.load(order.out))
    assert "## Heads fitted without each generator in turn" in page
    assert "| toy_generated | nothing was learned before | 3 |" in page

    def never(_: object) -> None:
        raise AssertionError("described twice")

    monkeypatch.setattr(leave_one_out, "describe", never)
    run_leave_one_out(order, plan, silent)
    assert scores.read(order.out / "toy_generated.scores.csv") == rows


def test_tables_part_generators_that_the_description_was_learned_on(
    order: Order, plan: Plan
) -> None:
    world(order.data[0], each=6).write()
    run_leave_one_out(order, plan, silent)
    page = page_with(order, trained_on=["cam_a", "gan_b"])
    assert "- toy_generated: mean colours; by the card with 1 of the 3 sources" in page
    assert "| toy_generated | learned with them, by the card | 1 |" in page
    assert "| toy_generated | learned without them, by the card | 2 |" in page


def test_scores_of_refitted_heads_choose_no_thresholds(order: Order, plan: Plan) -> None:
    world(order.data[0], each=4).write()
    run_leave_one_out(order, plan, silent)
    other = replace(PROTOCOL, kind="conditions")
    with pytest.raises(UsageError, match="choose no thresholds"):
        run(replace(order, protocol=other, thresholds=order.out), plan, silent)
    with pytest.raises(UsageError, match="no threshold of another run"):
        run_leave_one_out(replace(order, thresholds=order.out), plan, silent)


def test_what_abstains_has_no_score(order: Order, plan: Plan) -> None:
    made = world(order.data[0], each=4)
    blue = World(order.data[0])
    blue.rows = made.rows
    for n in range(2):
        blue.add("gan_a", f"blue{n}.png", solid(n), label="synthetic")
    folder = blue.write()
    assert len(choose([folder], Choice(Question.SYNTHETIC, "train")).items) == 26
    run_leave_one_out(order, plan, silent)
    rows = scores.read(order.out / "toy_generated.scores.csv")
    assert {(r.key, r.status, r.code) for r in rows if r.score is None} == {
        ("blue0.png", "abstained", "blue"),
        ("blue1.png", "abstained", "blue"),
    }


def solid(n: int) -> bytes:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (96, 96), (20, 30 + n, 250)).save(buffer, "PNG")
    return buffer.getvalue()


def test_nothing_is_fitted_to_what_measures() -> None:
    with pytest.raises(UsageError, match="nothing is fitted"):
        replace(PROTOCOL, split=protocols.DEVTEST)
    with pytest.raises(UsageError, match="nothing is fitted"):
        replace(PROTOCOL, kind="adaptation", split=protocols.DEVTEST)
