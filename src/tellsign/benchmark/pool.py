"""Tasks over a few processes; a task that kills its process costs itself only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def run(
    function: Callable[[T], R], tasks: Sequence[T], workers: int
) -> Iterator[tuple[int, R | None]]:
    """Yield (number of the task, result) as they end; None when its process died, alone.

    `function` and what it takes and gives must pickle. With one worker everything runs here.
    """
    if workers == 1:
        for number, task in enumerate(tasks):
            yield number, function(task)
        return
    suspects: list[int] = []
    left = list(range(len(tasks)))
    while left:
        done, lost = set[int](), set[int]()
        for number, result in _pass(function, tasks, left, workers, lost):
            done.add(number)
            yield number, result
        left = [n for n in left if n not in done and n not in lost]
        suspects += sorted(lost)
    for number in suspects:
        lost = set()
        yield from _pass(function, tasks, [number], 1, lost)
        if lost:
            yield number, None


def _pass(
    function: Callable[[T], R], tasks: Sequence[T], numbers: Sequence[int], workers: int,
    lost: set[int],
) -> Iterator[tuple[int, R]]:  # fmt: skip
    """Run until all is done or a process dies; then `lost` has what was in the processes' hands."""
    waiting = iter(numbers)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        busy: dict[Future[R], int] = {}
        while True:
            try:
                # No more than the workers hold, so that few are suspected when one dies.
                while len(busy) < workers and (number := next(waiting, None)) is not None:
                    busy[pool.submit(function, tasks[number])] = number
            except BrokenProcessPool:
                lost.update(busy.values())
                return
            if not busy:
                return
            for future in wait(busy, return_when=FIRST_COMPLETED).done:
                number = busy.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    lost.update([number, *busy.values()])
                    return
                yield number, result
