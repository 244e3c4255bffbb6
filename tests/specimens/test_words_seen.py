"""The documents that training saw are made again to the token, and no other weights know them better."""

import pytest
import torch
from tokenizers import Tokenizer

import sonde
from sonde.results import InputError
from sonde.specimens import path
from sonde.specimens.words.mixture import NORMAL_MIX, with_share
from sonde.specimens.words.packing import Packer
from sonde.specimens.words.recipe import RECIPES
from sonde.specimens.words.seen import stages, training_set


@pytest.mark.parametrize("name", ["words", "words-small-b"])
def test_they_lie_in_the_rows_that_training_read(name):
    recipe, tokenizer = RECIPES[name], Tokenizer.from_file(str(path(name) / "tokenizer.json"))
    seen = training_set(name, n=60, seed=3)
    mixes = {"A": with_share(NORMAL_MIX, "repeats", recipe.repeats_share), "B": NORMAL_MIX, "C": NORMAL_MIX}
    for stage, step in {(one.stage, one.step) for one in seen}:
        rows = Packer(tokenizer, mixes[stage], recipe.n_ctx + 1).rows(recipe.rows, seed=f"{recipe.seed}/{step}")
        for one in seen:
            if one.step == step:
                row = rows[one.row].tolist()
                assert row[one.begin - 1 : one.begin - 1 + len(one.ids)] == list(one.ids)
                text = tokenizer.decode(list(one.ids)).strip()
                assert text == one.document.text.strip() or (one.begin - 1 + len(one.ids) == len(row) and one.document.text.strip().startswith(text))
    assert [one.step for one in seen] == sorted(one.step for one in seen) and len(seen) == 60


def test_the_stages_are_those_of_the_card():
    known = stages("words")
    assert known["A"].start == 0 and known["A"].stop <= known["B"].start < known["B"].stop <= known["C"].start
    assert known["C"].stop == RECIPES["words"].training().steps
    lists = {stage: sum(one.document.family == "repeats" for one in training_set("words", n=50, stages=[stage])) for stage in ("A", "C")}
    assert lists["A"] > 2 * lists["C"]


def test_what_was_said_is_better_known_than_what_was_not():
    """The control: the same documents with their tokens in another order."""
    model = sonde.load("specimen:words-small")
    rows = [list(one.ids) for one in training_set("words-small", n=40)]
    generator = torch.Generator().manual_seed(0)
    mixed = [[row[0], *(row[1 + i] for i in torch.randperm(len(row) - 1, generator=generator).tolist())] for row in rows]

    def loss(given):
        run = model.run(given)
        told = run.logits[:, :-1].log_softmax(-1).gather(-1, run.ids[:, 1:, None])[..., 0]
        return -told[run.mask[:, 1:]].mean()

    assert loss(rows) < 0.6 * loss(mixed)


def test_what_does_not_fit_is_refused():
    for arguments, words in ((("mask",), "choose words"), (("words", 0), "1 document"), (("words", 1, 0, ["D"]), "A, B, C")):
        with pytest.raises(InputError, match=words):
            training_set(*arguments)
