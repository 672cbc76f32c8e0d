from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from score_files import complete, rows, write

from tellsign.benchmark import tables
from tellsign.benchmark.metrics import Interval
from tellsign.benchmark.page import ACCUSED, TARGETS, WORST, Line, plain, render
from tellsign.benchmark.run import CONCLUSION
from tellsign.benchmark.scores import ScoreRow
from tellsign.errors import InputError


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = complete(tmp_path_factory.mktemp("run"), rows())
    return render([tables.load(folder)], "scripts/can_and_cannot run")


def told(folder: Path, conclusion: list[ScoreRow], **settings: object) -> str:
    return render([tables.load(write(folder, {CONCLUSION: conclusion}, **settings))], "")


def section(page: str, title: str) -> str:
    """What stands under the one heading that begins so."""
    (found,) = [s for s in re.split(r"^#+ ", page, flags=re.MULTILINE) if s.startswith(title)]
    return found


def cells(text: str, *first: str) -> list[str]:
    """The row of a table that begins with these cells."""
    lines = [[c.strip() for c in line.strip("| \n").split("|")] for line in text.splitlines()]
    (found,) = [line for line in lines if tuple(line[: len(first)]) == first]
    return found


def line(value: float, bound: float | None, *, least: bool, spread: float = 0.0) -> Line:
    interval = Interval(value, value - spread, value + spread, 9)
    return Line("x", "photo", bound, least, interval, "")


# --- targets ---


def test_the_targets_are_those_that_were_set() -> None:
    bounds = {t.metric: t.bounds for t in TARGETS}
    assert bounds == {
        "auc": {"norm": 0.93, "web": 0.83, "hard": 0.76},
        "tpr_at_5": {"norm": 0.65, "web": 0.42, "hard": 0.32},
        "balanced_accuracy": {"norm": 0.84, "web": 0.75, "hard": 0.70},
        "ece": {"norm": 0.05},
        "cllr": {"norm": 0.5},
    }
    assert set(ACCUSED.bounds.values()) == {0.02}
    assert set(WORST.bounds.values()) == {0.06}
    assert not ACCUSED.least


@pytest.mark.parametrize(
    ("made", "outcome", "verdict"),
    [
        (line(0.93, 0.93, least=True), "met", "met"),
        (line(0.95, 0.93, least=True, spread=0.01), "met", "met"),
        (
            line(0.95, 0.93, least=True, spread=0.05),
            "met",
            "met, though the interval reaches past it",
        ),
        (line(0.90, 0.93, least=True, spread=0.01), "missed", "**missed by 0.030**"),
        (
            line(0.90, 0.93, least=True, spread=0.05),
            "missed",
            "**missed by 0.030**, though the interval reaches it",
        ),
        (line(0.9299, 0.93, least=True), "missed", "**missed by less than 0.001**"),
        (line(0.02, 0.02, least=False), "met", "met"),
        (line(0.05, 0.02, least=False), "missed", "**missed by 0.030**"),
        (line(0.5, None, least=True), "no target", "no target"),
        (Line("x", "", 0.5, True, None, ""), "not measured", "not measured"),
    ],
)
def test_met_or_missed_by_how_much(made: Line, outcome: str, verdict: str) -> None:
    assert (made.outcome, made.verdict) == (outcome, verdict)


def test_each_style_has_its_own_line_against_the_target(page: str) -> None:
    norm = section(page, "norm: targets")
    for style in ("photo", "art"):
        row = cells(norm, "mean AUC over generators", style)
        assert row[2] == "≥ 0.93"
        assert float(row[3].split()[0]) > 0.99
        assert row[4:] == ["2 generators", "met"]
    hard = section(page, "hard: targets")
    assert cells(hard, "mean AUC over generators", "photo")[2] == "≥ 0.76"
    assert cells(hard, "calibration error (ECE)", "photo")[5] == "no target"


def test_the_short_table_counts_what_the_long_ones_say(page: str) -> None:
    for condition in ("norm", "hard"):
        verdicts = [
            [c.strip() for c in row.strip("|").split("|")][-1]
            for row in section(page, f"{condition}: targets").splitlines()
            if row.startswith("| ") and not row.startswith("| what")
        ]
        counts = cells(section(page, "In short"), "toy", "train", condition)[3:]
        assert counts == [
            str(sum(v.startswith("met") for v in verdicts)),
            str(sum(v.startswith("**missed") for v in verdicts)),
            str(sum(v == "not measured" for v in verdicts)),
        ]
        assert int(counts[0]) > 0


def test_conditions_come_in_the_order_of_the_targets(page: str) -> None:
    assert page.index("### norm: targets") < page.index("### hard: targets")


def test_silence_does_not_pass_for_skill(tmp_path: Path) -> None:
    silent = [
        replace(r, score=None, llr=None, status="abstained", code="no_ratio")
        if r.label == 1 and r.score is not None and r.score < 0.4
        else r
        for r in rows(shift=1.0)
    ]
    text = section(told(tmp_path, silent), "norm: targets")
    spoke = cells(text, "mean TPR at 5 % FPR", "photo")
    strict = cells(text, "mean TPR at 5 % FPR, silence counted as undecided", "photo")
    assert float(spoke[3].split()[0]) == 1.0
    assert float(strict[3].split()[0]) < 1.0
    assert float(cells(text, "share of all pictures it spoke on", "photo")[3].split()[0]) < 0.9


def test_no_line_about_silence_where_there_is_none(page: str) -> None:
    assert "| mean AUC over generators, silence" not in page


def test_a_run_that_chose_settings_says_so(tmp_path: Path) -> None:
    warning = "these figures flatter"
    assert warning in told(tmp_path / "a", rows())
    assert warning not in told(tmp_path / "b", rows(), split="devtest")


# --- generators, detectors, sources ---


def test_generators_stand_weakest_first_with_what_was_found(tmp_path: Path) -> None:
    weak = [
        replace(r, score=-9.0, llr=-9.0) if r.group == "gan_b" and r.condition == "norm" else r
        for r in rows()
    ]
    text = section(told(tmp_path, weak), "norm: generators, photo")
    assert text.index("gan_b") < text.index("gan_a")
    row = cells(text, "gan_b", "32", "100%")
    assert [c.split()[0] for c in row[3:]] == ["0.000", "0.000", "0.000"]
    found = float(cells(text, "gan_a", "32", "100%")[5].split()[0])
    own = [r for r in weak if (r.group, r.condition) == ("gan_a", "norm")]
    assert found == pytest.approx(sum((r.llr or 0) >= 1.0 for r in own) / 32, abs=0.001)


def test_every_detector_stands_beside_every_generator_in_norm(page: str) -> None:
    text = section(page, "norm: AUC of every detector, photo")
    assert cells(text, "generator") == ["generator", "turned", "conclusion"]
    turned, conclusion = map(float, cells(text, "gan_b")[1:])
    assert turned < 0.1 < 0.9 < conclusion
    mean = float(cells(text, "mean")[1])
    assert mean == pytest.approx((float(cells(text, "gan_a")[1]) + turned) / 2, abs=0.011)
    assert cells(text, "spoke on") == ["spoke on", "100%", "100%"]


def test_the_source_accused_most_stands_first_and_is_named_as_the_worst(tmp_path: Path) -> None:
    odd = [
        replace(r, score=2.5, llr=2.5) if r.key in ("cam_b/0.png", "cam_b/1.png") else r
        for r in rows(shift=4.0)
    ]
    text = told(tmp_path, odd, apart=["cam_c"])
    sources = section(text, "Pristine sources")
    names = re.findall(r"^\| (cam_\w)", sources, re.MULTILINE)
    assert names[0] == "cam_b"
    assert cells(sources, "cam_b", "32")[2].startswith("0.062 [")
    assert "cam_c (apart)" in sources
    row = cells(section(text, "norm: targets"), WORST.name, "–")
    assert row[4] == "32 pictures of cam_b"
    average = cells(section(text, "norm: targets"), ACCUSED.name, "–")
    assert average[3].startswith("0.031")
    assert average[4] == "2 sources, 2 of 64 pictures"
    assert row[5] == "**missed by 0.003**, though the interval reaches it"


def test_a_flip_is_listed_with_its_generator(page: str) -> None:
    text = section(page, "Direction flips")
    assert cells(text, "turned", "photo", "norm", "gan_b")[4].startswith("0.0")
    assert cells(text, "turned", "1 of 4, 1 clear")[2] == "1 of 4, 1 clear"
    assert cells(text, "conclusion", "0 of 4, 0 clear")


def test_baselines_stand_beside_the_conclusion(page: str) -> None:
    text = section(page, "What can be told without looking")
    blind = float(cells(text, "zero_pixel", "photo")[2].split()[0])
    assert blind == pytest.approx(0.5, abs=0.1)
    assert float(cells(text, "conclusion", "photo")[2].split()[0]) > 0.9


# --- failures, words, hostile strings ---


def test_failures_are_named_with_their_ratio(tmp_path: Path) -> None:
    made = [
        replace(r, score=2.9, llr=2.9)
        if (r.key, r.condition) == ("cam_a/7.png", "hard")
        else replace(r, score=-2.8, llr=-2.8)
        if (r.key, r.condition) == ("gan_c/3.png", "norm")
        else r
        for r in rows()
    ]
    text = section(told(tmp_path, made), "Failures by name")
    assert cells(text, "cam_a/7.png") == ["cam_a/7.png", "cam_a", "photo", "hard", "+2.90"]
    assert cells(text, "gan_c/3.png") == ["gan_c/3.png", "gan_c", "art", "norm", "-2.80"]


HOSTILE = "<img src=x onerror=alert(1)>|[a](javascript:b)`c`\x1b[31m\u202e*d* www.e.f __g__\n# h"


def test_what_a_file_calls_itself_is_only_text(tmp_path: Path) -> None:
    made = [
        replace(r, key=HOSTILE, score=3.0, llr=3.0) if r.key == "cam_a/7.png" else r for r in rows()
    ]
    made = [replace(r, group=HOSTILE) if r.group == "gan_a" else r for r in made]
    text = told(tmp_path, made)
    quiet = told(tmp_path / "quiet", rows())
    assert "onerror=alert(1)" in text
    for mark in ("<", "`", "\x1b", "\u202e"):
        assert text.count(mark) == quiet.count(mark), mark
    for mark in ("](java", "*d*", "www.", "__g", "\n# h"):
        assert mark not in text, mark
    row = next(line for line in text.splitlines() if "onerror" in line and "+3.00" in line)
    assert row.count("|") == 6


def test_plain_leaves_usual_names_readable() -> None:
    assert plain("sd_xl-1.0/img 3.png") == "sd_xl-1.0/img 3.png"
    assert plain("a & <b>") == "a &#38; &#60;b&#62;"
    assert plain("x" * 500).count("x") < 80
    assert plain("x" * 500).endswith(" &#91;…&#93;")


def test_the_page_opens_with_what_words_mean_and_ends_with_the_commands(page: str) -> None:
    assert page.index("What silence means") < page.index("## In short")
    assert "at least 10 times" in page
    end = section(page, "The commands").splitlines()
    assert end[2:] == ["    tellsign bench run toy", "    scripts/can_and_cannot run"]


def test_the_same_files_give_the_same_page(page: str, tmp_path: Path) -> None:
    again = tables.load(complete(tmp_path, rows()))
    assert render([again], "scripts/can_and_cannot run") == page


def test_several_runs_stand_in_one_page(tmp_path: Path) -> None:
    loaded = [
        tables.load(write(tmp_path / split, {CONCLUSION: rows()}, split=split))
        for split in ("train", "devtest")
    ]
    text = render(loaded, "")
    assert text.index("## toy, split train") < text.index("## toy, split devtest")
    assert len(re.findall(r"^\| toy \|", section(text, "In short"), re.MULTILINE)) == 4


def test_without_a_run_the_page_claims_no_figure() -> None:
    text = render([], "")
    assert "No run has been written" in text
    assert "|" not in text


def test_a_run_without_conclusion_or_of_another_question_is_refused(tmp_path: Path) -> None:
    alone = write(tmp_path / "a", {"turned": rows()})
    with pytest.raises(InputError, match="without a conclusion"):
        render([tables.load(alone)], "")
    other = write(tmp_path / "b", {CONCLUSION: rows()}, question="manipulated")
    with pytest.raises(InputError, match="not a run of the question synthetic"):
        render([tables.load(other)], "")


def test_a_long_command_stands_whole_in_the_tables_of_a_run(tmp_path: Path) -> None:
    folder = complete(tmp_path, rows())
    long = "tellsign bench run toy " + "--detector embedding_probe " * 60 + "--last"
    for path in folder.glob("*.meta.json"):
        path.write_text(path.read_text("utf-8").replace("tellsign bench run toy", long), "utf-8")
    assert long in tables.page(tables.load(folder))
