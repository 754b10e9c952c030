"""Bounded queue of requests whose texts run in batches, one batch at a time, in a thread of its own."""

import asyncio
import json
import math
import signal
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from kospan.serving.logs import LOGGER, described
from kospan.serving.models import ServedModel

# Weight of the newest batch in the mean speed.
_NEWEST = 0.2


class QueueFullError(Exception):
    """The queue takes no further request.

    Args:
        retry_after: Seconds after which there is probably room.
    """

    def __init__(self, retry_after: int):
        super().__init__(f"expected fewer requests at once, got more than the queue holds; retry in {retry_after} s")
        self.retry_after = retry_after


class Job:
    """Items of one request that wait or run.

    Args:
        model: The model.
        items: Items of the model's pipeline.
        parameters: Settings of the pipeline.
        future: Future of the results.
    """

    def __init__(self, model: ServedModel, items: list, parameters: dict, future: asyncio.Future):
        self.model, self.items, self.parameters, self.future = model, items, parameters, future
        # Requests with equal keys may share a batch.
        self.key = model.name, json.dumps(parameters, sort_keys=True)
        self.tokens = [model.tokens(item) for item in items]
        self.waiting_tokens = sum(self.tokens)
        # Indices of the items that wait; sorted by length, as the model itself sorts the windows of a call.
        self.waiting = deque(sorted(range(len(items)), key=self.tokens.__getitem__))
        self.results: list = [None] * len(items)
        self.missing = len(items)
        self.entered = time.monotonic()

    def take(self, budget: int, at_least_one: bool) -> "Part | None":
        """Take items that wait, up to a number of tokens; None if there are none."""
        taken, tokens = [], 0
        while self.waiting and (self.tokens[self.waiting[0]] + tokens <= budget or (at_least_one and not taken)):
            taken.append(self.waiting.popleft())
            tokens += self.tokens[taken[-1]]
        self.waiting_tokens -= tokens
        return Part(self, taken, tokens) if taken else None

    def put(self, indices: list[int], results: list) -> None:
        """Store results of items; the last ones resolve the future."""
        for index, result in zip(indices, results, strict=True):
            self.results[index] = result
        self.missing -= len(indices)
        if not self.missing and not self.future.done():
            self.future.set_result(self.results)


class Part(NamedTuple):
    """Items of a job in a batch.

    Args:
        job: The job.
        indices: Indices of the items.
        tokens: Tokens of the items in all.
    """

    job: Job
    indices: list[int]
    tokens: int


class Batcher:
    """Queue of requests.

    The items of equal model and settings share batches of up to `model.batch_tokens` tokens. A request with more items
    returns to the end of the queue after each batch, so that short requests do not wait for all of it.

    Args:
        limit: Requests that wait or run at most.
        timeout: Seconds that a request may take.
        wait: Seconds that a batch with room waits for further requests.
        observe: Function that takes the parts and the seconds of each batch; for metrics.
    """

    def __init__(
        self, limit: int, timeout: float, wait: float = 0.0, observe: Callable[[list[Part], float], None] | None = None
    ):
        self.limit, self.timeout, self.wait = limit, timeout, wait
        self._observe = observe or (lambda parts, seconds: None)
        self.executor = ThreadPoolExecutor(1, thread_name_prefix="kospan-model")
        self._queue: deque[Job] = deque()
        self._jobs: set[Job] = set()
        self._entered = asyncio.Event()
        self._task: asyncio.Task | None = None
        # Tokens per second, a running mean; None before the first batch.
        self._speed: float | None = None

    @property
    def size(self) -> int:
        """Number of requests that wait or run."""
        return len(self._jobs)

    def start(self) -> None:
        """Start to run batches; needs a running event loop."""
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(_stop_if_failed)

    async def stop(self) -> None:
        """Stop after the current batch."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.to_thread(self.executor.shutdown)

    def drain_seconds(self) -> float:
        """Estimate how long the requests that wait or run will take."""
        return sum(job.waiting_tokens for job in self._jobs) / self._speed if self._speed else 0.0

    async def submit(self, model: ServedModel, items: list, parameters: dict) -> list:
        """Run items and return their results in order.

        Raises:
            QueueFullError: If too many requests wait, or those that wait would take longer than the timeout.
            TimeoutError: If the results take longer than the timeout.
            Exception: As the pipeline's `results`.
        """
        drain = self.drain_seconds()
        if len(self._jobs) >= self.limit or drain > self.timeout:
            raise QueueFullError(max(1, math.ceil(drain)))
        job = Job(model, items, parameters, asyncio.get_running_loop().create_future())
        self._jobs.add(job)
        self._queue.append(job)
        self._entered.set()
        try:
            async with asyncio.timeout(self.timeout):
                return await job.future
        finally:
            job.future.cancel()
            self._jobs.discard(job)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            parts = self._take([])
            if not parts:
                self._entered.clear()
                await self._entered.wait()
                continue
            if self.wait:
                parts = await self._filled(parts)
            before = time.monotonic()
            for part, outcome in zip(parts, await loop.run_in_executor(self.executor, _outcomes, parts)):
                self._settle(part, outcome)
            # Behind the requests that have come in the meantime.
            self._queue.extend(part.job for part in parts if part.job.waiting)
            seconds = time.monotonic() - before
            self._observe(parts, seconds)
            speed = sum(part.tokens for part in parts) / max(seconds, 1e-6)
            self._speed = speed if self._speed is None else (1 - _NEWEST) * self._speed + _NEWEST * speed

    async def _filled(self, parts: list[Part]) -> list[Part]:
        """Wait for further requests until the batch is full or the time is over."""
        until = time.monotonic() + self.wait
        while self._room(parts) > 0 and (left := until - time.monotonic()) > 0:
            self._entered.clear()
            try:
                await asyncio.wait_for(self._entered.wait(), left)
            except TimeoutError:
                break
            parts = self._take(parts)
        return parts

    def _room(self, parts: list[Part]) -> int:
        model = parts[0].job.model
        return model.batch_tokens - sum(part.tokens for part in parts) if model.batches else 0

    def _take(self, parts: list[Part]) -> list[Part]:
        """Add items that wait to a batch; to an empty one at least an item of the first request."""
        rest: list[Job] = []
        room = self._room(parts) if parts else 1
        while self._queue and room > 0:
            job = self._queue.popleft()
            if job.future.done():
                continue
            part = None
            if not parts:
                part = job.take(job.model.batch_tokens, at_least_one=True)
            elif job.key == parts[0].job.key:
                part = job.take(room, at_least_one=False)
            if part:
                parts.append(part)
                room = self._room(parts)
            else:
                rest.append(job)
        self._queue.extendleft(reversed(rest))
        return parts

    @staticmethod
    def _settle(part: Part, outcome: list | Exception) -> None:
        if not isinstance(outcome, Exception):
            part.job.put(part.indices, outcome)
        elif not part.job.future.done():
            part.job.future.set_exception(outcome)


def _stop_if_failed(task: asyncio.Task) -> None:
    """Stop this worker after an error outside of the models, so that it is replaced."""
    if not task.cancelled() and (error := task.exception()) is not None:
        LOGGER.error("the queue has failed", extra={"fields": described(error)})
        signal.raise_signal(signal.SIGTERM)


def _outcomes(parts: list[Part]) -> list[list | Exception]:
    """Run a batch; the results, or the error, of each part."""
    job = parts[0].job
    items = [part.job.items[index] for part in parts for index in part.indices]
    try:
        found = iter(job.model.pipeline.results(items, **job.parameters))
        return [[next(found) for _ in part.indices] for part in parts]
    except Exception as error:
        if len(parts) == 1:
            return [error]
        # An error in one request must not reach the others.
        return [outcome for part in parts for outcome in _outcomes([part])]
