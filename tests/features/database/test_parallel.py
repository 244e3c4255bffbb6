"""A database beside another: the same dictionary in another order is found again, a random one is not."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from feature_database import LATENTS, SITE, corpus, database, dense, dictionary, model

from sonde.features import Features, collect
from sonde.results import InputError


@pytest.fixture(scope="module")
def order():
    return torch.randperm(LATENTS, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def both(tmp_path_factory, order):
    folder, own = tmp_path_factory.mktemp("features"), dictionary()
    moved = replace(own, encoder=own.encoder[order], encoder_bias=own.encoder_bias[order], decoder=own.decoder[order])
    return database(folder / "here"), collect(model(), SITE, moved, corpus(), folder / "there")


def test_the_same_in_another_order_is_found_again(both, order):
    here, there = both
    table = here.put_beside("moved", there)
    place = order.argsort()
    assert table["by_cosine"].to_list() == place.tolist()
    np.testing.assert_allclose(table["cosine"], 1, rtol=1e-5)
    fires = (dense()[0] != 0).sum(0) >= 10
    found = torch.tensor(table["by_correlation"].to_list())
    assert torch.equal(found[fires], place[fires])
    assert (found[~fires] == -1).all()
    latent = int(fires.nonzero()[0])
    (first, *_) = here.record(latent)["parallel"]["moved"]
    assert first["latent"] == int(place[latent])
    assert first["cosine"] == pytest.approx(1)
    assert first["correlation"] == pytest.approx(1, abs=1e-5)
    assert first["label"] == there.labels([first["latent"]])[first["latent"]]


def test_correlations_with_random_directions_are_those_over_the_same_tokens(both, tmp_path):
    here, _ = both
    random = collect(model(), SITE, dictionary(seed=77), corpus(), tmp_path / "random")
    table = here.put_beside("random", random)
    assert table["cosine"].max() < 0.99
    a, (_, x, _) = dense()[0].double(), dense()
    b = dictionary(seed=77).encode(x).double()
    pearson = torch.corrcoef(torch.cat([a, b], 1).T)[:LATENTS, LATENTS:].nan_to_num()
    pearson[~(((a != 0).sum(0) >= 10)[:, None] & ((b != 0).sum(0) >= 10)) | (a.T @ b == 0)] = 0
    for latent in (1, 9):
        best = int(pearson[latent].abs().argmax())
        assert table["by_correlation"][latent] == best
        assert table["correlation"][latent] == pytest.approx(float(pearson[latent, best]), abs=1e-5)


def test_what_can_be_told_is_told(both, tmp_path):
    here, there = both
    fewer = collect(model(), SITE, dictionary(seed=7), corpus()[:30], tmp_path / "fewer")
    assert set(here.put_beside("other tokens", fewer).columns) == {"latent", "by_cosine", "cosine"}
    assert set(Features.load(here.folder).put_beside("no basis", there).columns) == {"latent", "by_correlation", "correlation"}
    with pytest.raises(InputError, match=r"can't be compared: .*opened with their basis; .*over the same tokens"):
        Features.load(here.folder).put_beside("neither", fewer)
    with pytest.raises(InputError, match="can't be the name"):
        here.put_beside("../other", there)
    here.verify()
