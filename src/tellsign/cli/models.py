"""``tellsign models``: fitted artifacts with their cards; nothing is downloaded here."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from tellsign.artifacts import card as cards
from tellsign.artifacts.store import Artifact, Store, open_artifact
from tellsign.errors import ArtifactError, UsageError


@click.group(help="List, show and verify fitted artifacts.")
def command() -> None:
    pass


@command.command("list", help="Name, version and purpose of each artifact.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def list_artifacts(as_json: bool) -> None:
    opened = [open_artifact(folder) for folder in Store.default().folders.values()]
    if as_json:
        click.echo(json.dumps([{**asdict(a.card), "sha256": a.sha256} for a in opened], indent=2))
    else:
        for artifact in opened:
            click.echo(f"{artifact.label:<28}  {artifact.card.summary}")


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


def _get(label: str) -> Artifact:
    name, _, version = label.partition("@")
    found = Store.default().get(name, version)
    if found is None:
        raise UsageError(f"no artifact {label!r}; `tellsign models list` names them")
    return found
