"""The algebra on networks that others have trained, where the shared data are: paths add up to their logits, and their known heads are found."""

import pytest
import torch
from data_models import nets
from data_models.shared import DATA, needs

import sonde
from bench.stories260k import convert
from sonde.results import InputError
from sonde.weights import bigrams, copying_scores, label_heads, path_importance, skip_trigrams


@needs("induction_2l")
def test_induction_works_through_the_heads_of_the_second_block():
    """Its README: a piece of 16 tokens at 10 to 25 comes again at 40 to 55, and 1.1, 1.2 and 1.3 continue it; these heads copy."""
    model = sonde.load(nets.induction(DATA / "induction_2l"))
    ids = torch.randint(128, (12, 56), generator=torch.Generator().manual_seed(0))
    ids[:, 40:56] = ids[:, 10:26]
    found = path_importance(model, ids, start=41)
    assert found.error < 1e-4 and float(found.full.mean()) < 2.5
    worth = {layer: found.worth(f"single heads of block {layer}") for layer in (0, 1)}
    assert worth[1] > 0.3 and worth[1] > 2 * worth[0]
    heads = sorted((f"1.{head}" for head in range(4)), key=found.worth)
    assert heads[0] == "1.0"  # the one that is no induction head
    assert found.virtual_heads().kind == "matrix"
    scores = copying_scores(model)
    assert (scores.values[1] > 0.99).all() and scores.chance < 0.99


@needs("gpt_nano_sort")
def test_a_sorter():
    model = sonde.load(nets.sorter(DATA / "gpt_nano_sort"))
    rows = [[2, 0, 1, 1, 0, 2, 0, 0, 1, 1, 2], [1, 1, 0, 2, 2, 0, 0, 0, 1, 1, 2]]
    for linear in (False, True):
        found = path_importance(model, rows, linear)
        assert found.error < 1e-4 and found.up_to[-1].mean() == pytest.approx(float(found.full.mean()), abs=1e-5)


@needs("stories260k")
def test_a_story_model(tmp_path):
    convert(DATA / "stories260k", tmp_path)
    model = sonde.load(tmp_path)
    texts = ["Once upon a time, there was a little girl named Lily.", "She loved to play outside in the park."]
    assert path_importance(model, texts).error < 1e-3
    assert bigrams(model, texts).check(model)[0].holds is None  # two texts say too little
    assert skip_trigrams(model, layers=[0], k=3).to_frame().height > 20


@needs("gpt_nano_sort")
def test_the_sorter_has_too_few_tokens_for_random_ones_said_twice():
    """Three digits are no random words; what needs no text works."""
    model = sonde.load(nets.sorter(DATA / "gpt_nano_sort"))
    with pytest.raises(InputError, match="11 tokens of 3 kinds"):
        label_heads(model, networks=2)
    assert copying_scores(model).values.shape == (3, 3)
