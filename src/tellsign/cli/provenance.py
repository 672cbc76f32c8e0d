"""``tellsign provenance SOURCE...``: what a picture states about its origin, checked if signed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tellsign.errors import EXIT_INPUT, InputError, UsageError

if TYPE_CHECKING:
    from tellsign.media.media import Media
    from tellsign.provenance import TrustPolicy
    from tellsign.types import Report

SCHEMA = "tellsign.provenance/1"


@click.command(help="Show where a picture says it comes from, and check it.")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per source and line.")
@click.option("--trust", metavar="FILE", help="PEM file with the authorities to trust.")
@click.option("--no-trust", is_flag=True, help="Check integrity only, not who signed.")
@click.option("--certs", is_flag=True, help="Also show the signer's certificates (PEM).")
@click.pass_context
def command(
    ctx: click.Context,
    sources: tuple[str, ...],
    as_json: bool,
    trust: str | None,
    no_trust: bool,
    certs: bool,
) -> None:
    from tellsign.cli.main import printable

    policy = _policy(trust, no_trust)
    failed = False
    for number, name in enumerate(sources):
        try:
            media = _open(name)
            report = _report(media, policy)
        except InputError as error:
            failed = True
            click.echo(f"tellsign: {printable(str(error))}", err=True)
            continue
        chain = _certificates(media, policy) if certs else []
        if as_json:
            content = as_dict(report) | ({"certificates": chain} if certs else {})
            click.echo(json.dumps(content, ensure_ascii=False))
        else:
            click.echo("\n" * (number > 0), nl=False)
            _show(report, chain)
        media.release()
    if failed:
        ctx.exit(EXIT_INPUT)


def _policy(trust: str | None, no_trust: bool) -> TrustPolicy:
    from tellsign.provenance import DEFAULT, INTEGRITY_ONLY
    from tellsign.provenance.trust import load

    if trust is not None and no_trust:
        raise UsageError("--trust and --no-trust exclude each other")
    if no_trust:
        return INTEGRITY_ONLY
    return load(Path(trust)) if trust is not None else DEFAULT


def _open(name: str) -> Media:
    from tellsign.media.media import open_media
    from tellsign.media.source import from_path, from_stream

    return open_media(from_stream(sys.stdin.buffer) if name == "-" else from_path(name))


def _report(media: Media, policy: TrustPolicy) -> Report:
    """A report that holds nothing but the provenance, so that all wording is the reports' own."""
    from tellsign import provenance
    from tellsign.types import Report

    return Report(
        source=media.source,
        media=media.facts,
        provenance=provenance.read(media, policy),
        outcomes=(),
        calibrated={},
        conclusions=(),
        headline="",
        plan="",
        created="",
        timings={},
    )


def _certificates(media: Media, policy: TrustPolicy) -> list[str]:
    """PEM, the signer's own first."""
    from ssl import DER_cert_to_PEM_cert

    from tellsign.provenance.c2pa import read_manifest

    return [DER_cert_to_PEM_cert(der) for der in read_manifest(media, policy).certificates]


def as_dict(report: Report) -> dict[str, Any]:
    """The provenance of `tellsign.report/1`, and what only this verb shows."""
    from tellsign.report.report import to_dict
    from tellsign.report.text import clean

    whole, claims = to_dict(report), report.provenance
    return {
        "schema": SCHEMA,
        "tool": whole["tool"],
        "source": whole["source"],
        "provenance": {
            **whole["provenance"],
            "reason": clean(claims.reason, 1000) if claims.reason else None,
            "ingredients": [clean(title) for title in claims.ingredients],
            "actions": [clean(action) for action in claims.actions],
            "claims": [
                {
                    "where": clean(claim.where),
                    "name": clean(claim.name) if claim.name else None,
                    "text": clean(claim.text, 2000),
                }
                for claim in claims.claims
            ],
        },
    }


def _show(report: Report, chain: list[str]) -> None:
    from rich.console import Console
    from rich.text import Text

    # No markup and no highlighting: every string here may come from the file.
    console = Console(soft_wrap=True, markup=False, highlight=False, emoji=False)
    for label, text in _lines(report):
        console.print(Text.assemble((f"{label:<20}", "bold"), text))
    for pem in chain:
        console.print(Text(pem, end=""))


def _lines(report: Report) -> Iterator[tuple[str, str]]:
    from tellsign.report.text import clean
    from tellsign.report.wording import provenance_rows, provenance_text

    claims = report.provenance
    yield "File", clean(report.source.name)
    yield "C2PA", str(claims.state)
    yield "", provenance_text(report)
    yield from provenance_rows(claims)
    for status in claims.status:
        if status.kind != "success":
            yield f"{status.kind.capitalize()} code", clean(status.code)
    if passed := sum(s.kind == "success" for s in claims.status):
        yield "Checks passed", f"{passed} (all codes: --json)"
