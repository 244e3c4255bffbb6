"""A real model on real pairs: its accuracies are those of a scorer written by hand, pair by pair."""

import json
import math

import pytest
import torch
from data_models.shared import DATA, needs

import sonde
from bench.stories260k import convert
from sonde.behaviour import minimal_pairs, read_pairs

PARADIGMS = ("principle_A_case_1", "anaphor_gender_agreement", "ellipsis_n_bar_1")
N = 20


@needs("blimp", "stories260k")
def test_stories260k(tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    convert(DATA / "stories260k", tmp_path)
    first = {name: (DATA / "blimp" / "data" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()[:N] for name in PARADIGMS}
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text("\n".join(line for lines in first.values() for line in lines), encoding="utf-8")
    found = minimal_pairs(sonde.load(tmp_path), read_pairs(pairs))
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)

    def by_hand(text):
        ids = tokenizer(text, return_tensors="pt").input_ids
        with torch.no_grad():
            logits = model(ids).logits[0, :-1].log_softmax(-1)
        return math.fsum(logits.gather(-1, ids[0, 1:, None]).flatten().tolist())

    right = dict.fromkeys(PARADIGMS, 0)
    for name, lines in first.items():
        for row in map(json.loads, lines):
            right[name] += by_hand(row["sentence_good"]) > by_hand(row["sentence_bad"])
    assert {name: share.value for name, share in found.by_paradigm[0].items()} == {name: count / N for name, count in right.items()}
    assert right["principle_A_case_1"] == N  # one that even a small model knows, and others that it does not
    assert found.good[0, 0].item() == pytest.approx(by_hand(found.pairs[0].good), abs=1e-3)
