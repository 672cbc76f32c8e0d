"""A pool of processes on this machine.

Each worker has its own pipe, so that the source on which a worker dies is known (with one queue for
all, the death of one worker would cost the work of every other).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from tellsign.batch.crew import CRASHED, TIME_LIMIT, Done
from tellsign.batch.worker import ONE_THREAD, Answer, Order, Worker
from tellsign.errors import TellsignError, UsageError
from tellsign.plan import Plan

READY = "ready"


class LocalCrew:
    """`workers` spawned processes; `time_limit` is in seconds per source."""

    def __init__(self, plan: Plan, workers: int, time_limit: float) -> None:
        self.plan, self.time_limit = plan, time_limit
        self._hands = [_Hand(plan) for _ in range(workers)]

    @property
    def busy(self) -> int:
        return sum(hand.order is not None for hand in self._hands)

    @property
    def free(self) -> int:
        return sum(hand.ready and hand.order is None for hand in self._hands)

    def give(self, order: Order) -> None:
        next(hand for hand in self._hands if hand.ready and hand.order is None).give(order)

    def wait(self, seconds: float) -> list[Done]:
        active = {hand.pipe: hand for hand in self._hands if not hand.ready or hand.order}
        ends = [h.since + self.time_limit for h in active.values() if h.order is not None]
        left = min(ends, default=float("inf")) - time.monotonic()
        ready = wait(list(active), max(0.0, min(seconds, left)))
        done = [self._read(hand) for pipe, hand in active.items() if pipe in ready]
        done += [self._check_time(hand) for pipe, hand in active.items() if pipe not in ready]
        return [item for item in done if item is not None]

    def close(self) -> None:
        for hand in self._hands:
            hand.stop()

    def _read(self, hand: _Hand) -> Done | None:
        order = hand.order
        try:
            message = hand.pipe.recv()
        except (EOFError, OSError):  # the process is gone
            if order is None:
                raise UsageError("a worker ended before it was ready") from None
            self._replace(hand)
            return Done(order, None, CRASHED)
        if isinstance(message, Answer):
            assert order is not None
            hand.order = None
            return Done(order, message)
        if message != READY:
            raise UsageError(f"a worker could not start: {message}")
        hand.ready = True
        return None

    def _check_time(self, hand: _Hand) -> Done | None:
        if hand.order is None or time.monotonic() - hand.since < self.time_limit:
            return None
        self._replace(hand)
        return Done(hand.order, None, TIME_LIMIT)

    def _replace(self, hand: _Hand) -> None:
        hand.stop()
        self._hands[self._hands.index(hand)] = _Hand(self.plan)


class _Hand:
    """One process and what it is doing."""

    def __init__(self, plan: Plan) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=serve, args=(theirs, plan, plan.digest), daemon=True
        )
        with _for_children():
            self.process.start()
        theirs.close()
        self.ready = False
        self.order: Order | None = None
        self.since = 0.0

    def give(self, order: Order) -> None:
        self.order, self.since = order, time.monotonic()
        with suppress(OSError):  # it has died while idle: reading the pipe will say so
            self.pipe.send(order)

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


@contextmanager
def _for_children() -> Iterator[None]:
    """What a process inherits at birth: one thread per library, and no ear for Ctrl-C.

    Ctrl-C reaches the whole process group; the parent alone decides what it means.
    """
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if main:
            signal.signal(signal.SIGINT, handler)


def serve(pipe: Connection, plan: Plan, digest: str) -> None:
    """The life of a worker process: orders in, answers out, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        worker = Worker(plan, digest)
    except TellsignError as error:
        pipe.send(str(error))
        return
    try:
        pipe.send(READY)
        while True:
            pipe.send(worker.carry_out(pipe.recv()))
    except (EOFError, OSError):
        return


def _end_with_parent() -> None:
    """A parent killed outright cannot stop its workers; a hanging one would stay for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
