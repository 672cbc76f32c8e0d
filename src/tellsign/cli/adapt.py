"""``tellsign adapt``: a new generator from a few examples, or your photographs left alone."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tellsign.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tellsign.artifacts.store import Artifact
    from tellsign.training.adapt import Adapted
    from tellsign.training.hold import HeldAll
    from tellsign.types import Source

HELP = """Teach a generator from few examples, or recalibrate on own photographs.

EXAMPLES are folders or files: 10 to 200 pictures of one generator. With --pristine, photographs
of the kind you meet, the head of the embedding detector is refitted, on this machine and in about
a minute. A head that is worse at the generators known before is not written. --detector names
another that can learn: forensic_transfer.

With --pristine-only and no EXAMPLES, calibrations are moved so that at most --share of your own
photographs reach moderate support for having been generated.

What is written is an artifact folder below --output. TELLSIGN_ARTIFACTS=DIR tellsign examine uses
it; tellsign models add DIR/NAME-VERSION installs it."""


@click.command(help=HELP)
@click.argument("examples", nargs=-1, metavar="[EXAMPLES]...")
@click.option("--pristine", multiple=True, metavar="DIR", help="Photographs (repeatable).")
@click.option("--pristine-only", "own", multiple=True, metavar="DIR", help="Own photographs.")
@click.option("--output", required=True, metavar="DIR", help="Folder for the artifacts.")
@click.option("--name", default="new", show_default=True, help="What the generator is called.")
@click.option(
    "--detector",
    default="embedding_probe",
    show_default=True,
    metavar="NAME",
    help="The detector to adapt.",
)
@click.option(
    "--share",
    type=click.FloatRange(0, 0.5),
    default=0.02,
    show_default=True,
    help="With --pristine-only: what share of them may be accused.",
)
@click.option("--force", default="", metavar="NAME", help="Write it although it forgets: name it.")
@click.option("--cache", metavar="DIR", help="Keep embeddings here, for further calls.")
@click.option("--seed", default=0, show_default=True, metavar="N", help="Seed of all choices.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def command(
    examples: tuple[str, ...],
    pristine: tuple[str, ...],
    own: tuple[str, ...],
    output: str,
    name: str,
    detector: str,
    share: float,
    force: str,
    cache: str | None,
    seed: int,
    as_json: bool,
) -> None:
    if own and (examples or pristine):
        raise UsageError("--pristine-only takes neither EXAMPLES nor --pristine")
    if not own and not (examples and pristine):
        raise UsageError("give EXAMPLES and --pristine, or --pristine-only")
    if own:
        _hold(_sources(own), Path(output), share, seed, as_json)
        return
    from tellsign.training.adapt import adapt

    if force and force != detector:
        raise UsageError(f"--force {force}: the detector adapted is {detector}")
    if not name.isidentifier() and not name.replace("-", "_").replace(".", "_").isidentifier():
        raise UsageError(f"--name {name!r}: letters, digits, - and _ only")
    made = adapt(
        _sources(examples),
        _sources(pristine),
        _base(detector),
        Path(output),
        name=name,
        cache=Path(cache) if cache else None,
        force=force,
        seed=seed,
        progress=_progress,
    )
    _say_skipped(made.skipped)
    click.echo(json.dumps(made.to_dict(), indent=2) if as_json else _told(made, name))


def _hold(
    photographs: Sequence[Source], output: Path, share: float, seed: int, as_json: bool
) -> None:
    from tellsign.training.hold import hold_false_alarms

    held = hold_false_alarms(photographs, output, share=share, seed=seed, progress=_progress)
    _say_skipped(held.skipped)
    click.echo(json.dumps(held.to_dict(), indent=2) if as_json else _told_held(held))


def _base(detector: str) -> Artifact:
    from tellsign import registry
    from tellsign.artifacts.store import Store

    found = registry.load().get(detector)
    if found is None:
        raise UsageError(f"unknown detector {detector!r}; `tellsign detectors` names them")
    base = Store.default().get(detector, found.info.version)
    if base is None:
        raise UsageError(f"the network of {detector} is not installed")
    return base


def _sources(targets: Sequence[str]) -> list[Source]:
    """Every readable file of folders and files, in order of name; the others are named."""
    from tellsign.batch.listing import Listing, opened
    from tellsign.cli.main import printable
    from tellsign.media import DEFAULT_LIMITS
    from tellsign.types import Source

    found = []
    for target in targets:
        path = Path(target)
        if not path.exists():
            raise UsageError(f"{target}: no such file or folder")
        names = sorted(Listing(target)) if path.is_dir() else [os.fsencode(target)]
        for name in names:
            source = opened(name, DEFAULT_LIMITS)
            if isinstance(source, Source):
                found.append(source)
            else:
                click.echo(f"tellsign: {printable(str(source.error))}", err=True)
    return found


def _progress(done: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{done + 1} pictures", nl=False, err=True)


def _say_skipped(skipped: Sequence[Any]) -> None:
    from tellsign.cli.main import printable

    if sys.stderr.isatty():
        click.echo("\r", nl=False, err=True)
    for one in skipped:
        click.echo(f"tellsign: skipped {printable(one.name)}: {printable(one.reason)}", err=True)


def _told(made: Adapted, name: str) -> str:
    from tellsign.cli.main import printable

    lines = [
        f"{made.artifact.label} adapted to {name}: {printable(str(made.artifact.folder))}",
        f"  {made.examples} examples, {made.pristine} photographs, {made.seconds:.0f} s",
        f"  on them, cross-fitted: AUC {made.before.auc:.3f} -> {made.after.auc:.3f}, "
        f"found at 5 % false alarms {made.before.tpr:.0%} -> {made.after.tpr:.0%}",
        f"  elsewhere: mean AUC {made.elsewhere_before:.3f} -> {made.elsewhere_after:.3f}"
        + (" (forced)" if made.forced else ""),
        f"  calibrated for: {', '.join(made.strata) or 'nothing'}",
    ]
    return "\n".join(lines)


def _told_held(held: HeldAll) -> str:
    from tellsign.cli.main import printable

    lines = [
        f"{h.condition}: {h.before} -> {h.after} of {h.photographs} photographs accused "
        f"(95 % interval up to {h.bound:.1%})"
        for h in held.conditions
    ]
    lines += [f"{c}: {n} photographs, too few; left as it is" for c, n in held.untouched.items()]
    lines += [f"{a.label}: {printable(str(a.folder))}" for a in held.artifacts]
    if not held.artifacts:
        lines.append("No calibration had to move; nothing was written.")
    return "\n".join(lines)
