"""Expected layers of planted properties, and what a centre of gravity says instead; where nothing is gained nothing is claimed."""

from pathlib import Path

import pytest
import torch

import sonde
from sonde.probing import Labelled, Pipeline, States, pipeline, pipeline_of
from sonde.probing.mixing import fit_mix
from sonde.results import InputError, Result

LAYERS = 6


def planted(at: int, n: int = 1200, d: int = 12, seed: int = 101, name: str = "planted") -> States:
    """A class that is written at one layer and carried on; before it there is nothing."""
    draw = torch.Generator().manual_seed(seed)
    y = torch.randint(2, (n,), generator=draw)
    direction = torch.nn.functional.normalize(torch.randn(d, generator=draw), dim=0)
    x = torch.randn(LAYERS, n, d, generator=draw) * torch.arange(1, LAYERS + 1)[:, None, None]  # deeper layers are larger
    x[at:] += (5 * torch.arange(1, LAYERS + 1)[at:, None, None]) * (y[:, None] - 0.5) * direction
    return States.of({f"layer {i}": layer for i, layer in enumerate(x)}, y.tolist(), name=name)


@pytest.fixture(scope="module")
def found() -> Pipeline:
    return pipeline_of([planted(3), planted(1, seed=102, name="early"), planted(0, seed=103, name="from the start")])


def test_the_expected_layer_is_where_the_property_is_written(found: Pipeline) -> None:
    late, early, first = found.expected_layer.tolist()
    assert late == pytest.approx(3, abs=0.2)
    assert early == pytest.approx(1, abs=0.2)
    assert first != first  # nothing is gained above layer 0: undefined
    low, high = found.intervals[0]
    assert low <= late <= high and high - low < 0.6
    assert found.intervals[2] is None


def test_the_centre_of_gravity_looks_at_all_layers_that_carry_it(found: Pipeline) -> None:
    assert float(found.shares[0, :3].sum()) < 0.15
    assert float(found.centre_of_gravity[0]) > float(found.expected_layer[0]) + 0.3


def test_claims_only_what_is_gained(found: Pipeline) -> None:
    assert [verdict.holds for verdict in found.check()] == [True, True, False]


def test_nothing_arises_in_noise() -> None:
    states = planted(3)
    noise = States.of(dict(states.values), torch.randint(2, (1200,), generator=torch.Generator().manual_seed(7)).tolist(), name="noise")
    null = pipeline_of(noise)
    assert null.check()[0].holds is False


def test_shares_do_not_follow_the_size_of_layers() -> None:
    states = planted(3)
    scaled = {site: x * 100 if site == "layer 4" else x for site, x in states.values.items()}
    plain, other = (fit_mix(list(values.values()), states.y, 2) for values in (states.values, scaled))
    torch.testing.assert_close(plain.shares, other.shares, atol=0.02, rtol=0)


def test_the_search_ends_where_the_slope_vanishes() -> None:
    states = planted(2, n=300)
    mix = fit_mix(list(states.values.values()), states.y, 2, iterations=300)
    assert mix.probe.converged and mix.probe.gradient < 1e-3
    assert float(mix.shares.sum()) == pytest.approx(1)


def test_is_kept_drawn_and_tabled(found: Pipeline, tmp_path: Path) -> None:
    again = Result.load(found.save(tmp_path / "kept"))
    assert isinstance(again, Pipeline)
    torch.testing.assert_close(again.expected_layer, found.expected_layer, equal_nan=True)
    assert found.to_frame().height == 3 * LAYERS
    assert "from the start" in found.drawing().to_json()["data"]["parts"][0]["drawing"]["note"]
    assert pipeline_of(planted(0)).drawing().kind == "lines"


def test_runs_on_a_model() -> None:
    model = sonde.load("specimen:words-small")
    texts = [f"The {word} is here" for word in ("key", "keys", "dog", "dogs") for _ in range(6)]
    data = Labelled.of(texts, ["many" if "s is" in text else "one" for text in texts], spans=[[(4, text.index(" is"))] for text in texts],
                       groups=list(range(24)), name="number")  # fmt: skip
    found = pipeline(model, [data], progress=False)
    assert found.names == ["number"] and found.sites[0] == "embed"
    assert len(found.check(model)) == 1


def test_bad_input_is_refused() -> None:
    states = planted(3, n=40)
    with pytest.raises(InputError, match="no property"):
        pipeline_of([])
    with pytest.raises(InputError, match="alone is no pipeline"):
        pipeline_of(States.of(states["layer 0"], states.y.tolist()))
    with pytest.raises(InputError, match="other sites"):
        pipeline_of([states, States.of(states["layer 0"], states.y.tolist())])
    with pytest.raises(InputError, match="are numbers"):
        pipeline_of(States.of({"a": torch.randn(9, 2), "b": torch.randn(9, 2)}, torch.randn(9)))
    with pytest.raises(InputError, match="widths"):
        pipeline_of(States.of({"a": torch.randn(40, 2), "b": torch.randn(40, 3)}, states.y.tolist()))
