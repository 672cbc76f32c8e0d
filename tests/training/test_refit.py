from __future__ import annotations

import numpy as np
import pytest
from toy_probe import NEW, WIDTH, base_head, cases, draw, memory

from tellsign.benchmark.metrics import auc, bootstrap, tpr_at_fpr
from tellsign.errors import UsageError
from tellsign.training.head import Memory
from tellsign.training.refit import (
    FOLDS,
    RESAMPLED,
    Cases,
    _folds,
    _memory_folds,
    _resampled,
    choose,
    elsewhere,
    learning_curve,
    refit,
)


def test_twenty_examples_teach_a_new_generator_and_the_old_ones_stay() -> None:
    rng = np.random.default_rng(0)
    head, held = base_head(), memory(rng)
    found = choose(head, cases(rng, 20, 20), held)
    fresh = cases(rng, 200, 200, start=1000)
    old = np.concatenate([draw(rng, 400, 0), draw(rng, 400, None)])
    labels = np.arange(800) < 400
    assert tpr_at_fpr(fresh.scores(head), fresh.labels, 0.05) < 0.15
    assert tpr_at_fpr(fresh.scores(found.head), fresh.labels, 0.05) > 0.6
    assert auc(found.head(old), labels) > auc(head(old), labels) - 0.02
    assert not found.forgets


def test_cross_fitted_figures_are_those_of_pictures_never_seen() -> None:
    """Noise can be learnt by heart; scores of unseen pictures must not show it."""
    rng = np.random.default_rng(1)
    noise = cases(rng, 12, 12, by=0.0)
    found = choose(base_head(), noise, memory(rng), penalties=(1e-5,))
    seen, unseen = (auc(s, noise.labels) for s in (noise.scores(found.head), found.scores))
    assert unseen < 0.6
    assert seen > unseen + 0.15


def test_a_strong_ridge_leaves_no_direction() -> None:
    rng = np.random.default_rng(2)
    head = base_head()
    still = refit(head, cases(rng, 20, 20), memory(rng), 1e6)
    assert np.allclose(still.weight, head.weight, atol=1e-3)


def test_what_is_learnt_lies_along_the_new_generator() -> None:
    rng = np.random.default_rng(10)
    head = base_head()
    fitted = refit(head, cases(rng, 20, 20), memory(rng), 0.01)
    change = np.abs(fitted.weight - head.weight)
    assert int(change.argmax()) == NEW
    assert fitted.weight[NEW] > head.weight[NEW] + 0.5


def test_a_memory_that_weighs_more_holds_the_old_better() -> None:
    """Examples lie on the other side of what the base looks at: the memory alone says no."""
    rng = np.random.default_rng(11)
    rows = np.concatenate([draw(rng, 100, 0, by=-3.0), draw(rng, 100, None)])
    names = np.array([f"p{i}" for i in range(200)])
    contrary = Cases(rows, np.arange(200), np.arange(200) < 100, names, np.full(200, "lossless"))
    head, held = base_head(), memory(rng)
    kept = [
        elsewhere(refit(head, contrary, held, 1e-4, shares)(held.rows), held)
        for shares in ((0.5, 0.4, 0.05, 0.05), (0.1, 0.1, 0.4, 0.4))
    ]
    assert kept[1] > kept[0] + 0.05


def test_crops_stay_with_their_pictures() -> None:
    new = cases(np.random.default_rng(12), 10, 12)
    chosen = np.arange(len(new.labels)) % 3 == 0
    part = new.take(chosen)
    assert np.allclose(part.scores(base_head()), new.scores(base_head())[chosen])
    assert (part.pictures == new.pictures[chosen]).all()
    with pytest.raises(UsageError, match="needs a crop"):
        Cases(new.rows[2:], new.units[2:], new.labels, new.pictures, new.strata)


def test_a_generator_like_the_old_photographs_is_found_to_forget() -> None:
    """Examples that lie where photographs of old lie; the photographs given with them do not."""
    rng = np.random.default_rng(3)
    rows = np.concatenate([draw(rng, 100, None), draw(rng, 100, 0, by=6.0)])
    names = np.array([f"p{i}" for i in range(200)])
    lookalike = Cases(rows, np.arange(200), np.arange(200) < 100, names, np.full(200, "lossless"))
    head, held = base_head(), memory(rng)
    photographs = held.take(held.labels | (np.arange(len(held.rows)) % 10 == 0))
    forgetful = refit(head, lookalike, photographs, 1e-6)
    assert elsewhere(forgetful(held.rows), held) < elsewhere(head(held.rows), held) - 0.01


def test_folds_keep_pictures_and_groups_whole() -> None:
    rng = np.random.default_rng(4)
    new, held = cases(rng, 20, 15), memory(rng)
    folds = _folds(new, rng)
    for name in np.unique(new.pictures):
        assert len(set(folds[new.pictures == name])) == 1
    for label in (True, False):
        assert set(folds[new.labels == label]) == set(range(FOLDS))
    old = _memory_folds(held, rng)
    for name in np.unique(held.groups):
        assert len(set(old[held.groups == name])) == 1


def test_a_memory_of_one_group_is_split_by_rows() -> None:
    held = memory(np.random.default_rng(5))
    single = Memory(held.rows, held.labels, np.where(held.labels, "a", "b"))
    folds = _memory_folds(single, np.random.default_rng(0))
    for label in (True, False):
        assert set(folds[held.labels == label]) == set(range(FOLDS))


def test_elsewhere_is_the_mean_over_generators() -> None:
    rows = np.zeros((6, WIDTH), np.float32)
    labels = np.array([True, True, True, False, False, False])
    held = Memory(rows, labels, np.array(["a", "a", "b", "c", "c", "c"]))
    scores = np.array([2.0, 2.0, 0.0, 1.0, 1.0, 1.0])
    assert elsewhere(scores, held) == pytest.approx(0.5)


def test_too_little_material_is_said() -> None:
    rng = np.random.default_rng(6)
    with pytest.raises(UsageError, match="9 usable examples"):
        choose(base_head(), cases(rng, 9, 20), memory(rng))
    with pytest.raises(UsageError, match="5 usable pristine"):
        choose(base_head(), cases(rng, 20, 5), memory(rng))
    with pytest.raises(UsageError, match="the head's 7"):
        choose(base_head(7), cases(rng, 20, 20), memory(rng))


def test_a_learning_curve_rises_from_the_base() -> None:
    rng = np.random.default_rng(7)
    points = learning_curve(
        base_head(),
        memory(rng),
        cases(rng, 60, 60),
        cases(rng, 200, 200, start=1000),
        sizes=(10, 50, 500),
        rounds=2,
    )
    assert [p.examples for p in points] == [0, 10, 50]
    assert points[0].tpr.value < 0.15
    assert points[2].tpr.value > points[0].tpr.value + 0.4
    assert points[2].auc.value >= points[1].auc.value - 0.02
    assert min(p.elsewhere for p in points) > 0.95


def test_intervals_of_a_curve_are_those_of_its_pictures() -> None:
    """Launderings of one picture stay together: counted apart they would look like more."""
    rng = np.random.default_rng(11)
    test = cases(rng, 40, 60, by=1.5)
    assert len(test.labels) == 200  # each picture twice
    score = test.scores(base_head().plus(np.eye(WIDTH)[NEW], 0.0))
    one = _resampled(auc, [score], test)
    assert one.n == 100
    assert one.low < one.value == auc(score, test.labels) < one.high
    alone = test.take(np.isin(np.arange(200), np.arange(100)))
    single = bootstrap(auc, score[:100], alone.labels, rounds=RESAMPLED)
    apart = bootstrap(auc, score, test.labels, rounds=RESAMPLED)
    width = one.high - one.low
    assert width == pytest.approx(single.high - single.low, rel=0.25)
    assert width > 1.2 * (apart.high - apart.low)
    both = _resampled(auc, [score, -score], test)
    assert both.value == pytest.approx(0.5)
    assert both.high - both.low < 1e-9


def test_the_same_seed_gives_the_same_head() -> None:
    found = [
        choose(
            base_head(), cases(np.random.default_rng(8), 15, 15), memory(np.random.default_rng(9))
        )
        for _ in range(2)
    ]
    first, second = (f.head.weight for f in found)
    assert (first == second).all()
    assert int((first - base_head().weight).argmax()) == NEW
