"""Value vectors: planted ones are recovered, shuffled and untrained ones are not; sub-updates sum to what an MLP adds, and move logits as read."""

import csv
import json

import pytest
import torch
from small_models import words
from tiny_families import build

import sonde
from sonde.lens import sub_updates, value_sheet, value_vectors
from sonde.lens.values import adjusted
from sonde.lens.vectors import directions, value_matrices, vocabulary
from sonde.nn import Transformer, TransformerConfig
from sonde.results import CheckRefused, InputError, SiteUnavailable

VOCAB, WIDTH, NEURONS = 200, 64, 64  # wide enough that five tokens of two hundred are told from the best of the others


def network(planted=0, **options):
    """An untrained network; in each block so many neurons write the mean of five tokens' rows. Some rows of the unembedding are much longer."""
    torch.manual_seed(0)
    settings = {"n_layers": 2, "d_model": WIDTH, "n_heads": 4, "d_vocab": VOCAB, "n_ctx": 8, "d_mlp": NEURONS, "tied": False, "bias": True}
    module = Transformer(TransformerConfig(**settings | options)).eval()
    generator, truth = torch.Generator().manual_seed(1), {}
    with torch.no_grad():
        module.unembed.weight.normal_(generator=generator)
        module.unembed.weight[:8] *= 10
        module.unembed.weight += 3 * torch.randn(WIDTH, generator=generator)
        for weight in (module.blocks[0].mlp.down.weight, module.blocks[1].mlp.down.weight):
            weight.normal_(generator=generator)
        rows = torch.nn.functional.normalize(module.unembed.weight - module.unembed.weight.mean(0), dim=1)
        for layer in range(2):
            for neuron in range(planted):
                tokens = torch.randperm(VOCAB, generator=generator)[:5]
                module.blocks[layer].mlp.down.weight[:, neuron] = rows[tokens].mean(0)
                truth[layer, neuron] = set(tokens.tolist())
    return sonde.Model(module), truth


def test_planted_vectors_are_recovered():
    model, truth = network(planted=6)
    found = value_vectors(model, k=5)
    recovered = [len(tokens & set(found.promotes[layer, neuron].tolist())) for (layer, neuron), tokens in truth.items()]
    assert sum(recovered) / len(recovered) >= 4 and min(recovered) >= 3
    assert {place for place in truth if place[1] in found.stand_out[place[0]]} == set(truth)
    others = [neuron for neuron in found.stand_out[0] + found.stand_out[1] if neuron >= 6]
    assert len(others) <= 3
    assert all(verdict.holds for verdict in found.check(model))


def test_untrained_and_shuffled_neurons_promote_nothing():
    model, _ = network()
    found = value_vectors(model, k=5, seed=1)
    assert sum(map(len, found.stand_out.values())) <= 2, "of 128"
    assert not any(verdict.holds for verdict in found.check(model))


def test_on_the_specimen_trained_neurons_stand_out():
    found = value_vectors(words(), layers=[3], k=8)
    verdict = found.check(words())[0]
    assert verdict.holds and verdict.measured > 0.1 and verdict.control < 0.02
    assert found.tokens(3, found.stand_out[3][0]) and found.tokens(3, 0) != found.tokens(3, 0, sign=-1)


def test_long_rows_do_not_head_every_list():
    """Without centring and unit rows the eight long rows would be among the best tokens of nearly every vector."""
    model, _ = network()
    found = value_vectors(model, k=5)
    share = torch.isin(found.promotes, torch.arange(8)).float().mean()
    assert share < 0.1
    values, _ = value_matrices(model, [0])
    plain = (values[0] @ model.module.unembed.weight.detach().T).topk(5).indices
    assert torch.isin(plain, torch.arange(8)).float().mean() > 0.3, "control"


def test_corrected_chances_are_those_of_the_definition():
    null = torch.arange(100).view(50, 2) / 100
    p = adjusted(torch.tensor([2.0, 0.5]), null)
    assert p.tolist() == pytest.approx([2 * 1 / 101, 51 / 101], abs=1e-6)


@pytest.mark.parametrize("name", ["gpt2", "llama", "gpt_neox", "gptj", "opt", "bloom", "falcon", "phi3", "gemma"])
def test_vectors_sum_to_what_the_mlp_adds(name):
    """Refused where not; and a vector's direction is what the final norm and unembedding make of it."""
    model = sonde.Model(build(name))
    values, biases = value_matrices(model, [0, 1])
    run = model.run([[3, 7, 5]], read=["blocks.1.mlp.post", "blocks.1.mlp.out"])
    assert torch.allclose(run["blocks.1.mlp.post"] @ values[1] + biases[1], run["blocks.1.mlp.out"], atol=1e-4)
    seen = directions(model, values[1])
    assert torch.allclose(seen, directions(model, 3 * values[1]), atol=1e-2) and torch.allclose(seen, -directions(model, -values[1]), atol=1e-3)
    assert vocabulary(model).shape == (seen.shape[1], model.architecture.d_vocab)


def test_sub_updates_are_contributions_of_the_mlps():
    model = words()
    found = sub_updates(model, "The keys on the cabinet", " are", " is")
    of = sonde.tasks.LogitDifference(model.tokenizer.single(" are"), foils=model.tokenizer.single(" is"))
    whole = sonde.lens.direct_contributions(model, "The keys on the cabinet", of)
    expected = whole.of([f"MLP {i}" for i in range(4)])[:, 0]
    assert torch.allclose(found.contribution.sum(1) + found.silent, expected, atol=1e-3)
    assert found.metric == pytest.approx(float(whole.metric[0]), abs=1e-4)
    assert expected.abs().max() > 0.1, "control: there is something to take apart"


def test_doubled_sub_updates_are_run_as_they_were_read():
    """Straight to the output, doubling neuron i adds m_i v_i to the last stream, final norm included; without the norm it is the contribution."""
    model = words()
    found = sub_updates(model, "The keys on the cabinet", " are", " is", by="contribution")
    straight, in_all = found.check(model)
    assert straight.n == in_all.n == 24 and straight.interval[0] > 0
    values, _ = value_matrices(model, [0, 1, 2, 3])
    flat = found.contribution.flatten()
    chosen = flat.abs().argsort(descending=True)[:24]
    stream = model.run("The keys on the cabinet", read="blocks.3.resid_post")["blocks.3.resid_post"][0, -1]
    answers = [model.tokenizer.single(word) for word in (" are", " is")]
    moved = stream + found.coefficient.flatten()[chosen, None] * values.flatten(0, 1)[chosen]
    difference = model.unembed(torch.cat([stream[None], moved]))[:, answers].detach() @ torch.tensor([1.0, -1.0])
    agree = ((difference[1:] - difference[0]).sign() == flat[chosen].sign()).float().mean()
    assert straight.measured == pytest.approx(float(agree))


def test_without_a_norm_every_sub_update_moves_the_logits_as_read():
    model, _ = network(norm=None)
    straight, in_all = sub_updates(model, [5, 6, 7], by="contribution").check(model)
    assert straight.measured == 1 and straight.holds and in_all.measured <= 1


def test_a_doubled_planted_neuron_raises_its_own_tokens():
    model, truth = network(planted=3, norm=None)
    tokens = truth[1, 0]
    post = model.run([[5, 6, 7]], read="blocks.1.mlp.post")["blocks.1.mlp.post"][0, -1, 0]
    edit = sonde.Add("blocks.1.mlp.post[pos=-1, d_mlp=0]", torch.tensor(5.0))
    change = model.run([[5, 6, 7]], edits=[edit]).logits[0, -1] - model.run([[5, 6, 7]]).logits[0, -1]
    unit = change / (model.module.unembed.weight - model.module.unembed.weight.mean(0)).norm(dim=1)
    assert len(tokens & set(unit.topk(5).indices.tolist())) >= 4 and post.isfinite()


def test_negative_coefficients_write_what_a_vector_opposes():
    model = words()
    found = sub_updates(model, "The keys on the cabinet", k=20)
    values = value_vectors(model, k=10)
    rows = [row for row in found.to_frame().to_dicts() if abs(row["coefficient"]) > 0]
    negative = [row for row in rows if row["coefficient"] < 0]
    assert negative
    for row in rows[:20] + negative[:5]:
        assert row["writes"] == values.tokens(row["layer"], row["neuron"], 1 if row["coefficient"] > 0 else -1)


def test_a_sheet_is_blind_and_read_back_as_those_of_features(tmp_path):
    from sonde.features import read_sheet

    values = value_vectors(network(planted=6)[0], k=5)
    page = value_sheet(values, tmp_path / "sheet", n=4)
    shown = page.read_text(encoding="utf-8") + (tmp_path / "sheet" / "sheet.csv").read_text(encoding="utf-8")
    assert "shuffled" not in shown and shown.count("<li>") == 8
    key = json.loads((tmp_path / "sheet" / "key.json").read_text(encoding="utf-8"))
    groups = {item["item"]: item["group"] for item in key["items"]}
    with (tmp_path / "sheet" / "sheet.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["rating"] = "5" if groups[int(row["item"])] == "value vectors" else "1"
    with (tmp_path / "sheet" / "sheet.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    ratings = read_sheet(tmp_path / "sheet")
    assert ratings.groups == {"value vectors": [5] * 4, "entries shuffled": [1] * 4}
    with pytest.raises(InputError, match="holds a sheet already"):
        value_sheet(values, tmp_path / "sheet", n=4)
    with pytest.raises(InputError, match="n=0"):
        value_sheet(values, tmp_path / "other", n=0)


def test_forms(tmp_path):
    model, _ = network(planted=2)
    for found in (value_vectors(model, k=3), sub_updates(model, [5, 6, 7])):
        assert found.drawing().to_json() and found.to_frame().height
        back = type(found).load(found.save(tmp_path / type(found).__name__))
        assert back.to_frame().equals(found.to_frame())


def test_refusals():
    from tiny_encoders import build as encoder

    model, _ = network()
    refused = {
        "norms what an MLP adds": sonde.Model(build("gemma2")),
        "norms its stream": sonde.Model(encoder("bert")),
        "mlp": sonde.Model(Transformer(TransformerConfig(n_layers=1, d_model=8, n_heads=2, d_vocab=9, n_ctx=4, d_mlp=0))),
    }
    for match, other in refused.items():
        with pytest.raises(SiteUnavailable, match=match):
            value_vectors(other)
    with pytest.raises(InputError, match="the blocks 0 to 1"):
        value_vectors(model, layers=[2])
    with pytest.raises(InputError, match="shuffle at least twice"):
        value_vectors(model, draws=1)
    with pytest.raises(InputError, match="compared with itself"):
        sub_updates(model, [5, 6], 3, 3)
    with pytest.raises(InputError, match="pos=2"):
        sub_updates(model, [5, 6], pos=2)
    with pytest.raises(InputError, match="'size' or 'contribution'"):
        sub_updates(model, [5, 6], by="norm")
    with pytest.raises(CheckRefused):
        sub_updates(model, [5, 6]).check(words())
    with pytest.raises(InputError, match="neuron 64 of block 0"):
        value_vectors(model).tokens(0, 64)
