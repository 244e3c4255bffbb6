"""Many queries and long training sets give the same scores: ranks, half precision, blocks, pieces, workers, an index."""

import pytest
import torch
from influence.explicit import flat, gradients
from tiny_models import bare
from torch import nn

from sonde.influence import Absolute, CrossEntropy, NextToken, fit
from sonde.influence import subject as passes
from sonde.jobs import Unfinished
from sonde.results import InputError, SondeError

CLOSE = {"rtol": 1e-9, "atol": 1e-12}


@pytest.fixture(scope="module")
def asked():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.LayerNorm(8), nn.Linear(8, 3)).double()
    x, y = torch.randn(40, 6, dtype=torch.float64), torch.randint(3, (40,))
    return fit(network, (x, y), CrossEntropy(), batch_size=4), (x[:6] + 0.1, y[:6])


@pytest.fixture(scope="module")
def language():
    torch.manual_seed(0)
    rows = torch.randint(1, 12, (20, 7)).tolist()
    return fit(bare("native").double(), rows, NextToken(), labels="empirical", batch_size=4), [row[:5] for row in rows[:3]]


def test_whole_ranks_are_whole_gradients_and_the_error_of_others_is_told(language):
    influence, queries = language
    whole = influence.scores(queries)
    torch.testing.assert_close(influence.scores(queries, rank=1000).values, whole.values, **CLOSE)
    own = influence.self_influence().values
    errors = []
    for rank in (1, 4):
        found = influence.scores(queries, rank=rank)
        assert (found.left_out > 0).all() and "at rank" in found.method
        errors.append(float((found.values - whole.values).norm()))
        # Cauchy and Schwarz, with the directions' own norms: |tau - tau_r| <= |G_i| |V - L R|
        V = influence.with_damping(Absolute(1e9)).scores(queries, rank=rank)  # V = G / 1e9: here the norms of V are known
        exact = influence.with_damping(Absolute(1e9)).scores(queries)
        G = fit(influence.subject.model, queries, NextToken(), "identity").self_influence().values / 1e18
        bound = (fit_norms(influence) * (V.left_out * G)[:, None]).sqrt()
        assert ((V.values - exact.values).abs() <= bound * (1 + 1e-6)).all()
    assert errors[1] < errors[0] and own.min() > 0


def fit_norms(influence):
    """The squared norms of the training gradients."""
    return fit(influence.subject.model, influence.subject.examples, NextToken(), "identity").self_influence().values


def test_half_precision_keeps_to_its_bound(asked):
    influence, (x, y) = asked
    network, names = influence.subject.model.module, [block.name for block in influence.coverage.blocks]
    found = influence.scores((x, y), dtype=torch.bfloat16)
    whole = influence.scores((x, y))
    train = influence.subject.examples.tensors
    G = flat(gradients(network, names, nn.functional.cross_entropy(network(train[0]), train[1], reduction="none"))).detach()
    Q = gradients(network, names, nn.functional.cross_entropy(network(x), y, reduction="none"))
    V = []
    for name, matrix in zip(names, Q, strict=True):
        spectrum = influence.curvature.spectra[name]
        divisor = spectrum.divisor(influence.damping)
        V.append(matrix / divisor if spectrum.QA is None else spectrum.QS @ ((spectrum.QS.T @ matrix @ spectrum.QA) / divisor) @ spectrum.QA.T)
    V = flat(V).detach()
    torch.testing.assert_close(V @ G.T, whole.values, rtol=1e-8, atol=1e-11)
    assert ((found.values - whole.values).abs() <= 2**-8 * (V.abs() @ G.abs().T)).all()
    assert not torch.equal(found.values, whole.values)  # the control: something was rounded


def test_blocks_of_queries_give_what_one_pass_gives(asked):
    influence, queries = asked
    for by in (None, "module"):
        one, several = influence.scores(queries, by=by), influence.scores(queries, by=by, queries_at_once=4)
        torch.testing.assert_close(several.values, one.values, **CLOSE)
        torch.testing.assert_close(several.query_values, one.query_values, **CLOSE)
    tops = [influence.top(queries, k=3, queries_at_once=size) for size in (1, 6)]
    assert tops[0].helpful.tolist() == tops[1].helpful.tolist() and tops[0].harmful.tolist() == tops[1].harmful.tolist()


@pytest.mark.parametrize("verb", ["scores", "top", "self_influence", "index"])
def test_finished_pieces_are_not_done_again(asked, tmp_path, monkeypatch, verb):
    influence, queries = asked
    ask = {
        "scores": lambda **how: influence.scores(queries, **how).values,
        "top": lambda **how: influence.top(queries, k=3, **how).helpful_values,
        "self_influence": lambda **how: influence.self_influence(**how).values,
        "index": lambda **how: influence.index(k=4, **how).scores(queries).values,
    }[verb]
    truth, back, train = ask(), passes.Subject.back, influence.subject.examples
    seen = []

    def interrupted(self, examples, indices, *rest):
        if examples is train:
            if len(seen) == 5:
                raise KeyboardInterrupt
            seen.append(tuple(indices))
        return back(self, examples, indices, *rest)

    monkeypatch.setattr(passes.Subject, "back", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ask(folder=tmp_path / "job")
    first, again = list(seen), []

    def noted(self, examples, indices, *rest):
        if examples is train:
            again.append(tuple(indices))
        return back(self, examples, indices, *rest)

    monkeypatch.setattr(passes.Subject, "back", noted)
    torch.testing.assert_close(ask(folder=tmp_path / "job"), truth, **CLOSE)
    assert len(again) == 5 and not set(first) & set(again)  # ten pieces of four
    again.clear()
    torch.testing.assert_close(ask(folder=tmp_path / "job"), truth, **CLOSE)
    assert not again
    with pytest.raises(SondeError, match="pieces of another job"):
        {"scores": lambda: influence.scores((queries[0] + 1, queries[1]), folder=tmp_path / "job"),
         "top": lambda: influence.top(queries, k=4, folder=tmp_path / "job"),
         "self_influence": lambda: influence.with_damping(0.5).self_influence(folder=tmp_path / "job"),
         "index": lambda: influence.index(k=5, folder=tmp_path / "job")}[verb]()  # fmt: skip


def test_workers_share_the_pieces(asked, tmp_path):
    influence, queries = asked
    truth = influence.top(queries, k=3)
    with pytest.raises(SondeError, match="5 of 10 pieces are finished"):
        influence.top(queries, k=3, folder=tmp_path, worker=(0, 2))
    merged = influence.top(queries, k=3, folder=tmp_path, worker=(1, 2))
    assert merged.helpful.tolist() == truth.helpful.tolist() and merged.harmful.tolist() == truth.harmful.tolist()
    for how, words in (
        ({"worker": (0, 2)}, "workers meet in a folder"),
        ({"worker": (2, 2), "folder": tmp_path}, "counted from 0"),
        ({"worker": 3, "folder": tmp_path}, "number from 0"),
        ({"folder": tmp_path, "of": lambda m, b: m(b[0]).sum(1)}, "must be data"),
        ({"queries_at_once": 0}, "1 query or more"),
        ({"rank": 0}, "rank=0"),
        ({"dtype": torch.int8}, "bfloat16"),
    ):
        with pytest.raises(InputError, match=words):
            influence.top(queries, **how)


def test_workers_share_the_fit(asked, tmp_path):
    found, (x, y) = asked
    network, train = found.subject.model.module, found.subject.examples.tensors

    def share(worker):
        return fit(network, train, CrossEntropy(), batch_size=4, folder=tmp_path, worker=worker)

    merged = None
    for turn in ((1, 2), (0, 2), (1, 2)):  # odd pieces of the first pass; the even ones and those of the second pass; odd ones of the second
        try:
            merged = share(turn)
        except Unfinished as waiting:
            assert "5 of 10 pieces are finished" in str(waiting)  # noqa: PT017
    torch.testing.assert_close(merged.scores((x, y)).values, found.scores((x, y)).values, **CLOSE)
    # whatever order the pieces were made in, the sums are the same to the last bit, so that every worker finds the second pass
    again = share((0, 2))
    assert again.curvature.hash == merged.curvature.hash == share(None).curvature.hash
    with pytest.raises(InputError, match="workers meet in a folder"):
        fit(network, train, CrossEntropy(), worker=(0, 2))


def test_an_index_of_all_axes_is_the_whole(asked, language):
    for influence, queries in (asked, language):
        whole = influence.scores(queries, by="module")
        index = influence.index(k=None, dtype=torch.float64)
        assert index.kept == pytest.approx(1)
        torch.testing.assert_close(index.scores(queries).values, whole.values, **CLOSE)
        torch.testing.assert_close(index.scores(queries, by="module").by_module, whole.by_module, **CLOSE)
        torch.testing.assert_close(index.scores(queries).query_values, whole.query_values, **CLOSE)
        assert index.top(queries, 3).helpful.tolist() == influence.top(queries, 3).helpful.tolist()
        # float16: a number is off by 2^-11 of itself, or by 2^-25 of the largest of its example and block
        half = influence.index(k=None).scores(queries).values
        own = (influence.self_influence().values * query_norms(influence, queries)[:, None]).sqrt()
        weights = sum(block.size for block in influence.coverage.blocks)
        assert ((half - whole.values).abs() <= (2**-11 + 2**-25 * weights**0.5) * own).all()


def query_norms(influence, queries):
    """The queries' own g^T H^-1 g, from the index that keeps everything."""
    from dataclasses import replace

    asked = fit(influence.subject.model, queries, influence.subject.loss, "identity")
    given = replace(influence.curvature, fingerprint=asked.subject.examples.fingerprint)
    return fit(influence.subject.model, queries, influence.subject.loss, fitted=given).self_influence().values


def test_fewer_axes_keep_what_they_say(asked):
    influence, queries = asked
    whole, kept, errors = influence.scores(queries).values, [], []
    for k in (1, 3, (9, 8)):
        index = influence.index(k=k, dtype=torch.float64)
        kept.append(index.kept)
        errors.append(float((index.scores(queries).values - whole).norm() / whole.norm()))
    assert kept == sorted(kept) and kept[0] < 0.9 and errors == sorted(errors, reverse=True)
    assert index.agreement(queries).min() > 0.99 > influence.index(k=1).agreement(queries).min()
    # the kept share is what the labels that the curvature was fitted with add, on average: here taken exactly
    for call, words in (
        (lambda: influence.index(k=0), "k=0"),
        (lambda: influence.index(k=(3,)), "k="),
        (lambda: influence.index(dtype=torch.int8), "float16"),
        (lambda: index.scores(queries, by="token"), "keeps no places"),
        (lambda: index.top(queries, k=0), "k=0"),
        (lambda: fit(influence.subject.model, influence.subject.examples, CrossEntropy(), "identity").index(), "there is none"),
    ):
        with pytest.raises(InputError, match=words):
            call()
