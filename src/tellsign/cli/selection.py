"""The options that choose what is run, shared by the verbs that examine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from tellsign.plan import Plan

F = TypeVar("F", bound=Callable[..., Any])

# The questions that detectors can be asked; spelt here so that ``--help`` imports nothing.
QUESTIONS = ("synthetic", "manipulated", "face", "processed", "source")


def selection_options(function: F) -> F:
    """Add ``--question --detector --without --all --load-detector --policy`` to a command."""
    options = (
        click.option(
            "--question",
            "questions",
            multiple=True,
            type=click.Choice(QUESTIONS),
            help="Ask only this question (repeatable).",
        ),
        click.option(
            "--detector",
            "detectors",
            multiple=True,
            metavar="NAME",
            help="Run only this detector (repeatable).",
        ),
        click.option(
            "--without",
            multiple=True,
            metavar="NAME",
            help="Leave this detector out (repeatable).",
        ),
        click.option(
            "--all",
            "everything",
            is_flag=True,
            help="Run also the detectors that add nothing to the conclusions.",
        ),
        click.option(
            "--load-detector",
            "loaded",
            multiple=True,
            metavar="FILE",
            help="Add a detector from a Python file; its code is run (repeatable).",
        ),
        click.option("--policy", metavar="FILE", help="A policy.toml instead of the packaged one."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def build_plan(
    questions: tuple[str, ...],
    detectors: tuple[str, ...],
    without: tuple[str, ...],
    everything: bool,
    loaded: tuple[str, ...],
    policy: str | None,
) -> Plan:
    """The plan of these options. Raises UsageError, PolicyError, DetectorError."""
    from tellsign.plan import Plan
    from tellsign.types import Question

    return Plan.select(
        questions=[Question(q) for q in questions],
        detectors=detectors,
        without=without,
        loaded=loaded,
        policy=policy,
        everything=everything,
    )
