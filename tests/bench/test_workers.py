"""Requests and replies: what a worker process answers, and what its owner makes of it."""

import sys
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.subjects.__main__ import Worker as Answering
from bench.workers import Worker

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def on_path(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))


@pytest.fixture
def start(monkeypatch):
    """A worker process of the subject in doing.py."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    started = []

    def starting(function):
        worker = Worker("fake", [sys.executable, "-m", "bench.subjects", "doing"])
        started.append(worker)
        worker.send(do="set up", function=function, device="cpu", distribution="pytest")
        return worker

    yield starting
    for worker in started:
        worker.close()


def answering(function):
    worker = Answering("doing")
    return worker, worker.reply({"do": "set up", "function": function, "device": "cpu", "distribution": "no such distribution"})


def test_a_process_answers(start):
    worker = start("counting")
    assert worker.receive() == {"version": pytest.__version__, "note": "cpu", "times": 3, "answers": False}
    costs = worker.ask(do="run", afresh=True)
    assert set(costs) == {"cpu_s", "wall_s", "spread_s", "peak_mb", "above_mb"}
    assert costs["cpu_s"] >= 0 and costs["wall_s"] > 0 and 1 < costs["peak_mb"] < 1000


def test_what_libraries_print_is_no_reply(start):
    worker = start("chatty")
    assert worker.receive()["times"] == 1
    assert "cpu_s" in worker.ask(do="run", afresh=True)


@pytest.mark.parametrize("function, message", [("failing", "^fake: ImportError: no such library$"), ("dying", r"its process ended \(exit code 3\)")])
def test_failures_are_one_line(start, function, message):
    worker = start(function)
    with pytest.raises(BenchError, match=message):
        worker.receive()


def test_what_comes_before_a_repeat_is_given_to_it():
    worker, reply = answering("counting")
    assert reply["version"] == "not installed"
    for _ in range(3):
        worker.reply({"do": "run", "afresh": False})
    assert worker._before() == (4,)


def test_numbers_are_compared(tmp_path):
    file = str(tmp_path / "truth.safetensors")
    truth, reply = answering("numbers")
    assert reply["answers"]
    truth.reply({"do": "answer", "file": file})
    assert truth.reply({"do": "compare", "file": file}) == {"difference": 0.0, "compared": 2}
    assert answering("fewer_numbers")[0].reply({"do": "compare", "file": file}) == {"difference": 0.25, "compared": 1}
    with pytest.raises(ValueError, match="nothing to compare"):
        answering("other_numbers")[0].reply({"do": "compare", "file": file})


def test_a_sample_stands_for_the_whole(tmp_path, monkeypatch):
    """Three cells are done, and cost what 21 would; what is compared is asked for by itself."""
    seconds = iter([0.0, 1.0, 1.0, 4.0, 4.0, 9.0])
    monkeypatch.setattr("bench.subjects.costs._cpu_s", lambda: next(seconds))
    worker, _ = answering("sampling")
    costs = worker.reply({"do": "run", "afresh": False})
    assert costs["cpu_s"] == 20 * 2 + 5
    assert costs["spread_s"] == pytest.approx(20 * (2 / 2 * (1 - 2 / 20)) ** 0.5)
    assert worker.trial.run.__self__ == [1, 2, 3]
    file = str(tmp_path / "truth.safetensors")
    answering("numbers")[0].reply({"do": "answer", "file": file})
    assert worker.reply({"do": "compare", "file": file})["difference"] == 0


def test_an_unknown_request_is_refused():
    with pytest.raises(ValueError, match="no such request"):
        answering("counting")[0].reply({"do": "tea"})
