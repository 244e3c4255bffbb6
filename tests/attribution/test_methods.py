"""Attribution methods against closed forms, axioms and a planted truth."""

import math
from functools import partial

import pytest
import torch
from small_models import llama, planted, words

import sonde
from sonde import attribution
from sonde.attribution import gradient_x_input
from sonde.nn import Transformer, TransformerConfig
from sonde.results import InputError
from sonde.tasks import KL, LogitDifference, LogProbability

# with the padding token for absent ones, unless a test says otherwise
integrated_gradients = partial(attribution.integrated_gradients, baseline="pad")
occlusion = partial(attribution.occlusion, baseline="pad")


METHODS = [gradient_x_input, integrated_gradients, occlusion]
FAST = {"steps": 8, "tolerance": math.inf}
IDS = [[1, 5, 2, 7, 3], [4, 4, 6, 1, 2]]


def linear(seed=0):
    """A model whose logits are a linear map of the last token's embedding: no attention, no MLP, no norm."""
    torch.manual_seed(seed)
    module = Transformer(TransformerConfig(n_layers=1, d_model=6, n_heads=1, d_vocab=9, n_ctx=8, d_mlp=0, norm=None, tied=False)).eval()
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if name.startswith("blocks") or "pos" in name:
                weight.zero_()
    return sonde.Model(module)


def weights(model):
    return model.module.embed.weight.detach(), model.module.unembed.weight.detach()


def test_all_methods_give_the_closed_form_of_a_linear_model():
    model, metric = linear(), LogitDifference([3, 5], [2, 8])
    W_E, W_U = weights(model)
    expected = torch.zeros(2, 5)
    for row in range(2):
        expected[row, -1] = W_E[IDS[row][-1]] @ (W_U[metric.targets[row]] - W_U[metric.foils[row]])
    assert torch.allclose(gradient_x_input(model, IDS, of=metric).values, expected, atol=1e-5)
    for method in (integrated_gradients, occlusion):
        for absent in (0, "zero", "mean", torch.ones(6)):
            vector = {0: W_E[0], "zero": torch.zeros(6), "mean": W_E.mean(0)}.get(absent if isinstance(absent, str | int) else None, torch.ones(6))
            less = expected.clone()
            for row in range(2):
                less[row, -1] -= vector @ (W_U[metric.targets[row]] - W_U[metric.foils[row]])
            assert torch.allclose(method(model, IDS, of=metric, baseline=absent).values, less, atol=1e-5), (method, absent)


@pytest.mark.parametrize("baseline", ["pad", "zero", "mean", " dog"])
def test_integrated_gradients_are_complete(baseline):
    task = sonde.tasks.load("ioi", words(), n=6)
    result = integrated_gradients(words(), task, baseline=baseline)
    explained = result.metric - result.absent_metric
    assert bool((result.residual.abs() <= 0.01 * explained.abs().mean()).all())
    assert torch.allclose(result.metric, task.metric(words().run(task.clean)), atol=1e-4)


def test_completeness_gets_better_with_steps():
    task = sonde.tasks.load("agreement", words(), n=6)
    left = [integrated_gradients(words(), task, steps=steps, tolerance=math.inf).residual.abs().mean() for steps in (1, 8, 64)]
    assert left[0] > left[1] > left[2]


def test_to_and_fro_cancel():
    """Exchanging input and baseline changes the sign, since the way is the same backwards."""
    model = words()
    dog, cat = (model.tokenizer.single(word) for word in (" dog", " cat"))
    metric = LogitDifference(dog, cat)
    there = integrated_gradients(model, [[dog]], of=metric, baseline=cat, tolerance=math.inf)
    back = integrated_gradients(model, [[cat]], of=metric, baseline=dog, tolerance=math.inf)
    assert there.values.abs().max() > 0.1
    assert torch.allclose(there.values, -back.values, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_what_stands_behind_the_position_that_is_read_gets_exactly_nothing(method):
    model = words()
    metric = LogitDifference(model.tokenizer.single(" are"), model.tokenizer.single(" is"), pos=3)
    values = method(model, "The keys on the cabinet near the dog", of=metric).values[0]
    assert bool((values[4:] == 0).all()) and bool((values[1:4] != 0).any())


@pytest.mark.parametrize("seed", range(3))
def test_the_planted_circuit_reads_three_tokens(seed):
    """A B ... A: the earlier A (matched), B (copied) and the last A (asking) matter, and nothing else does."""
    model, _ = planted(seed)
    found = sonde.tasks.counterfactuals("dog lamp river road horse tree lamp", model)
    assert found.target == "river"
    for method in (integrated_gradients, occlusion):
        values = method(model, found.task(), baseline="zero").values[0]
        assert found.tokens == ("<bos>", "dog", "lamp", "river", "road", "horse", "tree", "lamp")
        assert set(values.topk(3).indices.tolist()) == {2, 3, 7}
        assert values[[1, 4, 5, 6]].abs().max() < 0.5 * values[[2, 3, 7]].min()


@pytest.mark.parametrize("method", METHODS)
def test_rows_of_different_length_give_what_they_give_alone(method):
    task = sonde.tasks.load("ioi", words(), n=5)
    assert task.length is None
    options = FAST if method is integrated_gradients else {}
    whole = method(words(), task, **options)
    for i in range(5):
        alone = method(words(), task.select([i]), **options)
        n = len(alone.tokens[0])
        assert torch.allclose(whole.values[i, :n], alone.values[0], atol=2e-3)
        assert bool(whole.values[i, n:].isnan().all()) and whole.tokens[i] == alone.tokens[0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("batch_size", [1, 7, "auto"])
def test_batches_change_nothing(method, batch_size):
    if method is gradient_x_input:
        return
    task, options = sonde.tasks.load("agreement", words(), n=3), FAST if method is integrated_gradients else {}
    assert torch.allclose(
        method(words(), task, batch_size=batch_size, **options).values, method(words(), task, **options).values, atol=1e-3, equal_nan=True
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_plain_callable_is_a_metric(method):
    task, options = sonde.tasks.load("agreement", words(), n=3), FAST if method is integrated_gradients else {}
    plain = method(words(), task, of=lambda run: task.metric(run), **options)
    assert torch.allclose(plain.values, method(words(), task, **options).values, atol=1e-3, equal_nan=True)
    assert plain.unit == "units of the metric"


@pytest.mark.parametrize("method", METHODS)
def test_other_metrics(method):
    model, text = words(), "The keys on the cabinet"
    for metric in (LogProbability(model.tokenizer.single(" are")), KL(torch.randn(1, model.architecture.d_vocab))):
        result = method(model, text, of=metric)
        assert torch.isfinite(result.values).all() and result.unit == "nats"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bos", [True, False])
def test_a_llama_with_another_tokenizer(method, bos):
    model = llama(bos)
    found = sonde.tasks.counterfactuals("When Lily and Tom went to the park, Tom gave a ball to", model)
    result = method(model, found.task())
    assert tuple(result.tokens[0]) == found.tokens and torch.isfinite(result.values).all()
    assert result.special[0][0] is bos and not any(result.special[0][1:])
    if method is not gradient_x_input:
        assert result.absent == "the mean embedding (there is no padding token)"


def test_special_tokens_are_marked_and_the_absent_one_gets_nothing():
    result = integrated_gradients(words(), sonde.tasks.load("agreement", words(), n=1))
    assert result.tokens[0][0] == "<|end|>" and result.special[0][0] and result.absent == "the padding token '<|end|>'"
    assert result.values[0, 0] == 0


def test_results_are_kept_and_drawn(tmp_path):
    task = sonde.tasks.load("agreement", words(), n=2)
    for method in METHODS:
        result = method(words(), task)
        back = type(result).load(result.save(tmp_path / result.method))
        assert torch.equal(back.values.nan_to_num(9), result.values.nan_to_num(9)) and back.tokens == result.tokens
        drawing = result.drawing(example=1)
        assert drawing.kind == "tokens" and drawing.data["tokens"] == result.tokens[1] and drawing.unit == "probability"
        assert result.to_frame().height == sum(map(len, result.tokens))
        assert ("unexplained" in drawing.note) == (method is integrated_gradients)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gradient_x_input(words(), "The keys"), "say what is to be explained"),
        (lambda: integrated_gradients(words(), "The keys", of=LogitDifference(1, 2), steps=0), "steps=0: integrate over at least 1 point"),
        (lambda: integrated_gradients(words(), "The keys", of=LogitDifference(1, 2), baseline=" two words"), "is 4 tokens"),
        (lambda: occlusion(words(), "The keys", of=LogitDifference(1, 2), baseline=10**7), "not in the model's vocabulary of"),
        (lambda: occlusion(sonde.Model(words().module), IDS, of=LogitDifference(1, 2), baseline=" dog"), "loaded without a tokenizer"),
        (lambda: gradient_x_input(words(), sonde.tasks.Task.of([], "none")), "the task 'none' has no examples"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_baseline_of_another_width(unchecked):
    with pytest.raises(InputError, match=r"shape \(3,\), and 'embed' has"):
        integrated_gradients(words(), "The keys", of=LogitDifference(1, 2), baseline=torch.zeros(3))
