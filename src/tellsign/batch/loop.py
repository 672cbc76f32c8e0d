"""The loop: names in, orders out to the crew, answers into the journal."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from tellsign.batch.crew import CRASHED, Crew, Done
from tellsign.batch.journal import Journal
from tellsign.batch.listing import opened
from tellsign.batch.worker import Order
from tellsign.errors import UsageError
from tellsign.media.limits import Limits
from tellsign.types import Source

# How long to wait for an answer before looking again at clocks and signals.
_TICK = 1.0  # seconds
_ATTEMPTS = 2

# Told the number of sources that were finished just now, and of the one not examined, (name, why).
Tell = Callable[[int, tuple[str, str] | None], None]


class Loop:
    """Runs a journal to its end. Never holds more sources than the crew has workers.

    A source on which a worker died is examined once more, alone, so that neither a neighbour's
    hunger for memory nor chance decides; if the worker dies again, the source gets failure rows.
    """

    def __init__(
        self, journal: Journal, crew: Crew, limits: Limits, time_limit: float, tell: Tell
    ) -> None:
        self.journal, self.crew, self.limits, self.tell = journal, crew, limits, tell
        self._time_limit = time_limit
        self._examining: set[str] = set()  # content in the hands of a worker
        self._alone: deque[Order] = deque()  # wait for an empty crew

    def run(self) -> None:
        again = True
        while again:
            again = False
            for number, name in self.journal.undone():
                again |= not self._place(number, name)
            self._finish()

    def _place(self, number: int, name: bytes) -> bool:
        """Answer a source or give it to a worker; False leaves it to the next pass."""
        source = opened(name, self.limits)
        if isinstance(source, Source):
            known = self.journal.known(source.sha256)
            if known and known[1]:
                self.journal.link(number, known[0])
                self.tell(1, None)
                self._collect(0)
                return True
            if source.sha256 in self._examining and not known:
                self._collect(0)
                return False
        while self._alone or not self.crew.free:
            self._step()
        self._give(Order(number, source))
        return True

    def _step(self) -> None:
        """Wait for something to end; give the lonely ones their turn."""
        if self._alone and not self.crew.busy and self.crew.free:
            self._give(self._alone.popleft())
            self._empty()
        else:
            self._collect(_TICK)

    def _empty(self) -> None:
        while self.crew.busy:
            self._collect(_TICK)

    def _finish(self) -> None:
        while self.crew.busy or self._alone:
            self._step()

    def _give(self, order: Order) -> None:
        if isinstance(order.source, Source):
            self._examining.add(order.source.sha256)
        self.crew.give(order)

    def _collect(self, seconds: float) -> None:
        for done in self.crew.wait(seconds):
            self._file(done)

    def _file(self, done: Done) -> None:
        order = done.order
        if done.answer is None:
            self._alone.append(self._next(order, done.code))
            return
        self.journal.keep(order.number, done.answer)
        if isinstance(order.source, Source):
            self._examining.discard(order.source.sha256)
        reason = done.answer.reason
        self.tell(1, (order.source.name, reason) if reason else None)

    def _next(self, order: Order, code: str | None) -> Order:
        if order.lost is not None:
            raise UsageError("workers die without examining anything; nothing more can be done")
        if code == CRASHED and order.attempt < _ATTEMPTS:
            return replace(order, attempt=order.attempt + 1)
        if code == CRASHED:
            text = "The process that examined it died, and again when it was tried alone."
            return replace(order, lost=("crashed", text))
        text = f"Examining it took longer than the limit of {self._time_limit:g} seconds."
        return replace(order, lost=("time_limit", text))
