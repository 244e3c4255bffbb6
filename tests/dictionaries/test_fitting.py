"""Trainings: what is planted is found, a killed one goes on with the same numbers, dead latents come back, what diverges is stopped."""

import math

import pytest
import torch

from sonde.dictionaries import (
    L0,
    L1,
    Architecture,
    BatchTopK,
    Diverged,
    Gated,
    Job,
    JumpReLU,
    Matryoshka,
    Monosemantic,
    Part,
    ReLU,
    Resample,
    Tensors,
    TopK,
    Training,
    fit,
)
from sonde.dictionaries.training import Learner
from sonde.results import InputError
from sonde.specimens import features

WIDTH, SIZE, ROWS, STEPS = 16, 24, 256, 300


@pytest.fixture(scope="module")
def world():
    return features.superposed(width=WIDTH, size=SIZE, most=0.15, least=0.05, seed=77_001)


@pytest.fixture(scope="module")
def data(world):
    return torch.cat([world.batch(4096, step).x for step in range(8)])


def source(data, rows=ROWS * STEPS):
    return Tensors(data, rows=rows, buffer=8192)


def best(truth, directions):
    """The mean over true features of the best cosine with a learned direction."""
    directions = directions / directions.norm(dim=1, keepdim=True).clamp(min=1e-9)
    return float((truth @ directions.T).max(1).values.mean())


COMMON = {"size": 32, "lr": 1e-2}
ARCHITECTURES = {
    "topk": TopK(k=2, **COMMON),
    "batch": BatchTopK(k=2, **COMMON),
    "matryoshka": Matryoshka(k=2, prefixes=(0.5, 1.0), **COMMON),
    "relu": ReLU(sparsity=L1(3.0), clip=None, **COMMON),
    "monosemantic": Monosemantic(sparsity=L1(3.0, lengths=False), **COMMON),
    "p": ReLU(sparsity=L1(3.0, p=0.6), clip=None, **COMMON),
    "gated": Gated(sparsity=L1(6.0, lengths=False), **COMMON),
    "jumprelu": JumpReLU(sparsity=L0(3.0, bandwidth=0.5), **COMMON),
}


@pytest.fixture(scope="module")
def trained(data):
    """All of them in one pass."""
    jobs = [Job(architecture, seed=5, name=name) for name, architecture in ARCHITECTURES.items()]
    results = fit(jobs, source(data), activations=ROWS * STEPS, batch=ROWS)
    return dict(zip(ARCHITECTURES, results, strict=True))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_planted_features_are_found(trained, world, name):
    dictionary = trained[name].dictionary
    random = torch.nn.functional.normalize(torch.randn(32, WIDTH, generator=torch.Generator().manual_seed(3)), dim=1)
    held = world.batch(4096, 10_000)
    unexplained = float((held.x - dictionary.reconstruct(held.x)).pow(2).sum() / (held.x - held.x.mean(0)).pow(2).sum())
    active = len(dictionary.codes(held.x).values) / len(held.x)
    assert best(world.directions, random) < 0.7  # the control: nothing is found in random directions
    assert best(world.directions, dictionary.directions) > 0.85
    assert unexplained < 0.4
    assert active < 3  # there are 1.5
    assert trained[name].log["unexplained"][-1] < trained[name].log["unexplained"][0]


def test_shuffled_entries_hide_the_features(world, data):
    generator = torch.Generator().manual_seed(1)
    mixed = torch.stack([column[torch.randperm(len(column), generator=generator)] for column in data[:8192].T], dim=1)
    (result,) = fit([Job(TopK(k=2, size=32, lr=4e-3), seed=5)], source(mixed), activations=ROWS * 100, batch=ROWS)
    assert best(world.directions, result.dictionary.directions) < 0.75


def test_k_over_the_batch_is_used_with_one_threshold(trained, world):
    dictionary = trained["batch"].dictionary
    assert dictionary.activation == "jumprelu" and len(dictionary.threshold.unique()) == 1
    alone = dictionary.codes(world.batch(512, 20_000).x)
    one_by_one = [dictionary.codes(row[None]) for row in world.batch(512, 20_000).x]
    assert len(alone.values) == sum(len(codes.values) for codes in one_by_one)  # a row's codes do not depend on the others'
    assert abs(len(alone.values) / 512 - 2) < 0.5


class Killed(Exception):
    pass


def test_a_killed_training_goes_on_with_the_same_numbers(data, tmp_path):
    jobs = [Job(TopK(k=2, size=32), seed=5), Job(ReLU(sparsity=L1(0.6, p=0.5), size=24), seed=6, name="relu")]
    settings = {"activations": ROWS * 40, "batch": ROWS, "every": 7}
    whole = fit(jobs, source(data), **settings)

    class Dying(Tensors):
        def batches(self, size):
            for i, batch in enumerate(super().batches(size)):
                if i == 24:
                    raise Killed
                yield batch

    with pytest.raises(Killed):
        fit(jobs, Dying(data, rows=ROWS * STEPS, buffer=8192), folder=tmp_path / "run", **settings)
    resumed = fit(jobs, source(data), folder=tmp_path / "run", **settings)
    for one, other in zip(whole, resumed, strict=True):
        assert one.dictionary.hash == other.dictionary.hash and one.log["error"] == other.log["error"]
    again = fit(jobs, source(data), folder=tmp_path / "run", **settings)  # finished: nothing is left to do
    assert again[0].dictionary.hash == whole[0].dictionary.hash
    assert Training.load(tmp_path / "run" / str(jobs[0])).dictionary.hash == whole[0].dictionary.hash
    with pytest.raises(InputError, match="another training"):
        fit(jobs[:1], source(data), folder=tmp_path / "run", **settings)


def test_another_seed_is_another_dictionary(data):
    one, other = fit([Job(TopK(k=2, size=32), seed=s) for s in (5, 6)], source(data), activations=ROWS * 4, batch=ROWS)
    assert one.dictionary.hash != other.dictionary.hash


@pytest.mark.parametrize(
    "architecture", [TopK(k=2, size=32, lr=1e-2), Monosemantic(sparsity=L1(3.0, lengths=False), size=32, lr=1e-2, resample=Resample(every=ROWS * 10))]
)
def test_dead_latents_come_back(data, architecture):
    def dead_at_the_end(architecture):
        learner = Learner(architecture, ROWS * 150, (Part("", WIDTH),), (Part("", WIDTH),), seed=5)
        batches = source(data).batches(ROWS)
        learner.update(first := next(batches), first)
        learner.weights["encoder"][:16] *= 0.01  # half of them never are among the largest
        learner.weights["encoder_bias"][:16] -= 0.0 if architecture.k else 0.5
        for _ in range(149):
            learner.update(x := next(batches), x)
        return len(learner.dead) / 32

    from dataclasses import replace

    revived = dead_at_the_end(replace(architecture, dead_after=ROWS * 5))
    left_alone = dead_at_the_end(replace(architecture, auxk=None, resample=None, dead_after=ROWS * 5))
    assert left_alone > 0.4
    assert revived < left_alone / 2


def test_a_transcoder_learns_a_known_layer():
    layer = features.layer(seed=77_003)
    parts = (Part("in", layer.batch(2).x.shape[1]), Part("out", layer.batch(2).y.shape[1]))
    rows = torch.cat([torch.cat([b.x, b.y], dim=1) for b in (layer.batch(4096, step) for step in range(12))])
    job = Job(ReLU(sparsity=L1(0.05), size=128, lr=4e-3, normalise="none", clip=None, error="mse", length=1.0), ("in",), ("out",), seed=5)
    (result,) = fit([job], Tensors(rows, parts=parts, rows=512 * 400, buffer=8192), activations=512 * 400, batch=512)
    held = layer.batch(4096, 10_000)
    away = (held.y - result.dictionary.reconstruct(held.x)).pow(2).sum() / (held.y - held.y.mean(0)).pow(2).sum()
    assert result.dictionary.transcodes
    assert best(layer.directions / layer.directions.norm(dim=1, keepdim=True), result.dictionary.directions) > 0.85
    assert away < 0.2


def test_what_diverges_is_stopped_before_it_learns_from_it(data):
    learner = Learner(TopK(k=2, size=32), ROWS * 100, (Part("", WIDTH),), (Part("", WIDTH),))
    batches = source(data).batches(ROWS)
    for _ in range(60):
        learner.update(x := next(batches), x)
    before = {name: weight.clone() for name, weight in learner.weights.items()}
    x = next(batches)
    with pytest.raises(Diverged, match="longest activation"):
        learner.update(x.index_fill(0, torch.tensor([3]), math.inf), x)
    loud = Architecture(activation="topk", k=2, size=32, error="mse")
    learner_loud = Learner(loud, ROWS * 100, (Part("", WIDTH),), (Part("", WIDTH),))
    for _ in range(60):
        learner_loud.update(x, x)
    with pytest.raises(Diverged, match="lower the rate"):
        learner_loud.update(1e3 * x, 1e3 * x)
    assert all(torch.equal(before[name], weight) for name, weight in learner.weights.items())


def test_a_source_that_ends_early_and_names_that_meet_are_refused(data):
    job = Job(TopK(k=2, size=32))
    with pytest.raises(InputError, match="a name of its own"):
        fit([job, job], source(data), activations=ROWS, batch=ROWS)
    with pytest.raises(InputError, match="no site 'x'"):
        fit([Job(TopK(k=2, size=32), reads=("x",))], source(data), activations=ROWS, batch=ROWS)
    with pytest.raises(InputError, match="at least one whole batch"):
        fit([job], source(data), activations=ROWS - 1, batch=ROWS)
    with pytest.raises(InputError, match="smaller k"):
        fit([Job(TopK(k=50, size=32))], source(data), activations=ROWS, batch=ROWS)
