"""One thread that does an engine's heavy work in the order in which it was asked."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Worker:
    """Runs calls off the event loop, first come first served.

    A session asks for one window or clause at a time, so that sessions take turns. A call whose waiter is cancelled
    before it began never runs.
    """

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._asked = 0
        self._counting = Lock()

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return self._asked == 0

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The result of `work`, done on this engine's own thread."""
        with self._counting:
            self._asked += 1
        future = self._pool.submit(work, *args, **kwargs)
        future.add_done_callback(self._done)
        return await asyncio.wrap_future(future)

    def _done(self, _: Future[R]) -> None:
        with self._counting:
            self._asked -= 1

    def close(self) -> None:
        """Drop what waits, let the running call finish and end the thread."""
        self._pool.shutdown(wait=True, cancel_futures=True)
