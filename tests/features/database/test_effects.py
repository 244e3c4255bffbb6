"""What takes the model: effects of a latent against forwards without it, and latents on a prompt."""

from dataclasses import replace

import pytest
import torch
from feature_database import LATENTS, SITE, corpus, database, dictionary, model, shaped

from sonde import Add
from sonde.dictionaries import Dictionary
from sonde.dictionaries.dictionary import Part
from sonde.features import Features, collect, records
from sonde.results import CheckRefused, InputError


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return database(tmp_path_factory.mktemp("features") / "all")


def strongest(found):
    return int(found.table(sort="firings", descending=True)["latent"][0])


def losses(ids, edits=()):
    logs = model().run([ids], edits=list(edits)).logits[0].log_softmax(-1)
    return [-float(logs[p, ids[p + 1]]) for p in range(len(ids) - 1)]


def test_effects_are_those_of_one_forward_without_the_latent(found):
    latent = strongest(found)
    record, effects = found.record(latent), found.effects(model(), latent)
    assert shaped(effects, records.Effects)
    examples = [*record["strongest"], *(e for i in record["intervals"] for e in i["examples"])]
    assert len(effects["examples"]) == len(examples)
    moved = 0
    for example, effect in list(zip(examples, effects["examples"], strict=True))[::5]:
        ids = found.storage.sequence(example["sequence"]).tolist()
        x = model().run([ids], read=SITE)[SITE]
        values = dictionary().encode(x[0])[:, latent]
        taken = -values[:, None] * dictionary().decoder[latent]
        expected = [b - a for a, b in zip(losses(ids), losses(ids, [Add(SITE, taken)]), strict=True)]
        start, stop = example["start"], example["start"] + len(example["tokens"])
        assert effect["loss"][0 if start else 1 :] == pytest.approx(([None, *expected])[start or 1 : stop], abs=1e-4)
        assert (effect["loss"][0] is None) == (start == 0)
        assert {move["place"] for move in effect["moved"]} == {n for n, value in enumerate(example["values"]) if value}
        difference = (model().run([ids]).logits - model().run([ids], edits=[Add(SITE, taken)]).logits)[0]
        for move in effect["moved"]:
            own = difference[start + move["place"]] - difference[start + move["place"]].mean()
            assert [w["value"] for w in move["up"]] == pytest.approx(own.topk(5).values.tolist(), abs=1e-4)
            assert [w["value"] for w in move["down"]] == pytest.approx(own.topk(5, largest=False).values.tolist(), abs=1e-4)
            moved += 1
    assert moved > 3


def test_effects_are_computed_once(found, monkeypatch):
    latent = strongest(found)
    first = found.effects(model(), latent)
    monkeypatch.setattr(type(model()), "run", None)
    assert found.effects(model(), latent) is first


def test_a_latent_that_writes_nothing_has_no_effect(tmp_path):
    own = dictionary()
    decoder = own.decoder.clone()
    latent = 9
    decoder[latent] = 0
    mute = Dictionary(own.encoder, own.encoder_bias, decoder, own.decoder_bias, "topk", k=own.k)
    features = collect(model(), SITE, mute, corpus()[:40], tmp_path / "mute")
    effects = features.effects(model(), latent)
    assert effects["examples"]
    assert all(rise == pytest.approx(0, abs=1e-5) for effect in effects["examples"] for rise in effect["loss"] if rise is not None)
    assert features.record(latent)["nearest"] == []
    assert features.table(sort="nearest_cosine", descending=True, limit=None)["nearest_cosine"].to_list()[-1] is None


def test_active_on_a_prompt(found):
    prompt = "w3 w9 w3 w22 w7"
    ids = [3, 9, 3, 22, 7]
    codes = dictionary().encode(model().run([ids], read=SITE)[SITE][0])
    answer = found.active(model(), prompt)
    assert shaped(answer, records.Active)
    assert answer["tokens"] == prompt.split()
    fires = codes.amax(0)
    order = fires.argsort(descending=True)[: int((fires > 0).sum())].tolist()
    assert [firing["latent"] for firing in answer["firings"]] == order
    for firing in answer["firings"]:
        assert firing["values"] == pytest.approx(codes[:, firing["latent"]].tolist(), rel=1e-4)
    at = found.active(model(), prompt, by=3)
    assert at["firings"][0]["latent"] == int(codes[3].argmax())
    assert len(found.active(model(), prompt, most=2)["firings"]) == 2


def test_active_by_effect(found):
    ids = [3, 9, 3, 22, 7]
    answer = found.active(model(), "w3 w9 w3 w22 w7", by="effect")
    sizes = [max(map(abs, firing["effects"])) for firing in answer["firings"]]
    assert sizes == sorted(sizes, reverse=True)
    first = answer["firings"][0]
    taken = -torch.tensor(first["values"])[:, None] * dictionary().decoder[first["latent"]]
    expected = [b - a for a, b in zip(losses(ids), losses(ids, [Add(SITE, taken)]), strict=True)]
    assert first["effects"][1:] == pytest.approx(expected, abs=1e-4)


def test_a_crosscoder_is_taken_out_where_it_writes_last(tmp_path):
    sites = ("blocks.0.resid_post", "blocks.1.resid_post")
    parts = tuple(Part(site, 16) for site in sites)
    crosscoder = replace(dictionary(32, seed=3), reads=parts, writes=parts)
    features = collect(model(), sites, crosscoder, corpus()[:30], tmp_path / "both")
    first = features.active(model(), "w3 w9 w3 w22 w7", by="effect")["firings"][0]
    taken = -torch.tensor(first["values"])[:, None] * crosscoder.decoder[first["latent"], 16:]
    ids = [3, 9, 3, 22, 7]
    expected = [b - a for a, b in zip(losses(ids), losses(ids, [Add(sites[1], taken)]), strict=True)]
    assert first["effects"][1:] == pytest.approx(expected, abs=1e-4) and max(map(abs, expected)) > 1e-3


def test_heads_side_by_side_are_taken_out_together(tmp_path):
    site = "blocks.1.attn.z"
    features = collect(model(), site, dictionary(seed=4), corpus()[:30], tmp_path / "heads")
    first = features.active(model(), "w3 w9 w3 w22 w7", by="effect", most=3)["firings"][0]
    taken = -torch.tensor(first["values"])[:, None] * dictionary(seed=4).decoder[first["latent"]]
    edits = [Add(f"{site}[head={head}]", part) for head, part in enumerate(taken.split(4, dim=1))]
    ids = [3, 9, 3, 22, 7]
    expected = [b - a for a, b in zip(losses(ids), losses(ids, edits), strict=True)]
    assert first["effects"][1:] == pytest.approx(expected, abs=1e-4) and max(map(abs, expected)) > 1e-4


@pytest.mark.parametrize("by", ["loss", 9, -6, True])
def test_no_such_order(found, by):
    with pytest.raises(InputError, match="order by 'activation'"):
        found.active(model(), "w3 w9 w3 w22 w7", by=by)


def test_another_model_and_no_basis(found):
    with pytest.raises(CheckRefused, match="was collected from the model"):
        found.effects(model("gpt2"), 0)
    with pytest.raises(InputError, match="opened without its basis"):
        Features.load(found.folder).active(model(), "w3")
    assert found.size == LATENTS
