"""``tellsign models``: fitted artifacts with their cards; nothing is downloaded here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import click

from tellsign.artifacts import card as cards
from tellsign.artifacts.store import Artifact, Store, open_artifact
from tellsign.errors import ArtifactError, UsageError


@click.group(help="List, show, verify and add fitted artifacts.")
def command() -> None:
    pass


@command.command("list", help="Name, version and purpose of each artifact.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def list_artifacts(as_json: bool) -> None:
    from tellsign.cli.main import printable

    opened = [open_artifact(folder) for folder in Store.default().folders.values()]
    if as_json:
        click.echo(json.dumps([{**asdict(a.card), "sha256": a.sha256} for a in opened], indent=2))
    else:
        for artifact in opened:
            click.echo(f"{artifact.label:<28}  {printable(artifact.card.summary)}")


@command.command(help="Show an artifact's card.")
@click.argument("label", metavar="NAME@VERSION")
def show(label: str) -> None:
    click.echo(cards.render(_get(label).card), nl=False)


@command.command(help="Rehash every file of every artifact against its card.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def verify(as_json: bool) -> None:
    rows = []
    for name, folder in Store.default().folders.items():
        try:
            artifact = open_artifact(folder)
            rows.append({"artifact": artifact.label, "sha256": artifact.sha256, "error": None})
        except ArtifactError as error:
            rows.append({"artifact": name, "sha256": None, "error": str(error)})
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        for row in rows:
            click.echo(f"{'BAD' if row['error'] else 'ok ':<4} {row['error'] or row['artifact']}")
    broken = [row for row in rows if row["error"]]
    if broken:
        raise ArtifactError(f"{len(broken)} of {len(rows)} artifacts are not in order")


ADD = """Check an artifact folder and copy it to your own.

DIR is what `tellsign train` or `tellsign adapt` wrote. Every file is hashed against the card;
links, files that the card does not list and names that leave the folder are refused. The copy goes
to the first folder of TELLSIGN_ARTIFACTS, else to your data folder on this system, and from then
on stands in for the artifact of that name that comes with the package.

DIR may also be an autoencoder in the form of docs/generators.md: it is tried on one crop, a card is
written, and from then on `reconstruction_error` uses it beside others."""


@command.command(help=ADD)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Put it in the place of one of the same name.")
def add(folder: Path, replace: bool) -> None:
    from tellsign.artifacts.install import install
    from tellsign.artifacts.store import user_folder
    from tellsign.cli.main import printable
    from tellsign.training.autoencoder import install_autoencoder, is_generator

    if is_generator(folder):
        added = install_autoencoder(folder, user_folder(), replace=replace)
    else:
        added = install(folder, user_folder(), replace=replace, check=_check_calibration)
    click.echo(f"{added.label}  {added.sha256}  {printable(str(added.folder))}")


def _check_calibration(card: cards.ModelCard, content: Mapping[str, bytes]) -> None:
    from tellsign.calibration.stored import FILE, checked

    if FILE in content:
        checked(content[FILE], card.detector, card.detector_version, f"{card.name}@{card.version}")


def _get(label: str) -> Artifact:
    name, _, version = label.partition("@")
    found = Store.default().get(name, version)
    if found is None:
        raise UsageError(f"no artifact {label!r}; `tellsign models list` names them")
    return found
