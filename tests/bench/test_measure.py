"""Medians, intervals, scaling, who is missing and who is refused: with workers that reply what the test says."""

import contextlib
import dataclasses
import json
from pathlib import Path

import jsonschema
import pytest

from bench import measure as bench
from bench.claims import claims
from bench.errors import BenchError
from bench.jobs import Job

SCHEMA = json.loads((Path(bench.__file__).parent / "result.schema.json").read_text(encoding="utf-8"))
JOB = Job("fake", "do it", ("plain", "sonde", "nnsight", "pyvene"), "do", 3, "plain", flops=2 * 10**9, at_most=3, ahead=7, memory_mb=100)
COSTS = {"plain": [9.0, 8.0, 10.0], "sonde": [2.0, 1.0, 6.0], "nnsight": [4.0, 5.0, 3.0], "pyvene": [7.0, 7.0, 7.0]}
TIMES = {"nnsight": 4}
SPREAD: dict[str, float] = {}


class Fake:
    """Replies as a worker does; `difference` and `failing` say what is wrong with it."""

    def __init__(self, subject, asked, difference, failing):
        self.subject, self.asked, self.difference, self.failing = subject, asked, difference, failing
        self.costs = iter(COSTS[subject])

    def send(self, **request):
        self.sent = request

    def receive(self):
        if self.failing:
            raise BenchError(f"{self.subject}: broken")
        return {"version": "1.0", "note": "", "times": TIMES.get(self.subject, 1), "answers": True}

    def ask(self, do, file="", afresh=False):
        self.asked.append((self.subject, do))
        if do == "answer":
            Path(file).touch()
        cost = next(self.costs) if do == "run" else 0.0
        replies = {
            "run": {
                "cpu_s": cost,
                "wall_s": 2 * cost,
                "spread_s": SPREAD.get(self.subject, 0.0),
                "peak_mb": 500.0 if afresh else 900.0,
                "above_mb": 250.0,
            },
            "rate": {"gflop_per_s": 4.0},
            "compare": {"difference": self.difference},
        }
        return replies.get(do, {})


@pytest.fixture
def measured(monkeypatch):
    """The result with some subjects broken or wrong, and what was asked in order."""

    def measuring(failing=(), wrong=()):
        asked = []

        @contextlib.contextmanager
        def worker(subject):
            yield Fake(subject, asked, 0.1 if subject in wrong else 0.0, subject in failing)

        monkeypatch.setattr(bench, "worker", worker)
        return bench.measure(JOB, repeats=3), asked

    return measuring


def test_medians_intervals_and_shares(measured):
    result, _ = measured()
    jsonschema.validate(result, SCHEMA)
    rows = {row["subject"]: row for row in result["rows"]}
    assert list(rows) == list(JOB.subjects)
    assert (rows["sonde"]["value"], rows["sonde"]["interval"], rows["sonde"]["repeats"]) == (2.0, [1.0, 6.0], 3)
    assert (rows["nnsight"]["value"], rows["nnsight"]["interval"]) == (16.0, [12.0, 20.0])  # a quarter of the job was timed
    assert (rows["nnsight"]["cpu_s"], rows["nnsight"]["wall_s"], rows["nnsight"]["peak_mb"]) == (16.0, 32.0, 500.0)
    assert (result["floor"], result["gflop"], result["gflop_per_s"]) == (0.5, 2.0, 4.0)


def test_subjects_take_turns_and_are_compared_first(measured):
    _, asked = measured()
    kinds = [do for _, do in asked]
    assert max(i for i, do in enumerate(kinds) if do == "compare") < kinds.index("run")
    runs = [subject for subject, do in asked if do == "run"]
    assert runs == [*JOB.subjects, *reversed(JOB.subjects), *JOB.subjects]


def test_a_peer_that_fails_is_named(measured, capsys):
    result, _ = measured(failing=["pyvene"], wrong=["nnsight"])
    assert [row["subject"] for row in result["rows"]] == ["plain", "sonde"]
    assert result["missing"]["pyvene"] == "pyvene: broken"
    assert "differ from the plain ones by 0.1, so its speed means nothing" in result["missing"]["nnsight"]
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert {claim.text: claim.holds for claim in claims(JOB, result)}["the best peer takes at least 7 x as long"] is None


@pytest.mark.parametrize("how", ["failing", "wrong"])
def test_sonde_must_not_fail(measured, how):
    with pytest.raises(BenchError, match=r"^sonde: "):
        measured(**{how: ["sonde"]})


def test_claims(measured):
    result, _ = measured()
    found = [(claim.text, claim.measured, claim.holds) for claim in claims(JOB, result)]
    assert found == [
        ("sonde at most 3 s", "2 s", True),
        ("the best peer takes at least 7 x as long", "3.5 x (pyvene)", False),
        ("peak memory within 100 MB of the plain forward's", "+0 MB", True),
    ]


def test_a_sample_s_error_widens_the_interval(measured, monkeypatch):
    monkeypatch.setitem(SPREAD, "sonde", 0.5)
    result, _ = measured()
    assert next(row["interval"] for row in result["rows"] if row["subject"] == "sonde") == pytest.approx([1 - 0.98, 6 + 0.98])


def test_memory_above_the_loaded_model(measured):
    result, _ = measured()
    found = {claim.text: claim for claim in claims(dataclasses.replace(JOB, above_mb=200), result)}[
        "peak memory at most 200 MB above the loaded model"
    ]
    assert (found.measured, found.holds) == ("+250 MB", False)


@pytest.mark.parametrize(("score", "holds"), [(0.83, True), (0.826, True), (0.82, False)])
def test_a_score_is_held_against_the_best_peer_s(measured, score, holds):
    result, _ = measured()
    scores = {"sonde": score, "nnsight": 0.83, "pyvene": 0.7}
    rows = [row | ({"score": scores[row["subject"]]} if row["subject"] in scores else {}) for row in result["rows"]]
    found = {claim.text: claim for claim in claims(dataclasses.replace(JOB, score_within=0.005), result | {"rows": rows})}
    assert found["its score at most 0.005 below the best peer's"].holds is holds
