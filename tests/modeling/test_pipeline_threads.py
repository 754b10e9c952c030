"""Models in several threads: equal results, and modes that are restored."""

from threading import Barrier, Thread

import pytest
from pipeline_cases import close, dicts
from time_limits import SECONDS


def in_threads(count: int, work) -> list:
    """Results of `work(at)` in threads that all begin at the same moment; an exception of one is raised here."""
    results, gate = [None] * count, Barrier(count)

    def run(at: int) -> None:
        gate.wait(SECONDS)
        try:
            results[at] = work(at)
        except Exception as error:  # raised again below
            results[at] = error

    threads = [Thread(target=run, args=(at,)) for at in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


@pytest.mark.parametrize("training", [False, True])
def test_threads_read_as_one_does(make_token_classifier, texts, training):
    """Also for a model in training mode: no thread may turn on dropout while another one predicts."""
    model = make_token_classifier(encoder_input="subwords", dropout=0.5, lstm_hidden_size=8, lstm_dropout=0.5)
    expected = model.extract(texts)
    model.train(training)
    found = in_threads(4, lambda at: [model.extract(texts[at % 3 :]) for _ in range(6)])
    assert model.training == training
    for at, several in enumerate(found):
        for spans in several:
            for ours, theirs in zip(expected[at % 3 :], spans, strict=True):
                close(dicts("", theirs), dicts("", ours))


def test_a_thread_that_looks_inside_disturbs_none(make_token_classifier, texts):
    model = make_token_classifier(encoder_input="units")
    before = model.encoder.config._attn_implementation
    assert before != "eager"
    expected = model.extract(texts)

    def work(at: int):
        if at % 2:
            return [len(model.inspect(texts[0]).windows[0].attentions) for _ in range(5)]
        return [model.extract(texts) for _ in range(5)]

    found = in_threads(4, work)
    assert found[1] == found[3] == [1] * 5
    for several in (found[0], found[2]):
        for spans in several:
            for ours, theirs in zip(expected, spans, strict=True):
                close(dicts("", theirs), dicts("", ours))
    assert model.encoder.config._attn_implementation == before


def test_modes_are_restored_after_the_last_call(make_token_classifier):
    """The order that broke it: one begins while another reads, and ends after it."""
    model = make_token_classifier().train()
    first, second = model.evaluating(), model.evaluating()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not model.training, "the second still reads"
    second.__exit__(None, None, None)
    assert model.training


def test_who_switches_something_is_alone(make_token_classifier):
    model = make_token_classifier()
    order, inside = [], Barrier(2)

    def switch():
        inside.wait(SECONDS)
        with model.evaluating(exclusive=True):
            order.append("alone")

    thread = Thread(target=switch)
    with model.evaluating():
        thread.start()
        inside.wait(SECONDS)
        with model.evaluating():  # Whoever only reads does not wait.
            order.append("qa_model")
        order.append("readers leave")
    thread.join(SECONDS)
    assert order == ["qa_model", "readers leave", "alone"]
