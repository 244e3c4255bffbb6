"""The jobs are complete, and the arithmetic in their floors is right."""

import subprocess
from importlib import import_module

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench import arithmetic, environments
from bench.errors import BenchError
from bench.jobs import JOBS, PEERS, SUBJECTS
from bench.subjects import workload as w


@pytest.mark.parametrize("job", JOBS.values(), ids=lambda job: job.id)
def test_every_subject_knows_its_jobs(job):
    """Also where no peer is installed: their modules import them only inside."""
    for subject in job.subjects:
        assert callable(getattr(import_module(f"bench.subjects.{SUBJECTS[subject][0]}"), job.function))
    assert {job.truth, job.floor_of} <= {"", *job.subjects}


def test_a_token_s_arithmetic():
    """One token through one block, counted by PyTorch."""
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(n_layer=1, attn_implementation="eager"))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 1, dtype=torch.long), use_cache=False)
    assert counter.get_total_flops() == arithmetic.blocks(1) + arithmetic.UNEMBEDDING


def test_the_last_block_over_one_token_is_a_block():
    assert arithmetic.last_block(1) == arithmetic.blocks(1)
    assert arithmetic.last_block(32) < arithmetic.blocks(32)


def test_the_floors():
    """The figures of the estimate that the targets were set by: 0.52 and 0.35 TFLOP, 44 GFLOP."""
    assert arithmetic.sweep_residual() == pytest.approx(0.52e12, rel=0.01)
    assert arithmetic.sweep_heads() == pytest.approx(0.35e12, rel=0.01)
    assert arithmetic.grad_heads() == pytest.approx(44e9, rel=0.01)


def test_cells_are_spread():
    for cells, n in ((w.RESIDUAL_CELLS, w.SWEEP_POSITIONS), (w.HEAD_CELLS, w.HEADS)):
        assert [layer for layer, _ in cells] == list(range(w.LAYERS))
        assert len({cell for _, cell in cells}) == len(cells) and all(0 <= cell < n for _, cell in cells)
    assert (w.RESIDUAL_TIMES * len(w.RESIDUAL_CELLS), w.HEAD_TIMES * len(w.HEAD_CELLS)) == (384, 144)


def test_peers_are_pinned():
    assert set(environments.versions()["peers"]) == set(PEERS)
    assert all(len(requirement.split("==")) == 2 for peer in PEERS for requirement in environments.requirements(peer))


def test_an_environment_is_made_once(tmp_path, monkeypatch):
    commands = []

    def run(command, **options):
        commands.append(command)
        (tmp_path / "pyvene").mkdir(exist_ok=True)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    monkeypatch.setattr(environments.subprocess, "run", run)
    first = environments.interpreter("pyvene")
    assert environments.interpreter("pyvene") == first == str(tmp_path / "pyvene" / "bin" / "python")
    assert len(commands) == 2 and "pyvene==0.1.8" in commands[1]


def test_an_environment_that_cannot_be_made_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    monkeypatch.setattr(environments.subprocess, "run", lambda command, **options: subprocess.CompletedProcess(command, 1, "", "so\nno network\n"))
    with pytest.raises(BenchError, match=r"^pyvene cannot be installed: no network$"):
        environments.interpreter("pyvene")
