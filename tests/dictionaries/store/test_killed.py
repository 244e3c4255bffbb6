"""A process that is killed at whatever moment: what it would have done next, another one does, bit for bit."""

import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

import sonde
from sonde.dictionaries.store import Live, Shards
from sonde.nn.transformer import Transformer, TransformerConfig

WORK = """
import hashlib, json, sys
from pathlib import Path
from test_killed import hashed, made
out = Path(sys.argv[1])
source = made(out)
for number, batch in enumerate(source.batches(40)):
    state = json.dumps([number, hashed(batch), source.state_dict()])
    (out / "state.new").write_text(state)
    (out / "state.new").replace(out / "state.json")
"""


def made(out):
    """The same in every process; without transformers, whose import takes longer than the test."""
    torch.manual_seed(0)
    model = sonde.load(Transformer(TransformerConfig(n_layers=2, d_model=16, n_heads=2, d_vocab=50, n_ctx=16, d_mlp=24)).eval())
    text = [[(7 * i + j * j) % 50 for j in range(1 + i % 29)] for i in range(60)]
    sites = ["blocks.0.resid_post", "blocks.1.mlp.out"]
    return Live(model, text, sites, rows=400_000, batch_size=4, buffer=300, seed=5).tee(out / "acts", "float32")


def hashed(batch):
    return hashlib.sha256(batch.numpy().tobytes()).hexdigest()


def test_goes_on_after_a_kill(tmp_path):
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parents[1]), *sys.path])
    process = subprocess.Popen([sys.executable, "-c", WORK, str(tmp_path)], env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"})
    try:
        for _ in range(1200):
            if (tmp_path / "state.json").exists() and json.loads((tmp_path / "state.json").read_text())[0] > 7:
                break
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    number, last, state = json.loads((tmp_path / "state.json").read_text())
    whole = made(tmp_path / "whole")
    expected = [hashed(batch) for batch in itertools.islice(whole.batches(40), number + 14)]
    assert expected[number] == last
    again = made(tmp_path)
    again.load_state_dict(state)
    assert [hashed(batch) for batch in itertools.islice(again.batches(40), 13)] == expected[number + 1 :]
    # what was written on the way is whole, and what an undisturbed run writes
    kept, undisturbed = Shards(tmp_path / "acts"), Shards(tmp_path / "whole" / "acts")
    assert kept.manifest.complete and kept.held == undisturbed.held
    assert sum(map(len, kept.batches(100))) == kept.held
