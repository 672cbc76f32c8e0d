"""The same workers as Ray actors, on this machine or a cluster.

Every node must have the same tellsign and see the sources under the same paths.
"""

from __future__ import annotations

import os
import time
from typing import Any

from tellsign.batch.crew import CRASHED, TIME_LIMIT, Done
from tellsign.batch.worker import ONE_THREAD, Order, Worker
from tellsign.errors import MissingExtra, UsageError
from tellsign.plan import Plan

LOCAL = "local"


class RayWorker(Worker):
    """A `Worker` that can be asked whether it has started."""

    def ready(self) -> bool:
        return True


def import_ray() -> Any:
    """Raise MissingExtra where Ray is not installed."""
    # Ray reports its use over the network unless told not to; tellsign sends nothing.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # What will be Ray's default: leave accelerator variables of actors without a GPU alone.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingExtra("Ray workers", "ray") from error
    return ray


class RayCrew:
    """`workers` actors of one CPU each; None takes every CPU of the cluster.

    Parameters
    ----------
    address
        Of a running cluster ("auto", "host:port", "ray://…"), or `LOCAL` to start one here.
    """

    def __init__(self, plan: Plan, workers: int | None, time_limit: float, address: str) -> None:
        self._ray = import_ray()
        self.plan, self.time_limit = plan, time_limit
        self._connect(address, workers)
        self._actor = self._ray.remote(RayWorker).options(
            num_cpus=1, max_restarts=0, runtime_env={"env_vars": ONE_THREAD}
        )
        count = workers or int(self._ray.cluster_resources().get("CPU", 1))
        self._hands = [self._hire() for _ in range(count)]

    @property
    def busy(self) -> int:
        return sum(hand.order is not None for hand in self._hands)

    @property
    def free(self) -> int:
        return sum(hand.pending is None for hand in self._hands)

    def give(self, order: Order) -> None:
        hand = next(hand for hand in self._hands if hand.pending is None)
        hand.order, hand.since = order, time.monotonic()
        hand.pending = hand.actor.carry_out.remote(order)

    def wait(self, seconds: float) -> list[Done]:
        active = [hand for hand in self._hands if hand.pending is not None]
        if not active:
            return []
        ends = [hand.since + self.time_limit for hand in active if hand.order is not None]
        left = min(ends, default=float("inf")) - time.monotonic()
        ready, _ = self._ray.wait(
            [hand.pending for hand in active], timeout=max(0.0, min(seconds, left))
        )
        done = [self._read(h) if h.pending in ready else self._check_time(h) for h in active]
        return [item for item in done if item is not None]

    def close(self) -> None:
        for hand in self._hands:
            self._ray.kill(hand.actor)
        self._ray.shutdown()

    def _connect(self, address: str, workers: int | None) -> None:
        here = {"num_cpus": workers} if address == LOCAL and workers else {}
        try:
            self._ray.init(
                address=address,
                include_dashboard=None if address != LOCAL else False,
                log_to_driver=False,
                logging_level="ERROR",
                **here,
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            first = str(error).strip().splitlines()[:1] or [type(error).__name__]
            raise UsageError(f"no Ray cluster at {address}: {first[0]}") from error

    def _hire(self) -> _Hand:
        actor = self._actor.remote(self.plan, self.plan.digest)
        return _Hand(actor, actor.ready.remote())

    def _read(self, hand: _Hand) -> Done | None:
        order, pending = hand.order, hand.pending
        hand.order = hand.pending = None
        try:
            answer = self._ray.get(pending)
        except self._ray.exceptions.RayError as error:
            if order is None:
                raise UsageError(f"a Ray worker could not start: {_cause(error)}") from error
            self._replace(hand)
            return Done(order, None, CRASHED)
        return None if order is None else Done(order, answer)

    def _check_time(self, hand: _Hand) -> Done | None:
        order = hand.order
        if order is None or time.monotonic() - hand.since < self.time_limit:
            return None
        self._replace(hand)
        return Done(order, None, TIME_LIMIT)

    def _replace(self, hand: _Hand) -> None:
        self._ray.kill(hand.actor)
        self._hands[self._hands.index(hand)] = self._hire()


class _Hand:
    """One actor and what it is doing; `pending` is None when it is free."""

    def __init__(self, actor: Any, starting: Any) -> None:
        self.actor, self.pending = actor, starting
        self.order: Order | None = None
        self.since = 0.0


def _cause(error: Exception) -> str:
    """The last line of Ray's report: of an actor that failed to start it is the exception."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
