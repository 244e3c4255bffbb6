"""The section on features: which of an attached basis carried the prediction, judged on other prompts against features like them."""

import re
import shutil
from dataclasses import replace

import pytest
import torch

import sonde
from sonde.bases import Subspace
from sonde.dictionaries import Dictionary, shipped
from sonde.evidence import permuted
from sonde.features import Features
from sonde.features.shipped import DATABASE
from sonde.report.chapters.features import features
from sonde.report.described import described, refuse_others
from sonde.report.featured import featured
from sonde.report.material import gather
from sonde.results import InputError

PROMPT = "The keys on the cabinet"
SITE = "blocks.3.resid_post"


@pytest.fixture(scope="module")
def planted(words):
    """A dictionary with one latent for number, read and written along the difference of plurals and singulars, among random ones."""
    task = sonde.tasks.load("agreement", words, n=64, seed=9)
    plural = torch.tensor([row in words.tokenizer.encode(" are") for row in task.targets.tolist()])
    clean = words.run(task.clean, read=SITE, logits=False)[f"{SITE}[pos=-1]"]
    number = clean[plural].mean(0) - clean[~plural].mean(0)
    middle = (clean[plural].mean(0) + clean[~plural].mean(0)) / 2
    scale = number.square().sum()
    generator = torch.Generator().manual_seed(3)
    others = torch.nn.functional.normalize(torch.randn(14, words.d_model, generator=generator), dim=1)
    encoder = torch.cat([2 * number[None] / scale, -2 * number[None] / scale, others / 10])
    decoder = torch.cat([number[None] / 2, -number[None] / 2, others])
    bias = torch.cat([(-2 * (middle @ number) / scale)[None], (2 * (middle @ number) / scale)[None], torch.zeros(14)])
    return words.attach(SITE, Dictionary(encoder, bias, decoder, torch.zeros(words.d_model)), "planted")


def test_the_planted_feature_is_found_and_carries_the_answer(planted, words):
    chapter = features(gather(planted, PROMPT, None, [], None, None, 0))
    found = chapter.results[f"features.{SITE}.planted"]
    assert found.features[0] in (0, 1)
    verdict = chapter.verdicts[0]
    assert "more than random features of equal density" in verdict.claim and verdict.n >= 8
    assert verdict.holds and verdict.measured > 0.5
    _, told, _ = chapter.section.drawings
    assert [row[0] for row in told.data["rows"]] == found.carrying()[: len(told.data["rows"])]
    assert len(told.data["columns"]) == 2  # nobody described these


def test_a_shipped_dictionary_is_used_where_it_is_the_models(planted, words, monkeypatch, tmp_path):
    (sae,) = planted.bases.values()
    (tmp_path / "words-512-0").mkdir()
    monkeypatch.setattr("sonde.report.featured.WEIGHTS", tmp_path)
    monkeypatch.setattr("sonde.report.featured.shipped", lambda size: replace(sae, metadata={"model_hash": words.hash}))
    assert list(featured(words).bases) == ["blocks.1.resid_post.sae"] and featured(planted) is planted
    assert featured(sonde.load("specimen:words-small")) is None  # the same shape would not do
    monkeypatch.setattr("sonde.report.featured.WEIGHTS", tmp_path / "nowhere")
    assert featured(words) is None


def test_features_of_the_shipped_dictionary_are_told_as_the_database_describes_them(keys):
    (site,) = (key.removeprefix("features.") for key in keys.results if key.startswith("features.") and not key.endswith(".prompt"))
    told = keys.section("features").drawings[1]
    database = Features.load(DATABASE)
    assert site == "blocks.1.resid_post.sae" and told.data["rows"]
    for feature, here, text, scores in told.data["rows"]:
        best = database.descriptions(feature)[0]
        assert text == best["text"] and here.startswith('"')
        for name in ("detection", "fuzzing", "simulation"):
            assert f"{name} {best['scores'][name]:.2f} ({best['controls'][name]:.2f})" in scores
    assert "offline rules" in told.note and "another feature" in told.note


def test_descriptions_are_of_one_dictionary_at_one_site_of_one_model(words):
    site, sae = "blocks.1.resid_post", shipped()
    silent = next(i for i in range(512) if not Features.load(DATABASE).descriptions(i))
    assert list(described(words.attach(site, sae, "mine"), f"{site}.mine", [3, silent])) == [3]
    assert described(words.attach(SITE, sae, "sae"), f"{SITE}.sae", [3]) == {}  # elsewhere it has other features
    assert described(words.attach(site, shipped(512, 1), "sae"), f"{site}.sae", [3]) == {}
    broken = sonde.Model(permuted(words.module, 0), words.tokenizer)
    assert described(broken.attach(site, sae, "sae"), f"{site}.sae", [3]) == {}


def test_a_database_of_ones_own_is_asked_first(words, tmp_path):
    """What a person added to a copy comes first; in another model, at another site or of another dictionary it is refused."""
    site, sae = "blocks.1.resid_post", shipped()
    mine = Features.load(shutil.copytree(DATABASE, tmp_path / "mine"))
    mine.describe({3: [{"text": "said by hand", "author": "human", "scores": {}, "controls": {}, "note": ""}]})
    model = words.attach(site, sae, "sae")
    refuse_others(model, [mine])
    assert described(model, f"{site}.sae", [3], [mine])[3]["text"] == "said by hand" != described(model, f"{site}.sae", [3])[3]["text"]
    broken = sonde.Model(permuted(words.module, 0), words.tokenizer)
    for wrong, said in (
        (broken.attach(site, sae, "sae"), "in another model"),
        (words.attach(SITE, sae, "sae"), f"attached is {sae.hash} at {SITE}"),
        (words.attach(site, shipped(512, 1), "sae"), f"holds features of {sae.hash} at {site}"),
        (words, "attached is nothing"),
    ):
        with pytest.raises(InputError, match=re.escape(said)):
            refuse_others(wrong, [mine])


def test_random_directions_carry_nothing(words):
    model = words.attach(SITE, Subspace.random(words.d_model, 12, seed=5), "random")
    chapter = features(gather(model, PROMPT, None, [], None, None, 0))
    assert not any(verdict.holds for verdict in chapter.verdicts)


def test_without_siblings_nothing_is_claimed(planted):
    nothing = features(gather(planted, "Xyzzy", None, [], None, None, 0))
    assert nothing.verdicts[0].holds is None and "Not possible" in nothing.section.sentences[0].text
