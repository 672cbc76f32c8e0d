"""``tellsign bench``: protocols, the audit that goes first, score files, tables and plots."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tellsign.cli.selection import build_plan, selection_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from tellsign.benchmark.run import Order

F = TypeVar("F", bound="Callable[..., Any]")

DATA = "Extracted sources with their manifest.tsv (repeatable)."
RUNS = "Laundered files and results kept for the next run."
WORKERS = "Processes; by default two, or one on a single core."


@click.group(help="Measure the detectors on labelled pictures.")
def command() -> None:
    pass


def _order_options(function: F) -> F:
    options = (
        click.argument("protocol", metavar="PROTOCOL"),
        click.option(
            "--data", required=True, multiple=True, metavar="DIR", help=DATA,
            type=click.Path(exists=True, file_okay=False, path_type=Path),
        ),
        click.option(
            "--out", required=True, metavar="DIR", type=click.Path(path_type=Path),
            help="Folder of this run; made if absent.",
        ),
        click.option(
            "--runs", metavar="DIR", type=click.Path(path_type=Path), default=Path("runs/bench"),
            show_default=True, help=RUNS,
        ),
        click.option("--workers", type=click.IntRange(min=1), metavar="N", help=WORKERS),
        click.option(
            "--per-group", type=click.IntRange(min=0), metavar="N",
            help="Draw as many pictures of each group, instead of the protocol's number; 0: all.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


@command.command("list", help="The protocols that come with tellsign.")
def list_protocols() -> None:
    from tellsign.benchmark import protocols

    for name in protocols.names():
        protocol = protocols.load(name)
        click.echo(f"{name:<22}{protocol.kind:<15}{protocol.split:<9}{protocol.description}")


@command.command(help="What file size, shape and format tell, and a picture shrunk to 16 x 16.")
@_order_options
def audit(
    protocol: str, data: tuple[Path, ...], out: Path, runs: Path, workers: int | None,
    per_group: int | None,
) -> None:  # fmt: skip
    from tellsign.benchmark.run import run_audit

    run_audit(_order(protocol, data, out, runs, workers, per_group, None), _tell)
    _render(out, plots=False)


@command.command(help="Carry a protocol out and write the scores of every detector.")
@_order_options
@click.option(
    "--thresholds", metavar="RUN", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of a run on train whose thresholds the balanced accuracy is told at.",
)  # fmt: skip
@selection_options
def run(
    protocol: str, data: tuple[Path, ...], out: Path, runs: Path, workers: int | None,
    per_group: int | None, thresholds: Path | None, questions: tuple[str, ...],
    detectors: tuple[str, ...], without: tuple[str, ...], everything: bool,
    loaded: tuple[str, ...], policy: str | None,
) -> None:  # fmt: skip
    from tellsign.benchmark.run import run as carry_out
    from tellsign.benchmark.run import run_adaptation, run_leave_one_out

    order = _order(protocol, data, out, runs, workers, per_group, thresholds)
    asked = questions or (str(order.protocol.question),)
    plan = build_plan(asked, detectors, without, everything, loaded, policy)
    fitted = {"adaptation": run_adaptation, "leave_one_out": run_leave_one_out}
    fitted.get(order.protocol.kind, carry_out)(order, plan, _tell)
    _render(out, plots=False)


@command.command(help="Write the tables and plots of a run from its score files.")
@click.argument("folder", metavar="RUN", type=click.Path(file_okay=False, path_type=Path))
@click.option("--no-plots", is_flag=True, help="Tables only; matplotlib is not needed.")
def render(folder: Path, no_plots: bool) -> None:
    _render(folder, plots=not no_plots)


def _order(
    protocol: str, data: tuple[Path, ...], out: Path, runs: Path, workers: int | None,
    per_group: int | None, thresholds: Path | None,
) -> Order:  # fmt: skip
    from dataclasses import replace

    from tellsign.benchmark import protocols
    from tellsign.benchmark.run import Order

    chosen = protocols.load(protocol)
    if per_group is not None:
        chosen = replace(chosen, per_group=per_group)
    arguments = sys.argv[1:] if Path(sys.argv[0]).stem in ("tellsign", "__main__") else []
    line = artifacts_measured() + shlex.join(["tellsign", *_without_paths(arguments)])
    return Order(chosen, data, out, runs, workers or _cores(), line, thresholds)


def artifacts_measured() -> str:
    """Whose artifacts are measured, where not those of the package: part of the command."""
    from tellsign.artifacts.store import ENVIRONMENT

    given = os.environ.get(ENVIRONMENT)
    if not given:
        return ""
    shown = os.pathsep.join(_without_paths(given.split(os.pathsep)))
    return f"{ENVIRONMENT}={shlex.quote(shown)} "


def _without_paths(arguments: list[str]) -> list[str]:
    """The command as it may be published: folders of this machine by their last name only."""
    return [Path(a).name if Path(a).is_absolute() else a for a in arguments]


def _cores() -> int:
    return min(2, os.cpu_count() or 1)


def _render(folder: Path, plots: bool) -> None:
    from tellsign.benchmark import tables
    from tellsign.benchmark.run import ADAPTATION, META

    if (folder / f"{ADAPTATION}{META}").is_file():
        _render_curves(folder, plots)
        return
    runs = tables.load(folder)
    text = tables.page(runs)
    (folder / tables.TABLES).write_text(text, "utf-8")
    written = [tables.write_metrics(folder, tables.metrics(runs)), folder / tables.TABLES]
    if plots:
        from tellsign.benchmark.plots import draw

        written += draw(runs, folder / "plots")
    for path in written:
        click.echo(str(path))


def _render_curves(folder: Path, plots: bool) -> None:
    from tellsign.benchmark import adaptation, tables

    (folder / tables.TABLES).write_text(tables.adaptation_page(folder), "utf-8")
    written = [folder / tables.TABLES]
    if plots:
        from tellsign.benchmark.plots import draw_curves

        written += draw_curves(adaptation.read(folder / adaptation.FILE), folder / "plots")
    for path in written:
        click.echo(str(path))


def _tell(text: str) -> None:
    from tellsign.cli.main import printable

    click.echo(f"tellsign: {printable(text)}", err=True)
