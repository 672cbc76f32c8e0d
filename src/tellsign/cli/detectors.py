"""``tellsign detectors [NAME]``: what is installed, and each detector's own page."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import click

from tellsign import registry
from tellsign.detectors.base import HEADINGS, DetectorInfo
from tellsign.errors import UsageError


@click.command(help="List the detectors, or show one detector's page.")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.option("--load-detector", "files", multiple=True, metavar="FILE", help="Add a detector.")
def command(name: str | None, as_json: bool, files: tuple[str, ...]) -> None:
    found = registry.load(files)
    if name is not None and name not in found:
        raise UsageError(f"unknown detector {name!r}; `tellsign detectors` lists them")
    infos = found.infos() if name is None else (found[name].info,)
    default = default_names(files)
    if as_json:
        content = [{**as_dict(info), "default": info.name in default} for info in infos]
        click.echo(json.dumps(content if name is None else content[0], indent=2))
    elif name is None:
        click.echo(listing(infos, default))
    else:
        click.echo(page(infos[0]))


def default_names(files: Sequence[str] = ()) -> tuple[str, ...]:
    """Detectors that run when none is named: all but those without weight in the fusion."""
    from tellsign.plan import Plan

    return Plan.select(loaded=files).detectors


def listing(infos: tuple[DetectorInfo, ...], default: Collection[str]) -> str:
    width = max((len(info.name) for info in infos), default=0)
    lines = [
        f"{' ' if info.name in default else '*'} {info.name:<{width}}  {info.question:<11}  "
        f"{info.family:<10}  {info.title}"
        for info in infos
    ]
    if any(info.name not in default for info in infos):
        lines += ["", "* Adds nothing to a conclusion: runs when it is named, or with --all."]
    return "\n".join(lines)


def as_dict(info: DetectorInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "version": info.version,
        "family": info.family,
        "question": info.question,
        "needs": sorted(info.needs),
        "unit": info.unit,
        "artifact": info.artifact,
        "code_sha256": info.code_sha256,
        "title": info.title,
        "sections": {heading: info.sections[heading] for heading in HEADINGS},
        "abstentions": dict(info.abstentions),
        "findings": dict(info.findings),
    }


def page(info: DetectorInfo) -> str:
    """A detector's page in Markdown; the same text is the page in ``docs/detectors``."""
    lines = [
        f"# {info.name}",
        "",
        f"{info.title}.",
        "",
        f"Version {info.version} · family {info.family} · question `{info.question}` · "
        f"unit of the score: {info.unit}",
    ]
    for heading in HEADINGS:
        lines += ["", f"## {heading}", "", info.sections[heading]]
    lines += ["", "## Findings", "", *_codes(info.findings)]
    lines += ["", "## Abstentions", "", *_codes(info.abstentions)]
    return "\n".join(lines)


def _codes(codes: Mapping[str, str]) -> list[str]:
    return [f"- `{code}`: {text}" for code, text in codes.items()] or ["None."]
