"""The shipped network copies by its induction heads, which others can't replace; a shuffled one has none and copies nothing."""

import itertools

import pytest
import torch
from tokenizers import Tokenizer

import sonde
from sonde import specimens
from sonde.nn import permuted
from sonde.specimens import compiled, induction


@pytest.fixture(scope="module")
def model():
    return sonde.load("specimen:induction")


@pytest.fixture(scope="module")
def fresh(model):
    return {m.name: m for m in induction.measures(model.module, seed=3)}


def test_the_card_holds(fresh):
    card = {m["name"]: m for m in specimens.card("induction")["measures"]}
    assert card.keys() == fresh.keys()
    for name, measure in fresh.items():
        width = card[name]["high"] - card[name]["low"]
        assert card[name]["low"] - width < measure.value < card[name]["high"] + width, name


def test_what_the_papers_found(fresh):
    """Prefix matching above 0.4 in two layers; a context that is worth more than 0.4 nats; no copying without either kind of head."""
    assert fresh["loss on the second saying of a list, over the first"].high < 0.5
    assert fresh["in-context learning score"].high < -0.4
    assert fresh["attention to what followed, strongest head"].low > 0.4
    whole = fresh["loss on the second saying"].high
    assert fresh["loss on the second saying, without previous-token heads"].low > 5 * whole
    assert fresh["loss on the second saying, without induction heads"].low > 5 * whole
    assert fresh["loss on the second saying, without the other heads"].high < 2 * whole


def test_a_shuffled_network_has_no_such_heads(model):
    shuffled = {m.name: m for m in induction.measures(permuted(model.module, 1))}
    assert shuffled["loss on the second saying of a list, over the first"].low > 0.9
    assert shuffled["attention to what followed, strongest head"].high < 0.2
    assert "heads none" in shuffled["loss on the second saying, without induction heads"].note


def test_heads_are_found_where_they_were_planted():
    program = compiled.induction(seed=2)
    truth = {role: str(head) for role, head in program.heads.items()}
    handle = sonde.load(program.model)
    generator = torch.Generator().manual_seed(0)
    lists = torch.stack([torch.randperm(40, generator=generator)[:12] + 2 for _ in range(8)])
    ids = torch.cat([torch.zeros(8, 1, dtype=torch.long), lists, lists], dim=1)
    previous, following = (scores.mean(0) for scores in induction.head_scores(handle, ids))
    named = {f"{layer}.{head}": previous[layer, head].item() for layer in range(2) for head in range(4)}
    assert max(named, key=named.__getitem__) == truth["previous_token"] and named[truth["previous_token"]] > 0.9
    named = {f"{layer}.{head}": following[layer, head].item() for layer in range(2) for head in range(4)}
    assert max(named, key=named.__getitem__) == truth["induction"] and named[truth["induction"]] > 0.9


def test_rows_say_parts_again():
    ids = induction.rows(20, seed="a")
    assert ids.shape == (20, 65) and (ids[:, 0] == 0).all() and ids[:, 1:].min() >= 1 and ids.max() <= 256
    pairs = [set(itertools.pairwise(row)) for row in ids.tolist()]
    assert sum(len(each) for each in pairs) / 20 < 45  # of 64: the others were said before; random words would give 64
    assert torch.equal(ids, induction.rows(20, seed="a")) and not torch.equal(ids, induction.rows(20, seed="b"))


def test_it_copies_text(model):
    words = induction.WORDS
    text = " ".join([*words[10:20], *words[10:15]])
    best = model.run(text).logits[0, -1].argmax().item()
    assert model.tokenizer.decode([best]) == words[15]
    stored = Tokenizer.from_file(str(specimens.path("induction") / "tokenizer.json"))
    assert stored.to_str() == induction.tokenizer().to_str()
    with pytest.raises(sonde.SondeError, match="can't read 'nowhere'"):
        model.run("nowhere")


def test_the_recipe_writes_a_specimen(monkeypatch, tmp_path):
    monkeypatch.setattr(induction, "PERIODS", (12,))
    threads = torch.get_num_threads()
    try:
        induction.train(tmp_path, steps=2)
    finally:
        torch.set_num_threads(threads)
    assert {file.name for file in (tmp_path / "induction").iterdir()} == {file.name for file in specimens.path("induction").iterdir()}
