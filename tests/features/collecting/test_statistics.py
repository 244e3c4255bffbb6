"""Every statistic of a database against the same over codes that are written out."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from feature_database import LATENTS, SITE, corpus, database, dense, dictionary, model

from sonde.bases import PCA, Neurons
from sonde.dictionaries.dictionary import Part
from sonde.features import collect


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return database(tmp_path_factory.mktemp("features") / "all")


@pytest.fixture(scope="module")
def table(found):
    return found.table(limit=None)


def column(found, name):
    return np.array(found.sql(f"SELECT {name} FROM latents ORDER BY latent")[name].to_list(), dtype=float)


def test_what_was_counted(found):
    codes, _, places = dense()
    about = found.about()
    assert about["tokens"] == len(places)
    assert about["sequences"] == len(corpus())
    assert about["left_out"] == "'w0'"
    assert found.kept == "all"
    assert found.sql("SELECT count(*) AS n FROM codes")["n"][0] == int((codes != 0).sum())


def test_firings_and_means(table):
    codes, _, places = dense()
    torch.testing.assert_close(torch.tensor(table["firings"].to_list()), (codes != 0).sum(0))
    np.testing.assert_allclose(table["density"], (codes != 0).float().mean(0), rtol=1e-6)
    np.testing.assert_allclose(table["mean"], codes.mean(0), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(table["maximum"], codes.amax(0), rtol=1e-5)
    active = [float(codes[:, i][codes[:, i] != 0].mean()) for i in range(LATENTS)]
    np.testing.assert_allclose([math.nan if v is None else v for v in table["mean_active"]], active, rtol=1e-4)
    assert len(places) == len(codes)


def test_every_code_is_where_the_model_has_it(found):
    codes, _, places = dense()
    at = {(s, p): row for row, (s, p, _) in enumerate(places)}
    kept = found.sql("SELECT * FROM codes").rows()
    for latent, sequence, position, value, _ in kept:
        assert value == pytest.approx(float(codes[at[sequence, position], latent]), rel=1e-4)


def test_histograms_hold_every_firing_once(found):
    codes, _, _ = dense()
    counts = column(found, "histogram")
    np.testing.assert_array_equal(counts.sum(1), (codes != 0).sum(0))
    for latent in range(LATENTS):
        values = codes[:, latent][codes[:, latent] != 0].double().numpy()
        high = float(codes[:, latent].max())
        expected = np.histogram(values, bins=50, range=(0, high))[0] if len(values) else np.zeros(50)
        # a value on an edge may fall on either side, because the two were not computed in the same batch
        assert np.abs(np.cumsum(counts[latent]) - np.cumsum(expected)).max() <= 1


def test_profile_by_position(found):
    codes, _, places = dense()
    positions = torch.tensor([p for _, p, _ in places])
    for latent in (0, 7):
        profile = found.record(latent)["positions"]
        for bucket, density in enumerate(profile["density"]):
            inside = (positions >= profile["edges"][bucket]) & (positions < profile["edges"][bucket + 1])
            expected = float((codes[inside, latent] != 0).float().mean()) if inside.any() else None
            assert density == (None if expected is None else pytest.approx(expected))
    assert found.record(0)["positions"]["density"][0] is None  # only the token that is left out stands there


def test_correlated_neurons(found):
    codes, x, _ = dense()
    pearson = torch.corrcoef(torch.cat([codes.T, x.T]).double())[:LATENTS, LATENTS:]
    cosine = torch.nn.functional.normalize(codes.double(), dim=0).T @ torch.nn.functional.normalize(x.double(), dim=0)
    fires = (codes != 0).any(0)
    assert 3 < int(fires.sum()) < LATENTS
    for latent in range(LATENTS):
        shown = found.record(latent)["neurons"]
        if not fires[latent]:
            assert shown == []
            continue
        best = pearson[latent].abs().topk(5).indices.tolist()
        assert [one["neuron"] for one in shown] == best
        np.testing.assert_allclose([one["value"] for one in shown], pearson[latent, best], atol=1e-5)
        np.testing.assert_allclose([one["other"] for one in shown], cosine[latent, best], atol=1e-5)


def test_correlated_latents(found):
    codes, _, _ = dense()
    live = codes.double()
    pearson = torch.corrcoef(live.T).nan_to_num().fill_diagonal_(0)
    often = (live != 0).sum(0) >= 10
    pearson[~(often[:, None] & often) | (live.T @ live == 0)] = 0
    for latent in (0, 3, 9):
        shown = found.record(latent)["correlated"]
        best = pearson[latent].abs().topk(5)
        expected = [int(i) for i, size in zip(best.indices, best.values, strict=True) if size > 0]
        assert [one["latent"] for one in shown] == expected
        np.testing.assert_allclose([one["correlation"] for one in shown], pearson[latent, expected], atol=1e-5)


def test_logits_are_those_of_the_model_with_its_last_norm_held(found):
    """The closed form of a LayerNorm model: W_U (gamma * (d - mean d)) / s, centred over the vocabulary."""
    module = model().module
    d = dictionary().decoder
    scale = float(found.notes[-1].rpartition(" ")[2])
    run = model().run(corpus(), read="final_norm.scale")
    assert scale == pytest.approx(float(run["final_norm.scale"][run.mask].mean()), rel=1e-3)
    with torch.no_grad():
        normed = (d - d.mean(1, keepdim=True)) * module.final_norm.weight / scale
        logits = normed @ next(model().module.get_submodule(model().architecture.unembed).parameters()).T
    logits -= logits.mean(1, keepdim=True)
    for latent in (0, 5):
        shown = found.record(latent)["logits"]
        best = logits[latent].topk(10)
        assert [one["token"] for one in shown["top"]] == [f"w{i}" for i in best.indices.tolist()]
        np.testing.assert_allclose([one["value"] for one in shown["top"]], best.values, rtol=1e-3)
        np.testing.assert_allclose([one["value"] for one in shown["bottom"]], logits[latent].topk(10, largest=False).values, rtol=1e-3)
        assert sum(shown["histogram"]["counts"]) == logits.shape[1]


def test_logits_of_an_rms_norm_and_of_neurons_behind_a_matrix(tmp_path):
    from sonde.features.collecting.logits import logit_weights, written

    llama = model("llama")
    d = torch.randn(6, llama.d_model, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        module = llama.module
        expected = (d * module.model.norm.weight / 2.0) @ module.lm_head.weight.T
    torch.testing.assert_close(logit_weights(llama, d, 2.0), expected - expected.mean(1, keepdim=True), rtol=1e-3, atol=1e-4)
    neurons = torch.eye(24)[:3]
    assert torch.equal(written(llama, "blocks.0.mlp.post", neurons), llama.module.model.layers[0].mlp.down_proj.weight.T[:3])
    assert "does not write" in written(llama, "blocks.0.attn.q", neurons)


def test_small_logits_have_no_more_bins(tmp_path):
    """A histogram whose bins are counted in tenths has none, or 185,000, where logits are small."""
    tiny = replace(dictionary(), decoder=dictionary().decoder * 1e-9)
    features = collect(model(), SITE, tiny, corpus()[:20], tmp_path / "tiny")
    histogram = features.record(0)["logits"]["histogram"]
    assert len(histogram["counts"]) == 40
    assert sum(histogram["counts"]) == 40
    assert np.count_nonzero(histogram["counts"]) > 5


def test_neighbours_and_entries(found):
    unit = torch.nn.functional.normalize(dictionary().decoder, dim=1)
    cosine = (unit @ unit.T).fill_diagonal_(-2)
    for latent in (0, 11):
        record = found.record(latent)
        assert [one["latent"] for one in record["nearest"]] == cosine[latent].topk(8).indices.tolist()
        direction = dictionary().decoder[latent]
        first = record["alignment"][0]
        assert first["neuron"] == int(direction.abs().argmax())
        assert first["value"] == pytest.approx(float(direction[first["neuron"]]))
        assert first["other"] == pytest.approx(float(direction.abs().max() / direction.abs().sum()))


def test_a_permuted_basis_permutes_every_row(tmp_path, found):
    """The control: other directions give other statistics, the same in another order the same in that order."""
    order = torch.randperm(LATENTS, generator=torch.Generator().manual_seed(2))
    own = dictionary()
    moved = replace(own, encoder=own.encoder[order], encoder_bias=own.encoder_bias[order], decoder=own.decoder[order])
    other = collect(model(), SITE, moved, corpus(), tmp_path / "moved")
    for name in ("histogram", "profile", "density", "logits_top_values"):
        np.testing.assert_allclose(column(other, name), column(found, name)[order.numpy()], rtol=1e-4)
    assert not np.allclose(column(other, "density"), column(found, "density"))


def test_signed_and_dense_coordinates(tmp_path):
    """Neurons are active on every token, below 0, too: intervals span both sides."""
    features = collect(model(), SITE, Neurons(16), corpus(), tmp_path / "neurons")
    _, x, _ = dense()
    record = features.record(3)
    assert record["statistics"]["density"] == 1
    assert record["statistics"]["minimum"] == pytest.approx(float(x[:, 3].min()), rel=1e-4)
    assert sum(interval["share"] for interval in record["intervals"]) == pytest.approx(1)
    assert record["neurons"][0]["neuron"] == 3
    assert record["neurons"][0]["value"] == pytest.approx(1)


def test_principal_components(tmp_path):
    _, x, _ = dense()
    basis = PCA.fit(x, 4)
    features = collect(model(), SITE, basis, corpus(), tmp_path / "pca")
    np.testing.assert_allclose(features.table()["mean"], basis.encode(x).mean(0), atol=1e-3)


def in_heads():
    """Latents that lie in one head each: latent i in head i % 4."""
    own = dictionary(16, seed=4)
    mask = torch.eye(4)[torch.arange(own.size) % 4].repeat_interleave(4, dim=1)
    return replace(own, decoder=own.decoder * mask)


def test_a_latent_that_lies_in_one_head_is_attributed_to_it(tmp_path):
    features = collect(model(), "blocks.1.attn.z", in_heads(), corpus()[:30], tmp_path / "heads")
    for latent in range(6):
        assert [one["share"] for one in features.record(latent)["heads"]] == pytest.approx([float(i == latent % 4) for i in range(4)])


def test_what_is_read_from_heads_and_written_elsewhere_lies_in_none(tmp_path):
    """Slices of what a transcoder adds to the residual stream are no heads."""
    transcoder = replace(dictionary(16, seed=4), reads=(Part("blocks.1.attn.z", 16),), writes=(Part("blocks.1.mlp.out", 16),))
    features = collect(model(), "blocks.1.attn.z", transcoder, corpus()[:10], tmp_path / "elsewhere")
    assert features.writes == "blocks.1.mlp.out" and features.record(0)["heads"] == []


def test_heads_side_by_side(tmp_path):
    site = "blocks.1.attn.z"
    width = 16
    features = collect(model(), site, dictionary(width, seed=4), corpus(), tmp_path / "heads")
    slices = dictionary(width, seed=4).decoder.unflatten(1, (4, 4)).norm(dim=-1)
    shares = features.record(2)["heads"]
    np.testing.assert_allclose([one["share"] for one in shares], slices[2] / slices[2].sum(), rtol=1e-5)
    assert features.record(2)["logits"] is not None
