"""The loop with a crew that is played: what is in flight, what is repeated, what is given up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tellsign.batch import loop
from tellsign.batch.crew import CRASHED, TIME_LIMIT, Done
from tellsign.batch.journal import Journal
from tellsign.batch.listing import Listing
from tellsign.batch.loop import Loop
from tellsign.batch.worker import Answer, Order
from tellsign.errors import UsageError
from tellsign.media.limits import Limits
from tellsign.types import Source, Unopened

Ending = Callable[[Order], Done]


def well(order: Order) -> Done:
    sha256 = order.source.sha256 if isinstance(order.source, Source) else ""
    reason = None if order.lost is None else order.lost[1]
    return Done(order, Answer(sha256, bool(sha256), reason, order.source.name.encode()))


class Played:
    """A crew of two whose orders end one per `wait`, the newest first."""

    def __init__(self, ending: Ending = well) -> None:
        self.ending, self.orders, self.given = ending, list[Order](), list[Order]()
        self.most = 0
        self.company: dict[tuple[int, int], int] = {}

    @property
    def busy(self) -> int:
        return len(self.orders)

    @property
    def free(self) -> int:
        return 2 - len(self.orders)

    def give(self, order: Order) -> None:
        assert self.free
        self.company[order.number, order.attempt] = self.busy
        self.orders.append(order)
        self.given.append(order)
        self.most = max(self.most, self.busy)

    def wait(self, seconds: float) -> list[Done]:
        return [self.ending(self.orders.pop())] if self.orders and seconds else []

    def close(self) -> None:
        self.orders.clear()


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., tuple[Journal, Played]]:
    def played(contents: list[str], ending: Ending = well) -> tuple[Journal, Played]:
        paths = [tmp_path / f"{i}.bin" for i in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_text(content)
        (tmp_path / "list").write_text("".join(f"{p}\n" for p in paths))
        journal, crew = Journal(tmp_path / "j"), Played(ending)
        journal.begin(Listing(str(tmp_path / "list")), "p")
        Loop(journal, crew, Limits(), 5, lambda *_: None).run()
        return journal, crew

    return played


def test_every_source_is_answered_once(play: Callable[..., tuple[Journal, Played]]) -> None:
    journal, crew = play([str(i) for i in range(40)])
    assert journal.done == 40
    assert sorted(order.number for order in crew.given) == list(range(1, 41))


def test_no_more_sources_are_held_than_there_are_workers(
    play: Callable[..., tuple[Journal, Played]], monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    count = {"opened": 0, "ended": 0}
    real = loop.opened

    def counting(name: bytes, limits: Limits) -> Source | Unopened:
        count["opened"] += 1
        held.append(count["opened"] - count["ended"])
        return real(name, limits)

    def ending(order: Order) -> Done:
        count["ended"] += 1
        return well(order)

    monkeypatch.setattr(loop, "opened", counting)
    _, crew = play([str(i) for i in range(300)], ending)
    assert crew.most == 2
    assert max(held) == 3  # two with the workers, one in hand


def test_equal_content_is_examined_once_even_at_the_same_time(
    play: Callable[..., tuple[Journal, Played]],
) -> None:
    journal, crew = play(["same", "same", "other", "same", "", "same"])
    assert journal.done == 6
    assert len(crew.given) == 3  # same, other, and the empty file
    rows = [rows.decode()[-5:] for _, rows in journal.answers()]
    assert rows == ["0.bin", "0.bin", "2.bin", "0.bin", "4.bin", "0.bin"]


def test_an_answer_that_names_its_file_is_not_shared(
    play: Callable[..., tuple[Journal, Played]],
) -> None:
    def named(order: Order) -> Done:
        done = well(order)
        assert done.answer is not None
        return Done(order, Answer(done.answer.sha256, False, "broken", done.answer.rows))

    journal, crew = play(["same"] * 30, named)
    assert len(crew.given) == 30
    assert [rows.decode()[-6:] for _, rows in journal.answers()][:2] == ["/0.bin", "/1.bin"]


def test_a_source_that_kills_workers_is_tried_again_alone_and_given_up(
    play: Callable[..., tuple[Journal, Played]],
) -> None:
    def ending(order: Order) -> Done:
        deadly = order.number == 3 and order.lost is None
        return Done(order, None, CRASHED) if deadly else well(order)

    journal, crew = play([str(i) for i in range(8)], ending)
    tries = [order for order in crew.given if order.number == 3]
    assert [order.attempt for order in tries] == [1, 2, 2]
    assert tries[-1].lost is not None
    assert tries[-1].lost[0] == "crashed"
    assert crew.company[3, 2] == 0
    assert (journal.done, journal.failed) == (8, 1)


def test_a_source_that_only_died_in_company_is_examined_after_all(
    play: Callable[..., tuple[Journal, Played]],
) -> None:
    def ending(order: Order) -> Done:
        first = order.number == 3 and order.attempt == 1
        return Done(order, None, CRASHED) if first else well(order)

    journal, _ = play([str(i) for i in range(8)], ending)
    assert (journal.done, journal.failed) == (8, 0)


def test_a_source_over_the_time_limit_is_not_tried_again(
    play: Callable[..., tuple[Journal, Played]],
) -> None:
    def ending(order: Order) -> Done:
        slow = order.number == 2 and order.lost is None
        return Done(order, None, TIME_LIMIT) if slow else well(order)

    journal, crew = play([str(i) for i in range(5)], ending)
    tries = [order for order in crew.given if order.number == 2]
    assert [order.lost and order.lost[0] for order in tries] == [None, "time_limit"]
    assert tries[-1].lost is not None
    assert "limit of 5 seconds" in tries[-1].lost[1]
    assert journal.failed == 1


def test_workers_that_cannot_even_report_end_the_run(
    play: Callable[..., tuple[Journal, Played]],
) -> None:
    with pytest.raises(UsageError, match="workers die"):
        play(["a"], lambda order: Done(order, None, CRASHED))
