"""The queue: order of results, shared batches, slices of long requests, limits."""

import asyncio
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving_cases import StubPipeline, run_async, stub_model, until

from kospan.serving.batching import Batcher, QueueFullError


def run(work, limit: int = 100, timeout: float = 900, wait: float = 0.0):
    """The result of a coroutine function that takes a started queue."""

    async def main():
        batcher = Batcher(limit, timeout, wait)
        batcher.start()
        try:
            return await work(batcher)
        finally:
            await batcher.stop()

    return run_async(main())


@given(
    st.lists(st.lists(st.text("xyz", max_size=30), min_size=1, max_size=8), min_size=1, max_size=6),
    st.integers(1, 60),
    st.booleans(),
)
def test_every_request_gets_its_own_results_in_order(requests, batch_tokens, batches):
    pipeline = StubPipeline()
    model = stub_model(pipeline, batch_tokens=batch_tokens, batches=batches)

    async def work(batcher):
        return await asyncio.gather(*[batcher.submit(model, items, {}) for items in requests])

    assert run(work) == [[text.upper() for text in items] for items in requests]
    for call in pipeline.calls:
        assert len(call) == 1 or sum(map(model.tokens, call)) <= batch_tokens
    assert sum(map(len, pipeline.calls)) == sum(map(len, requests))


def held_calls(requests, **fields) -> list[list[str]]:
    """The calls for requests `(items, parameters)` that arrive while the first one runs."""
    pipeline = StubPipeline(held=True)
    model = stub_model(pipeline, **fields)

    async def work(batcher):
        tasks = [asyncio.create_task(batcher.submit(model, *requests[0]))]
        await until(pipeline.running)
        tasks += [asyncio.create_task(batcher.submit(model, *request)) for request in requests[1:]]
        await asyncio.sleep(0)
        pipeline.release.set()
        await asyncio.gather(*tasks)

    run(work)
    return pipeline.calls


def test_waiting_requests_with_equal_settings_share_a_batch():
    requests = [(["a"], {}), (["b"], {"threshold": 0.5}), (["c"], {}), (["d"], {"threshold": 0.5}), (["e"], {})]
    assert held_calls(requests) == [["a"], ["b", "d"], ["c", "e"]]


def test_requests_do_not_share_a_batch_where_windows_run_singly():
    assert held_calls([(["a"], {}), (["b"], {}), (["c"], {})], batches=False) == [["a"], ["b"], ["c"]]


def test_a_long_request_does_not_delay_short_ones():
    """Each text has 6 tokens, so a batch holds two; the short request comes after one batch of the long one."""
    calls = held_calls([(["aaaa"] * 6, {}), (["b"], {"threshold": 0.5})], batch_tokens=12)
    assert calls == [["aaaa"] * 2, ["b"], ["aaaa"] * 2, ["aaaa"] * 2]


def test_a_request_with_room_is_filled_by_the_next():
    calls = held_calls([(["x"], {}), (["aaaa"], {}), (["bbbb", "cccc"], {})], batch_tokens=12)
    assert calls == [["x"], ["aaaa", "bbbb"], ["cccc"]]


def test_the_texts_of_a_request_run_in_order_of_their_length():
    assert held_calls([(["x"], {}), (["bbb", "a", "cc"], {})]) == [["x"], ["a", "cc", "bbb"]]


def test_a_text_above_the_limit_runs_alone():
    assert held_calls([(["x"], {}), (["a" * 50], {}), (["b"], {})], batch_tokens=12) == [["x"], ["a" * 50], ["b"]]


def test_an_error_reaches_its_own_request_alone():
    pipeline = StubPipeline(held=True)
    model = stub_model(pipeline)

    async def work(batcher):
        first = asyncio.create_task(batcher.submit(model, ["x"], {}))
        await until(pipeline.running)
        tasks = [asyncio.create_task(batcher.submit(model, [text], {})) for text in ("a", "bad", "c")]
        await asyncio.sleep(0)
        pipeline.release.set()
        return await asyncio.gather(first, *tasks, return_exceptions=True)

    first, a, bad, c = run(work)
    assert (first, a, c) == (["X"], ["A"], ["C"]) and str(bad) == "expected other texts, got bad"
    assert ["a", "bad", "c"] in pipeline.calls


def test_a_full_queue_refuses():
    pipeline = StubPipeline(held=True)
    model = stub_model(pipeline)

    async def work(batcher):
        tasks = [asyncio.create_task(batcher.submit(model, [text], {})) for text in "ab"]
        await until(pipeline.running)
        assert batcher.size == 2
        with pytest.raises(QueueFullError) as error:
            await batcher.submit(model, ["c"], {})
        assert error.value.retry_after >= 1
        pipeline.release.set()
        assert await asyncio.gather(*tasks) == [["A"], ["B"]]
        assert batcher.size == 0 and await batcher.submit(model, ["c"], {}) == ["C"]

    run(work, limit=2)


def test_a_queue_that_would_take_longer_than_the_timeout_refuses():
    pipeline = StubPipeline(held=True)
    model = stub_model(pipeline)

    async def work(batcher):
        batcher._speed = 1.0  # Tokens per second.
        tasks = [asyncio.create_task(batcher.submit(model, ["a"], {}))]
        await until(pipeline.running)
        tasks += [asyncio.create_task(batcher.submit(model, [text * 500], {})) for text in "bc"]
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError) as error:
            await batcher.submit(model, ["d"], {})
        assert error.value.retry_after == 1004  # Two of 502 tokens wait.
        pipeline.release.set()
        await asyncio.gather(*tasks)

    run(work, timeout=1003)


def test_a_request_beyond_its_time_is_given_up_and_not_run():
    pipeline = StubPipeline(held=True)
    model = stub_model(pipeline)

    async def work(batcher):
        first = asyncio.create_task(batcher.submit(model, ["a"], {}))
        await until(pipeline.running)
        batcher.timeout = 0.0
        with pytest.raises(TimeoutError):
            await batcher.submit(model, ["b"], {})
        batcher.timeout = 900
        last = asyncio.create_task(batcher.submit(model, ["c"], {}))
        await asyncio.sleep(0)
        pipeline.release.set()
        assert await asyncio.gather(first, last) == [["A"], ["C"]]

    run(work)
    assert pipeline.calls == [["a"], ["c"]]


def test_a_batch_with_room_waits_for_requests():
    """The wait ends as soon as the batch is full, so the test does not take its 900 seconds."""
    pipeline = StubPipeline()
    model = stub_model(pipeline, batch_tokens=9)

    async def work(batcher):
        first = asyncio.create_task(batcher.submit(model, ["a"], {}))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not pipeline.calls
        return await asyncio.gather(first, batcher.submit(model, ["b"], {}), batcher.submit(model, ["c"], {}))

    assert run(work, wait=900) == [["A"], ["B"], ["C"]]
    assert pipeline.calls == [["a", "b", "c"]]


def test_a_failed_queue_stops_the_worker(monkeypatch, caplog):
    """Otherwise all requests would wait until their timeout."""
    stopped = []
    monkeypatch.setattr("signal.raise_signal", stopped.append)

    def fail(parts, seconds):
        raise OSError("no space")

    async def main():
        batcher = Batcher(1, 900, observe=fail)
        batcher.start()
        assert await batcher.submit(stub_model(), ["a"], {}) == ["A"]
        while not stopped:
            await asyncio.sleep(0)
        await batcher.stop()

    run_async(main())
    assert stopped == [signal.SIGTERM] and caplog.records[-1].fields["error"] == "OSError"
