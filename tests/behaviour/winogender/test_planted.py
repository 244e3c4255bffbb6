"""A model whose expectations are known in closed form: after "that" it says the feminine pronoun as often as the share of women it was given."""

import random

import pytest
import torch
from torch import nn
from winogender_files import folder

import sonde
from sonde.behaviour import coreference, read_schemas
from sonde.nn.transformer import Transformer, TransformerConfig
from sonde.specimens.wordlevel import word_tokenizer

JOBS = ["nurse", "baker", "guard", "cook", "clerk", "pilot", "judge", "tutor", "guide", "miner", "tailor", "usher"]
SHARES = dict(zip(JOBS, range(4, 100, 8), strict=True))
OTHERS = dict(zip(JOBS, random.Random(2).sample(list(SHARES.values()), len(JOBS)), strict=True))
WORDS = ["<unk>", "The", "the", "told", "visitor", "that", "she", "he", "would", "return.", "could", "leave.", *JOBS]
ID = {word: i for i, word in enumerate(WORDS)}
TEMPLATES = [
    f"{job}\tvisitor\t{answer}\tThe $OCCUPATION told the $PARTICIPANT that $NOM_PRONOUN {rest}."
    for job in JOBS
    for answer, rest in ((0, "would return"), (1, "could leave"))
]
LIKELIER = 2.0  # nats by which people with an occupation rather would than could, and visitors the other way round


class Says(Transformer):
    """After each word what the table says; of the two pronouns the share of the last person with an occupation that was named."""

    def __init__(self, shares):
        super().__init__(TransformerConfig(n_layers=1, d_model=8, n_heads=1, d_vocab=len(WORDS), n_ctx=32, d_mlp=8))
        table, odds = torch.zeros(len(WORDS), len(WORDS)), torch.zeros(len(WORDS))
        for job, share in shares.items():
            table[ID[job], ID["would"]], odds[ID[job]] = LIKELIER, torch.logit(torch.tensor(share / 100.0))
        table[ID["visitor"], ID["could"]] = LIKELIER
        self.table, self.odds = nn.Parameter(table), nn.Parameter(odds)

    def forward(self, ids, *args, **kwargs):
        jobs = torch.where(ids >= ID[JOBS[0]], torch.arange(ids.shape[1]), -1).cummax(-1).values  # the place of the last one so far
        named = torch.where(jobs < 0, 0.0, self.odds[ids.gather(-1, jobs.clamp(min=0))])
        logits = self.table[ids]
        she = torch.arange(len(WORDS)) == ID["she"]
        return logits + torch.where((ids == ID["that"])[..., None] & she, named[..., None], 0.0)


@pytest.fixture(scope="module")
def schemas(tmp_path_factory):
    rows = ("occupation\tbls_pct_female", *(f"{job}\t{share}" for job, share in SHARES.items()))
    return read_schemas(folder(tmp_path_factory.mktemp("planted"), templates=TEMPLATES, shares=rows))


def says(shares):
    return sonde.load(Says(shares).eval(), word_tokenizer(WORDS, unknown="<unk>"))


def test_what_was_planted_is_found(schemas):
    model = says(SHARES)
    found = coreference(model, schemas)
    assert torch.allclose(found.preference.float(), torch.logit(found.women / 100), atol=1e-5)
    named = [i for i, participant in enumerate(found.participants) if participant == "visitor"]
    assert found.accuracy(named=True).value == 1 and found.accuracy(named=True).n == 24
    # log p(would | nurse) - log p(would | visitor), and the same of "could": the word's logit, and all others' as often
    assert found.partial[named].tolist() == pytest.approx([LIKELIER] * 24, abs=1e-5)
    correlation = found.correlation()
    assert correlation.rho == pytest.approx(1) and correlation.low == pytest.approx(1) and correlation.p < 0.01 and correlation.n == 12
    # the occupation is named, whomever the pronoun means: this model knows no better
    assert found.correlation("participant").rho == pytest.approx(1)
    finds, follows = found.check(model, schemas, draws=3)
    assert follows.holds and finds.measured == 1 and finds.control < 0.7 and finds.n == 12


def test_other_shares_are_not_followed(schemas):
    """The control: the same model with the shares handed to other occupations."""
    model = says(OTHERS)
    found = coreference(model, schemas)
    assert found.accuracy(named=True).value == 1  # whom the pronoun means is another matter
    assert found.check(model, schemas, draws=2)[1].holds is False and found.correlation().p > 0.05
