"""What the loop needs of its workers, wherever they run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from tellsign.batch.worker import Answer, Order

CRASHED: Final = "crashed"
TIME_LIMIT: Final = "time_limit"


@dataclass(frozen=True, slots=True)
class Done:
    """An order's end: its answer, or why there is none (`CRASHED` or `TIME_LIMIT`)."""

    order: Order
    answer: Answer | None
    code: str | None = None


class Crew(Protocol):
    """Workers that take one order each.

    A worker that dies, or is stopped at the time limit, is replaced. A worker that cannot start
    raises UsageError from `wait`.
    """

    @property
    def busy(self) -> int:
        """Orders that are being carried out."""

    @property
    def free(self) -> int:
        """Workers that are ready for an order."""

    def give(self, order: Order) -> None:
        """Hand an order to a free worker."""

    def wait(self, seconds: float) -> list[Done]:
        """Return what has ended, after at most `seconds`; empty when nothing has."""

    def close(self) -> None:
        """Stop all workers at once."""
