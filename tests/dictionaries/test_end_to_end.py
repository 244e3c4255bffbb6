"""End-to-end training: the loss is the model's own, its gradient is right, and it goes on where it was left."""

import pytest
import torch

import sonde
from sonde.dictionaries import EndToEnd, Job, TopK, fit
from sonde.dictionaries.training.learner import learner
from sonde.results import InputError
from sonde.specimens.words import documents

SITE = "blocks.1.resid_post"


@pytest.fixture(scope="module")
def model():
    return sonde.load("specimen:words-small")


@pytest.fixture(scope="module")
def texts():
    return list(documents(n=60, seed=3))


def source(model, texts, **settings):
    return EndToEnd(model, texts, SITE, rows=4000, batch_size=2, **settings)


@pytest.mark.parametrize("settings", [{}, {"loss": "ce"}, {"later": {"blocks.2.resid_post": 0.5}}], ids=["kl", "ce", "later"])
def test_the_gradient_is_the_slope_of_the_models_loss(model, texts, settings):
    from_model = source(model, texts, **settings)
    x = next(from_model.batches(1024))
    one = learner(Job(TopK(k=4, size=64, normalise="none", auxk=None)), from_model.parts, 4000)
    error = from_model.error(one)
    at = x + 0.3 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    loss, slope = error(at, x)
    step = torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    numeric = (error(at + 3e-3 * step, x)[0] - error(at - 3e-3 * step, x)[0]) / 6e-3
    torch.testing.assert_close((slope * step).sum(), numeric, rtol=2e-2, atol=1e-4)
    assert loss > 0


def test_what_is_written_unchanged_costs_nothing(model, texts):
    from_model = source(model, texts)
    x = next(from_model.batches(1024))
    one = learner(Job(TopK(k=4, size=64, normalise="none", auxk=None)), from_model.parts, 4000)
    loss, slope = from_model.error(one)(x, x)
    assert abs(float(loss)) < 1e-5 and float(slope.abs().max()) < 1e-5
    assert from_model.error(one)(torch.zeros_like(x), x)[0] > 0.5  # the control


def test_it_learns_and_goes_on(model, texts, tmp_path):
    job = Job(TopK(k=8, size=96, auxk=None, lr=5e-3))
    settings = {"activations": 4000, "batch": 256, "looks": 20, "every": 1}
    (whole,) = fit([job], source(model, texts), **settings)
    assert whole.log["error"][-1] < 0.7 * whole.log["error"][0]

    class Killed(Exception):
        pass

    class Dying(EndToEnd):
        def batches(self, size):
            for i, batch in enumerate(super().batches(size)):
                if i == 6:
                    raise Killed
                yield batch

    with pytest.raises(Killed):
        fit([job], Dying(model, texts, SITE, rows=4000, batch_size=2), folder=tmp_path, **settings)
    (resumed,) = fit([job], source(model, texts), folder=tmp_path, **settings)
    assert resumed.dictionary.hash == whole.dictionary.hash


def test_what_cannot_be_is_refused(model, texts):
    with pytest.raises(InputError, match="'kl' or 'ce'"):
        source(model, texts, loss="mse")
    with pytest.raises(InputError, match="lower batch_size"):
        next(source(model, texts).batches(16))
    with pytest.raises(InputError, match="one site"):
        EndToEnd(model, texts, ["blocks.0.resid_post", SITE])
