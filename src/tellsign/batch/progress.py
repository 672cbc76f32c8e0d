"""How far a run is, on standard error: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from tellsign.report.text import clean

_EVERY = 10.0  # seconds between lines
_NAMED = 20  # sources named one by one as not examined; the table has them all


class Shown:
    """Context manager; call `tell` for every finished source."""

    def __init__(self, total: int, done: int, console: Console | None = None) -> None:
        self.total, self.done, self._before = total, done, done
        self.failures = 0
        self._console = console or Console(stderr=True, soft_wrap=True, highlight=False)
        self._started = self._spoken = time.monotonic()
        self._bar = Progress(
            TextColumn("examined"),
            BarColumn(),
            MofNCompleteColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total, completed=done, rate="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()
        if not self._console.is_terminal:
            self._say(self.line())

    def tell(self, count: int, failure: tuple[str, str] | None) -> None:
        self.done += count
        self._bar.update(self._task, advance=count, rate=f"{self.rate:.1f}/s")
        if failure is not None:
            self._name(*failure)
        if not self._console.is_terminal and time.monotonic() - self._spoken >= _EVERY:
            self._spoken = time.monotonic()
            self._say(self.line())

    @property
    def rate(self) -> float:
        """Sources per second since this run began."""
        return (self.done - self._before) / max(time.monotonic() - self._started, 1e-9)

    def line(self) -> str:
        left = (self.total - self.done) / self.rate if self.rate else 0.0
        minutes, seconds = divmod(round(left), 60)
        hours, minutes = divmod(minutes, 60)
        remaining = f"{hours}:{minutes:02d}:{seconds:02d} left"
        return f"{self.done} of {self.total} examined, {self.rate:.1f}/s, {remaining}"

    def _name(self, name: str, reason: str) -> None:
        self.failures += 1
        if self.failures <= _NAMED:
            shown = clean(name, 500)
            self._say(reason if reason.startswith(shown) else f"{shown}: {reason}")
        if self.failures == _NAMED:
            self._say("further sources that cannot be examined are named in the table only")

    def _say(self, text: str) -> None:
        self._console.print(f"tellsign: {clean(text, 1000)}", markup=False, emoji=False)
