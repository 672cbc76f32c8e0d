"""``tellsign examine SOURCE...``: the whole path, from bytes to a report in any rendering."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tellsign.cli.selection import build_plan, selection_options
from tellsign.errors import EXIT_INPUT, InputError, UsageError

if TYPE_CHECKING:
    from tellsign.media.media import Media
    from tellsign.plan import Plan
    from tellsign.types import Map, Report, Source, Unopened


@click.command(help="Examine pictures and report the evidence.")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per source and line.")
@click.option("--html", metavar="FILE", help="Write a self-contained page; a folder for several.")
@click.option("--pdf", metavar="FILE", help="Write a document; a folder for several sources.")
@click.option("--maps", metavar="DIR", help="Write every map as .npz and as a picture.")
@selection_options
@click.pass_context
def command(
    ctx: click.Context,
    sources: tuple[str, ...],
    as_json: bool,
    html: str | None,
    pdf: str | None,
    maps: str | None,
    questions: tuple[str, ...],
    detectors: tuple[str, ...],
    without: tuple[str, ...],
    everything: bool,
    loaded: tuple[str, ...],
    policy: str | None,
) -> None:
    from tellsign.examiner import Examiner

    plan = build_plan(questions, detectors, without, everything, loaded, policy)
    outputs = Outputs(plan, len(sources) > 1, as_json, html, pdf, maps)
    examiner = Examiner(plan)
    failed = False
    for number, source in enumerate(_opened(sources, plan)):
        report = examiner.examine(source)
        if not report.examined:
            failed = True
            reason = report.error or "every detector failed"
            _complain(f"{report.source.name}: {reason}" if not report.error else reason)
        outputs.write(report, source, number)
    if failed:
        ctx.exit(EXIT_INPUT)


def _complain(text: str) -> None:
    from tellsign.cli.main import printable

    click.echo(f"tellsign: {printable(text)}", err=True)


def _opened(names: tuple[str, ...], plan: Plan) -> Iterator[Source | Unopened]:
    """One after the other, so that a long list costs no memory."""
    from tellsign.media import from_path, from_stream
    from tellsign.types import Unopened

    for name in names:
        try:
            if name == "-":
                yield from_stream(sys.stdin.buffer, limits=plan.policy.limits)
            else:
                yield from_path(name, plan.policy.limits)
        except InputError as error:
            yield Unopened(name, error)


class Outputs:
    """Where reports go. JSON takes stdout; without it the terminal report does."""

    def __init__(
        self,
        plan: Plan,
        several: bool,
        as_json: bool,
        html: str | None,
        pdf: str | None,
        maps: str | None,
    ) -> None:
        self.plan, self.several, self.as_json = plan, several, as_json
        self.html, self.pdf, self.maps = html, pdf, maps
        infos = [cls.info for cls in plan.registry.values()]
        self.blind_spots = {i.name: i.sections["Blind spots"] for i in infos}
        self.titles = {i.name: i.title for i in infos}
        self.command = "tellsign " + shlex.join(sys.argv[1:])

    def write(self, report: Report, source: Source | Unopened, number: int) -> None:
        from tellsign.report import maps
        from tellsign.report.report import to_json

        folder = self._target(self.maps, report, number, "") if self.maps else None
        written = maps.write(report, folder) if folder else None
        if self.as_json:
            click.echo(to_json(report, written))
        else:
            self._show(report)
        if self.html:
            self._save(self._target(self.html, report, number, ".html"), self._page(report, source))
        if self.pdf:
            target = self._target(self.pdf, report, number, ".pdf")
            self._save(target, self._document(report, source))

    def _show(self, report: Report) -> None:
        from rich.console import Console

        from tellsign.report import terminal

        terminal.render(report, Console(), self.blind_spots, titles=self.titles)

    def _page(self, report: Report, source: Source | Unopened) -> bytes:
        from tellsign.report import html

        media = _media(report, source, self.plan)
        page = html.render(
            report,
            media.pixels if media else None,
            _views(media) if media else {},
            self.blind_spots,
            titles=self.titles,
            policy=self.plan.policy,
            command=self.command,
            upright=True,
        )
        return page.encode("utf-8")

    def _document(self, report: Report, source: Source | Unopened) -> bytes:
        from tellsign.report import pdf

        media = _media(report, source, self.plan)
        return pdf.render(
            report,
            media.pixels if media else None,
            self.blind_spots,
            titles=self.titles,
            policy=self.plan.policy,
            command=self.command,
            upright=True,
        )

    def _target(self, given: str, report: Report, number: int, suffix: str) -> Path:
        """The path given; for several sources a numbered file in the folder given.

        The source's own name takes no part: it may be hostile.
        """
        path = Path(given)
        if not self.several:
            return path
        return path / f"{number + 1:04d}-{report.source.sha256[:8] or 'unread'}{suffix}"

    def _save(self, target: Path, data: bytes) -> None:
        try:
            if self.several:
                target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        except OSError as error:
            raise UsageError(f"{target} cannot be written: {error.strerror}") from error


def _media(report: Report, source: Source | Unopened, plan: Plan) -> Media | None:
    """The picture once more, for the renderings that show it; None where it was not read."""
    from tellsign.media import open_media
    from tellsign.types import Source

    if report.media is None or not isinstance(source, Source):
        return None
    return open_media(source, plan.policy.limits)


def _views(media: Media) -> dict[str, Map]:
    """What people are used to look at; never evidence."""
    from tellsign.signal.views import error_level, ghosts

    quality, residual = ghosts(media.luma)
    return {
        "Error level analysis": error_level(media.pixels),
        "JPEG ghosts: quality of the last save": quality,
        "JPEG ghosts: residual at that quality": residual,
    }
