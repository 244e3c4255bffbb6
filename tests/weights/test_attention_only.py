"""Small attention-only models: tables and scores against what is known, the specimen's induction heads, and a training that goes on."""

import math

import pytest
import torch

import sonde
from sonde.nn import Transformer, permuted
from sonde.results import InputError, LoadError, Result
from sonde.specimens import induction
from sonde.weights import SmallConfig, attention_only
from sonde.weights.attention_only.score import in_context_score
from sonde.weights.attention_only.study import measured
from sonde.weights.attention_only.tables import kinds_of, table_losses
from sonde.weights.attention_only.texts import BY_RULE, SUCCESSORS, WORDS, Source, generated, letters
from sonde.weights.attention_only.training import token_losses

TINY = SmallConfig(layers=(0, 2), d_model=16, n_heads=4, n_ctx=24, rows=4, steps=12)


@pytest.fixture(scope="module")
def specimen():
    """The specimen on its own text, as if a study had trained it; and with its weights permuted."""

    def rows(n, length, draw):
        return induction.rows(n, draw, length)[:, :length]

    source = Source("random words, parts said again", ["<bos>", *induction.WORDS], rows, lambda n, length, draw: rows(n, length, f"held out {draw}"))
    network = sonde.load("specimen:induction").module
    return measured([permuted(network, 0), network], source, 64, 0), network


def test_the_specimen_s_score_is_that_of_its_card_and_its_induction_heads_are_taken_out(specimen):
    found, network = specimen
    assert sorted(found.heads) == ["1.0", "1.1", "1.2", "1.3"]
    scores = found.in_context.mean(1)
    assert scores[1] < -1 and abs(scores[0]) < 0.3, "control: permuted weights use no context"
    assert found.verdicts[0].holds
    ids = induction.rows(64, "held out measured", 64)[:, :64]
    with torch.no_grad():
        assert torch.allclose(found.losses[1], token_losses(network, ids), atol=1e-5)
    verdict = found.verdicts[1]
    assert verdict.holds and verdict.measured > 0.9, "nothing of the score is left without them"
    assert len(found.without) > 2 and verdict.control < 0.8, "control: as many random heads of the model, the previous-token head among them at times"


def test_kinds_against_a_plain_search():
    ids = torch.randint(0, 5, (20, 12))
    kinds = kinds_of(ids)
    for row, of in zip(ids.tolist(), kinds.tolist(), strict=True):
        for i, kind in enumerate(of, 1):
            pairs = [(row[j - 1], row[j]) for j in range(1, i)]
            assert kind == (2 if (row[i - 1], row[i]) in pairs else 1 if row[i] in row[:i] else 0)


def test_tables_know_what_chance_leaves():
    """Of rows that only follow the chain the bigram table's loss is the chain's entropy; with its rows' order broken it knows nothing."""
    torch.manual_seed(0)
    follow = torch.stack([torch.randperm(16)[:4] for _ in range(16)])

    def chain(n):
        rows = [torch.randint(0, 16, (n,))]
        for _ in range(31):
            rows.append(follow[rows[-1], torch.randint(0, 4, (n,))])
        return torch.stack(rows, 1)

    train, ids = chain(2000), chain(200)
    losses = table_losses(train, ids, 16)
    assert losses["bigrams"].mean().item() == pytest.approx(math.log(4), abs=0.02)
    broken = train[:, torch.randperm(32)]
    assert table_losses(broken, ids, 16)["bigrams"].mean() > math.log(4) + 0.5
    assert list(losses)[2].startswith("bigrams, 1 times"), "in a chain it does not matter what was said before"


def test_the_generated_text_holds_what_each_depth_can_use():
    source = generated(0)
    ids = source.held_out(200, 48, "x")
    kinds = kinds_of(ids)
    assert (kinds == 2).float().mean() > 0.5, "induction pays"
    tables = table_losses(source.rows(1000, 48, "counted"), ids, WORDS)
    bigrams = tables["bigrams"]
    assert bigrams.mean() < tables["single tokens"].mean() - 0.2
    # half of the words are any word, so a pair costs at least as much as the mixture of both; what was said before is no news to the table
    mixture = torch.full((WORDS,), (1 - BY_RULE) / WORDS)
    mixture[:SUCCESSORS] += BY_RULE / SUCCESSORS
    entropy = -float((mixture * mixture.log()).sum())
    assert bigrams[kinds == 2].mean() > 0.9 * entropy and bigrams.mean() == pytest.approx(entropy, abs=0.2)
    assert not torch.equal(source.rows(2, 48, "0/0"), source.held_out(2, 48, "0/0"))


def test_in_context_score():
    losses = torch.full((3, 40), 2.0)
    losses[:, -4:] = 0.5
    assert in_context_score(losses).tolist() == [-1.5] * 3


def test_a_study_goes_on_where_it_was_interrupted(tmp_path, monkeypatch):
    whole = attention_only(config=TINY, held_out=8, folder=tmp_path / "whole")
    seen, real = [], Transformer.forward

    def interrupted(self, *arguments, **options):
        seen.append(1)
        if len(seen) > 18:
            raise KeyboardInterrupt
        return real(self, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Transformer, "forward", interrupted)
        with pytest.raises(KeyboardInterrupt):
            attention_only(config=TINY, held_out=8, folder=tmp_path / "broken")
    again = attention_only(config=TINY, held_out=8, folder=tmp_path / "broken")
    assert torch.equal(again.losses, whole.losses) and torch.equal(again.curves, whole.curves)
    assert sonde.load(tmp_path / "whole" / "2-layers").n_layers == 2
    with pytest.raises(LoadError):
        attention_only(config=SmallConfig(layers=(0, 2), d_model=16, n_heads=4, n_ctx=24, rows=4, steps=13), held_out=8, folder=tmp_path / "broken")
    # forms: what was not learnt is said to be untestable
    assert whole.verdicts[-1].holds is None and whole.verdicts[-1].reason == "no head looks like an induction head"
    back = Result.load(whole.save(tmp_path / "kept"))
    assert torch.equal(back.losses, whole.losses) and back.drawing().kind == "tabs"
    assert back.to_frame().height == 23 * 5 and back.names == ["no layer", "2 layers"]


def test_a_text_of_one_s_own(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the cat sat on the mat and the dog sat on the log. " * 120, encoding="utf-8")
    source = letters(path)
    assert source.rows(2, 30, "0").shape == (2, 30) and len(source.vocabulary) < 30
    assert "".join(source.vocabulary[i] for i in source.held_out(1, 30, "0")[0].tolist()) in path.read_text(encoding="utf-8")


def test_refusals(tmp_path):
    with pytest.raises(InputError, match="can't be read"):
        attention_only(tmp_path / "none.txt")
    (tmp_path / "short.txt").write_text("too short", encoding="utf-8")
    with pytest.raises(InputError, match="at least 5,000"):
        attention_only(tmp_path / "short.txt")
    with pytest.raises(InputError, match="rising order"):
        SmallConfig(layers=(2, 1))
    with pytest.raises(InputError, match="at least 8 rows"):
        attention_only(held_out=2)
