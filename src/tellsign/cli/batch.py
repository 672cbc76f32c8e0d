"""``tellsign batch DIR|LIST``: many sources into one Parquet table, resumable."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tellsign.cli.selection import build_plan, selection_options
from tellsign.errors import EXIT_INPUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tellsign.batch.crew import Crew
    from tellsign.plan import Plan

# What a shell reports for a command ended by Ctrl-C.
EXIT_INTERRUPTED = 130

# A hundred megapixels, the most that is opened by default, take well under this on a slow core.
TIME_LIMIT = 300.0  # seconds


@click.command(help="Examine a folder or a list into one Parquet table.")
@click.argument("target", metavar="DIR|LIST")
@click.option("--output", required=True, metavar="FILE.parquet", help="The table to write.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes, one thread each; by default one per core.",
)
@click.option(
    "--ray",
    "address",
    is_flag=False,
    flag_value="local",
    metavar="[ADDRESS]",
    help="Run on Ray: on this machine, or on the cluster at ADDRESS.",
)
@click.option("--resume", is_flag=True, help="Continue a run that was interrupted.")
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0.1),
    default=TIME_LIMIT,
    show_default=True,
    metavar="SECONDS",
    help="Give a source up after this long; its rows then say so.",
)
@selection_options
@click.pass_context
def command(
    ctx: click.Context,
    target: str,
    output: str,
    workers: int | None,
    address: str | None,
    resume: bool,
    time_limit: float,
    questions: tuple[str, ...],
    detectors: tuple[str, ...],
    without: tuple[str, ...],
    everything: bool,
    loaded: tuple[str, ...],
    policy: str | None,
) -> None:
    from tellsign.batch.run import run
    from tellsign.cli.main import printable

    plan = build_plan(questions, detectors, without, everything, loaded, policy)
    crew_of = _crew(plan, workers, address, time_limit)
    try:
        outcome = run(target, Path(output), plan, crew_of, time_limit=time_limit, resume=resume)
    except KeyboardInterrupt:
        click.echo("tellsign: interrupted; what is finished is kept, --resume continues", err=True)
        ctx.exit(EXIT_INTERRUPTED)
    sources = f"{outcome.total} sources" if outcome.total != 1 else "1 source"
    text = f"{output}: {sources}, {outcome.failed} of them could not be examined"
    click.echo(f"tellsign: {printable(text)}", err=True)
    if outcome.failed:
        ctx.exit(EXIT_INPUT)


def _crew(
    plan: Plan, workers: int | None, address: str | None, time_limit: float
) -> Callable[[], Crew]:
    """How to make the workers; Ray is asked for at once, the processes start when needed."""
    if address is not None:
        from tellsign.batch.ray import RayCrew, import_ray

        import_ray()
        return lambda: RayCrew(plan, workers, time_limit, address)
    from tellsign.batch.local import LocalCrew

    return lambda: LocalCrew(plan, workers or _cores(), time_limit)


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
