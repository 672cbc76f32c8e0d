from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from small_bank import small_bank

from tellsign.errors import UsageError
from tellsign.training.bank import HELD_OUT, Row
from tellsign.training.sampling import BalancedSampler, pairs


def test_half_of_a_batch_is_generated_and_held_out_groups_never_come() -> None:
    bank = small_bank()
    sampler = BalancedSampler(bank.rows, bank.select(held_out=False), 8, paired=0.5)
    for step in range(40):
        drawn = [bank.rows[i] for i in sampler.draw(np.random.default_rng(step))]
        assert [r.label for r in drawn] == [1] * 4 + [0] * 4
        assert not HELD_OUT & {r.group for r in drawn}


def test_a_reconstruction_comes_with_the_same_crop_of_its_original() -> None:
    bank = small_bank()
    sampler = BalancedSampler(bank.rows, bank.select(held_out=False), 8, paired=0.5)
    for step in range(20):
        numbers = sampler.draw(np.random.default_rng(step))
        for made, taken in zip(numbers[:2], numbers[4:6], strict=True):
            assert bank.rows[made].pair == bank.rows[taken].picture
            assert bank.rows[made].condition == bank.rows[taken].condition
            # The reconstruction keeps every second pixel, so it must be the very same place.
            assert (bank.crops[made][::2, ::2] == bank.crops[taken][::2, ::2]).all()


def test_every_group_is_as_likely_as_every_other() -> None:
    rows = [Row(f"a{i}", "many", 1, "", "norm", "", "") for i in range(90)]
    rows += [Row(f"b{i}", "few", 1, "", "norm", "", "") for i in range(3)]
    rows += [Row("c", "camera", 0, "", "norm", "", "")]
    sampler = BalancedSampler(rows, np.arange(len(rows)), 4)
    drawn = Counter(
        rows[i].group for step in range(500) for i in sampler.draw(np.random.default_rng(step))[:2]
    )
    assert abs(drawn["many"] - drawn["few"]) < 120


def test_the_same_generator_draws_the_same_batch() -> None:
    bank = small_bank()
    sampler = BalancedSampler(bank.rows, bank.select(held_out=False), 6, paired=0.3)
    first, second = (sampler.draw(np.random.default_rng((7, 1))) for _ in range(2))
    assert (first == second).all()
    assert (first != sampler.draw(np.random.default_rng((7, 2)))).any()


def test_a_pair_that_lost_a_crop_is_left_out() -> None:
    bank = small_bank()
    last = max(i for i, r in enumerate(bank.rows) if r.maker)
    kept = np.array([i for i in bank.select(held_out=False) if i != last])
    whole, rest = pairs(bank.rows, bank.select(held_out=False)), pairs(bank.rows, kept)
    assert len(whole["vae"]) == 8
    assert len(rest["vae"]) == 6


def test_a_bank_of_one_class_and_odd_batches_are_refused() -> None:
    rows = [Row("c", "camera", 0, "", "norm", "", "")]
    with pytest.raises(UsageError, match="lacks a class"):
        BalancedSampler(rows, np.arange(1), 4)
    with pytest.raises(UsageError, match="even number"):
        BalancedSampler(small_bank().rows, np.arange(4), 3)
