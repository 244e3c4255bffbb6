"""A planted layer is found, and each control says what it is there for: shuffled labels, word types, places, a model that learnt nothing."""

import sys
from pathlib import Path

import pytest
import torch

import sonde
from sonde.probing import MLP, Labelled, ProbeSweep, States, sweep, sweep_states
from sonde.probing.judging import auc, judged, macro_f1
from sonde.results import CheckRefused, InputError, Result, SondeError

LAYERS, PLANTED = 6, 3


def planted(n: int = 900, d: int = 16, seed: int = 61, noise: float = 1.0) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Six layers; the class is written from the fourth on."""
    draw = torch.Generator().manual_seed(seed)
    y = torch.randint(2, (n,), generator=draw)
    direction = torch.nn.functional.normalize(torch.randn(d, generator=draw), dim=0)
    x = noise * torch.randn(LAYERS, n, d, generator=draw)
    x[PLANTED:] += 5 * (y[:, None] - 0.5) * direction
    return {f"layer {i}": layer for i, layer in enumerate(x)}, y


@pytest.fixture(scope="module")
def found() -> ProbeSweep:
    values, y = planted()
    # words say nothing of the class, each stands in several sentences
    types = [f"word {i % 40}" for i in range(len(y))]
    return sweep_states(States.of(values, y.tolist(), name="planted", types=types, groups=torch.arange(len(y)) // 3), seeds=3, seed=5)


def test_the_planted_layer_is_found(found: ProbeSweep) -> None:
    assert (found.accuracy[:PLANTED] < 0.6).all()
    assert (found.accuracy[PLANTED:] > 0.95).all()
    assert found.sites.index(found.best) >= PLANTED
    verdicts = {site: verdict.holds for site, verdict in zip(found.sites, found.check(), strict=False)}
    assert verdicts == {f"layer {i}": i >= PLANTED for i in range(LAYERS)}


def test_intervals_hold_the_share_of_layers_that_say_nothing(found: ProbeSweep) -> None:
    for low, high in found.intervals[:PLANTED]:
        assert low < 0.55 and high > 0.45


def test_shuffled_labels_are_told_by_chance(found: ProbeSweep) -> None:
    n = found.right.shape[1]
    shares = found.controls["shuffled labels"].mean(2)
    # of 18 probes none further from a half than five deviations of a coin
    assert ((shares - 0.5).abs() < 5 * 0.5 / n**0.5).all()


def test_prices_and_other_measures_agree_with_their_definitions(found: ProbeSweep) -> None:
    from sklearn.metrics import f1_score, roc_auc_score

    draw = torch.Generator().manual_seed(3)
    y, said, margin = (
        torch.randint(3, (50,), generator=draw),
        torch.randint(4, (50,), generator=draw),
        torch.randn(50, generator=draw).round(decimals=1),
    )
    assert macro_f1(said, y) == pytest.approx(f1_score(y, said, average="macro", zero_division=0))
    assert auc(margin, y.clamp(max=1)) == pytest.approx(roc_auc_score(y.clamp(max=1), margin))
    assert (found.bits[PLANTED:].mean(1) < 0.3).all() and (found.bits[:PLANTED].mean(1) > 0.9).all()
    assert all(value > 0.99 for value in found.auc[PLANTED:])


def test_is_kept_drawn_and_tabled(found: ProbeSweep, tmp_path: Path) -> None:
    again = Result.load(found.save(tmp_path / "kept"))
    assert isinstance(again, ProbeSweep)
    torch.testing.assert_close(again.right, found.right)
    torch.testing.assert_close(again.probe_at("layer 4").directions, found.probe_at("layer 4").directions)
    frame = found.to_frame()
    assert set(frame["what"]) == {"logistic", "shuffled labels", "control task", "commonest", "word type"}
    assert found.drawing().data["series"][0]["name"] == "planted"
    assert found.drawing().control["name"] in ("shuffled labels", "control task")


def linear_or_memory(n: int = 4000, n_types: int = 150, d: int = 48) -> States:
    """A vector for each word type, the class a linear function of it: what is read, or remembered word by word."""
    draw = torch.Generator().manual_seed(71)
    vectors = torch.randn(n_types, d, generator=draw)
    of = torch.randint(n_types, (n,), generator=draw)
    y = (vectors @ torch.randn(d, generator=draw) > 0).long()[of]
    x = vectors[of] + 0.3 * torch.randn(n, d, generator=draw)
    return States.of(x, y.tolist(), types=[f"type {int(i)}" for i in of])


def test_selectivity_separates_reading_from_remembering() -> None:
    states = linear_or_memory()
    linear = sweep_states(states, seeds=2, controls=["control task"])
    network = sweep_states(states, probe=MLP(hidden=100, lr=0.005, epochs=20), seeds=2, controls=["control task"])
    assert float(linear.accuracy) > 0.95 and float(network.accuracy) > 0.95
    assert float(linear.selectivity) > 0.15
    assert float(network.selectivity) < 0.05
    # every example of a type has its type's class: the word alone tells it
    assert float(linear.controls["word type"].mean()) > 0.99
    readable, selective = linear.check()
    assert readable.holds is False and "the word alone" in readable.claim
    assert selective.holds is True


def test_a_place_that_tells_the_class_is_named() -> None:
    """Every class at its own position of a real model: a probe that reads positions must not pass for one that reads words."""
    model = sonde.load("specimen:words-small")
    texts = ["The key opens the box"] * 30
    spans = [[(4, 7)] if i % 2 else [(18, 21)] for i in range(30)]
    data = Labelled.of(texts, [str(i % 2) for i in range(30)], spans=spans, groups=list(range(30)))
    found = sweep(model, data, seeds=2, controls=["untrained model"], share=0.4)
    assert float(found.controls["position"].mean()) == 1
    assert all(verdict.holds is not True for verdict in found.check(model))


def test_numbers_are_told_by_their_share_of_variance() -> None:
    draw = torch.Generator().manual_seed(81)
    x = torch.randn(500, 8, generator=draw)
    y = x[:, 0] + torch.randn(500, generator=draw)  # half of the variance can be told
    found = sweep_states(States.of({"tells": x, "does not": torch.randn(500, 8, generator=draw)}, y), probe="ridge", seeds=2)
    assert float(found.accuracy[0]) == pytest.approx(0.5, abs=0.15)
    assert float(found.accuracy[1]) < 0.05
    assert [verdict.holds for verdict in found.check()][:2] == [True, False]
    with pytest.raises(InputError, match="take probe='ridge'"):
        sweep_states(States.of(x, y))


def test_the_trained_model_reads_beyond_untrained_ones_and_a_sweep_knows_its_model() -> None:
    model = sonde.load("specimen:words-small")
    words = ["key", "dog", "cup", "box"]
    texts = [f"The {word}{'s' if i % 2 else ''} on the table" for i in range(20) for word in words]
    spans = [[(text.index(" on") + 1, text.index(" on") + 3)] for text in texts]
    data = Labelled.of(texts, ["many" if "s on" in text else "one" for text in texts], spans=spans)
    found = sweep(model, data, sites=["embed", "blocks.1.resid_post"], seeds=2, controls=["untrained model", "permuted weights"])
    assert found.controls["untrained model"].shape == (2, 2, found.right.shape[1])
    with pytest.raises(CheckRefused):
        found.check(sonde.load("specimen:induction"))


def test_bases_are_attached_to_models_that_learnt_nothing() -> None:
    from sonde.bases import Subspace

    model = sonde.load("specimen:words-small").attach("blocks.0.resid_post", Subspace.random(72, 5), name="plane")
    data = Labelled.of(["key", "keys", "dog", "dogs"] * 6, ["one", "many"] * 12, groups=list(range(24)))
    found = sweep(model, data, sites="blocks.0.resid_post.plane", seeds=2, controls=["untrained model"])
    assert found.width == [5]


def test_bad_input_is_refused() -> None:
    values, y = planted(n=30)
    states = States.of(values, y.tolist())
    with pytest.raises(InputError, match="there is no control 'untrained'"):
        sweep_states(states, controls=["untrained"])
    with pytest.raises(InputError, match="runs the model"):
        sweep_states(states, controls=["untrained model"])
    with pytest.raises(InputError, match="there is no probe 'svm'"):
        sweep_states(states, probe="svm")
    with pytest.raises(InputError, match="seeds=0"):
        sweep_states(states, seeds=0)
    with pytest.raises(InputError, match="'layer 9' was not probed"):
        sweep_states(states, seeds=1, controls=[]).probe_at("layer 9")


def test_a_sweep_that_was_interrupted_goes_on(tmp_path, monkeypatch):
    """Probes that are finished are not trained again; the result is that of a sweep without a break, and of no other job."""
    module = sys.modules["sonde.probing.sweep"]
    model = sonde.load("specimen:words-small")
    texts = [f"{article} {noun}" for article in ("The", "A", "My") for noun in ("key", "keys", "cat", "cats", "dog", "dogs", "cup", "cups")]
    data = Labelled.of(texts, ["one", "many"] * 12, name="number", types=[text.split()[1] for text in texts])
    asked = {"sites": ["embed", "blocks.1.resid_post"], "probe": MLP(hidden=4), "seeds": 1, "controls": ["shuffled labels", "untrained model"]}
    expected = sweep(model, data, **asked)
    trained = []

    def counted(stop):
        def train(*arguments):
            if len(trained) == stop:
                raise KeyboardInterrupt
            trained.append(arguments[1].shape)
            return judged(*arguments)

        return train

    monkeypatch.setattr(module, "judged", counted(3))
    with pytest.raises(KeyboardInterrupt):
        sweep(model, data, **asked, folder=tmp_path / "kept")
    monkeypatch.setattr(module, "judged", counted(99))
    found = sweep(model, data, **asked, folder=tmp_path / "kept")
    assert len(trained) == 7  # two sites and two of each control; the first of a draw that was not finished twice
    assert torch.equal(found.right, expected.right) and found.to_frame().equals(expected.to_frame())
    again = Result.load(found.save(tmp_path / "result"))
    assert all(torch.equal(one.probes[1].hidden, expected.probes[1].hidden) for one in (found, again))
    assert sweep(model, data, **asked, folder=tmp_path / "kept").dev == expected.dev and len(trained) == 7
    with pytest.raises(SondeError, match="pieces of another job"):
        sweep(model, data, **(asked | {"seeds": 2}), folder=tmp_path / "kept")
