from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellsign.errors import PolicyError
from tellsign.fusion import policy as policies
from tellsign.types import Question, Support

DEFAULT = policies.load()


@pytest.mark.parametrize(
    ("llr", "support", "direction"),
    [
        (None, Support.NONE, None),
        (0.0, Support.NONE, None),
        (0.49, Support.NONE, None),
        (0.5, Support.WEAK, "for"),
        (-0.99, Support.WEAK, "against"),
        (1.0, Support.MODERATE, "for"),
        (1.99, Support.MODERATE, "for"),
        (-2.0, Support.STRONG, "against"),
        (3.0, Support.STRONG, "for"),
    ],
)
def test_the_verbal_scale(llr: float | None, support: Support, direction: str | None) -> None:
    assert DEFAULT.support(llr) == (support, direction)


def test_conclusions_are_clipped() -> None:
    assert DEFAULT.bounded(Question.MANIPULATED, 7.0) == 3.0
    assert DEFAULT.bounded(Question.MANIPULATED, -7.0) == -3.0
    assert DEFAULT.bounded(Question.MANIPULATED, 0.2) == 0.2


@given(st.floats(-9, 0), st.floats(0.001, 1))
def test_what_speaks_against_generation_is_weak_support_at_most(llr: float, more: float) -> None:
    bounded = DEFAULT.bounded(Question.SYNTHETIC, llr)
    rounding = 1e-12 * abs(llr)  # a tiny ratio is divided and multiplied again
    assert llr - rounding <= bounded <= 0
    assert DEFAULT.support(bounded)[0] in (Support.NONE, Support.WEAK)
    assert DEFAULT.bounded(Question.SYNTHETIC, llr - more) <= bounded


def test_what_speaks_for_generation_is_only_clipped() -> None:
    assert DEFAULT.bounded(Question.SYNTHETIC, 1.7) == 1.7
    assert DEFAULT.bounded(Question.SYNTHETIC, 9.0) == 3.0


@pytest.mark.parametrize("table", ["synthetic = 9.0", "synthetic = 0.0", "source = 1.0"])
def test_a_bound_that_bounds_nothing_is_refused(tmp_path: Path, table: str) -> None:
    with pytest.raises(PolicyError, match="against"):
        policies.load(changed(tmp_path, "synthetic = 0.95", table))


def test_a_policy_travels_to_workers() -> None:
    assert pickle.loads(pickle.dumps(DEFAULT)) == DEFAULT


def changed(tmp_path: Path, old: str, new: str) -> Path:
    text = Path(policies.__file__).parent.parent.joinpath("policy.toml").read_text("utf-8")
    assert old in text
    path = tmp_path / "policy.toml"
    path.write_text(text.replace(old, new), "utf-8")
    return path


def test_a_deployment_may_change_the_scale(tmp_path: Path) -> None:
    loaded = policies.load(changed(tmp_path, "weak = 0.5", "weak = 0.9"))
    assert loaded.support(0.8) == (Support.NONE, None)
    assert loaded.digest != DEFAULT.digest


def test_a_prior_is_a_probability_of_a_question(tmp_path: Path) -> None:
    loaded = policies.load(changed(tmp_path, "[priors]", "[priors]\nsynthetic = 0.01"))
    assert loaded.priors == {"synthetic": 0.01}
    with pytest.raises(PolicyError, match="prior"):
        policies.load(changed(tmp_path, "[priors]", "[priors]\nsynthetic = 1.5"))
    with pytest.raises(PolicyError, match="prior"):
        policies.load(changed(tmp_path, "[priors]", "[priors]\nguilt = 0.5"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("weak = 0.5", "weak = 1.5"),
        ("weak = 0.5", ""),
        ("weak = 0.5", "weak = 0.5\nweaker = 0.1"),
        ("[engine]", "[machine]"),
        ("batch = 8", "batch = 0"),
        ("max_pixels = 100000000", "max_pixels = 'many'"),
        ("[scale]", "[scale"),
    ],
)
def test_a_bad_policy_is_refused(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(PolicyError):
        policies.load(changed(tmp_path, old, new))


def test_a_missing_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError):
        policies.load(tmp_path / "nowhere.toml")
