"""Causal tracing: every cell is one plain forward with the same noise, and a fact is found where it was written into the network."""

import pytest
import torch
from fact_model import LENGTH, LOOKUP, MOVE, NAMES, PLACES, SUBJECT, fact_model, prompt
from small_models import llama, words
from tiny_models import bare
from token_pairs import random_pairs

import sonde
from sonde.evidence import permuted
from sonde.patching import Trace, causal_tracing
from sonde.results import CheckRefused, InputError

END = LENGTH - 1
FEW = NAMES[:3]
NEXT_TO = 0.02  # of a probability: the noise reaches what is written, too


@pytest.fixture(scope="module")
def facts():
    return fact_model()


@pytest.fixture(scope="module")
def whole(facts):
    return traced(facts)


def traced(model, names=FEW, **options):
    return causal_tracing(model, [prompt(name) for name in names], list(names), samples=4, std=3.0, **options)


def test_the_fact_is_where_it_was_written(whole):
    """Only the subject is corrupted: its state, restored before anything reads it, is the clean run; behind the head that moves the fact, nothing."""
    found = whole
    assert found.answers == list(PLACES[:3])
    assert bool((found.total > 0.3).all())
    high, low = found.clean[:, None].expand(-1, 4), found.corrupt.mean(1)[:, None].expand(-1, 4)
    by_place = found.values.transpose(1, 2).to(torch.float64)
    assert torch.allclose(by_place[:, SUBJECT, :MOVE], high[:, :MOVE], atol=1e-6)
    assert torch.allclose(by_place[:, SUBJECT, MOVE:], low[:, MOVE:], atol=1e-6)
    assert torch.allclose(by_place[:, END, :MOVE], low[:, :MOVE], atol=1e-6)
    assert torch.allclose(by_place[:, END, MOVE:], high[:, MOVE:], atol=1e-6)
    others = [pos for pos in range(LENGTH) if pos not in (SUBJECT, END)]
    assert torch.allclose(by_place[:, others], low[:, None].expand(-1, len(others), -1), atol=1e-6)


@pytest.mark.parametrize(("restored", "at", "block"), [("mlp", SUBJECT, LOOKUP), ("attn", END, MOVE)])
def test_the_part_that_holds_it(facts, whole, restored, at, block):
    effects = traced(facts, restored=restored, window=1).indirect
    assert torch.allclose(effects[:, block, at], whole.total, atol=NEXT_TO)
    effects[:, block, at] = 0
    assert effects.abs().max() < NEXT_TO


def test_windows_reach_over_their_blocks(facts):
    effects = traced(facts, FEW, restored="mlp", window=2).indirect
    assert bool((effects[:, [LOOKUP, LOOKUP + 1], SUBJECT] > 0.3).all()) and effects[:, [0, 3]].abs().max() < NEXT_TO
    assert traced(facts, FEW, restored="mlp").window == 1  # a fifth of four blocks


def test_severing_what_looks_the_fact_up(facts, whole):
    """Restored before the lookup, the state is of no use to an MLP that cannot answer; attention is not on the way."""
    mlp, attn = (traced(facts, severed=part) for part in ("mlp", "attn"))
    assert mlp.indirect[:, :LOOKUP, SUBJECT].abs().max() < NEXT_TO
    assert torch.allclose(mlp.values[:, LOOKUP:], whole.values[:, LOOKUP:], atol=1e-6)
    assert torch.allclose(attn.values[:, :, :END], whole.values[:, :, :END], atol=1e-6)


@pytest.mark.parametrize("family", ["native-gated", "gpt2"])
def test_every_cell_is_one_plain_forward_with_the_same_noise(family):
    model, task = sonde.Model(bare(family).double()), random_pairs(2)
    task = type(task)(**{**vars(task), "spans": {"subject": ((1, 2), (2,))}})
    for options in ({"severed": "mlp"}, {"restored": "mlp", "window": 2, "severed": "attn"}, {"restored": "attn", "window": 1}):
        found = causal_tracing(model, task, samples=2, std=0.7, seed=5, metric="logit_difference", **options)
        site = {"state": "resid_post", "mlp": "mlp.out", "attn": "attn.out"}[found.restored]
        for i, positions in enumerate(((1, 2), (2,))):
            ids, metric = task.clean[i], task.select([i]).metric
            clean = model.run([ids], read=["blocks.*.resid_post", "blocks.*.mlp.out", "blocks.*.attn.out"])
            noise = sonde.PerRow([sonde.Noise(f"embed[pos=[{','.join(map(str, positions))}]]", 0.7, seed=10 + draw) for draw in range(2)])
            held = model.run([ids] * 2, read=["blocks.*.mlp.out", "blocks.*.attn.out"], edits=noise)
            for layer, pos in ((0, 1), (0, 2), (1, 2), (1, 6)):
                blocks = [layer] if found.window == 1 else [j for j in (layer - 1, layer) if j >= 0]
                edits = [noise, *(sonde.Patch(f"blocks.{j}.{site}[pos={pos}]", clean) for j in blocks)]
                first = layer + 1 if found.restored == "state" else blocks[0]
                if found.severed:
                    edits += [sonde.Patch(f"blocks.{j}.{found.severed}.out[pos={pos}]", held) for j in range(first, 2)]
                plain = model.run([ids] * 2, edits=edits)
                assert found.values[i, layer, pos].item() == pytest.approx(metric(plain).mean().item(), abs=1e-5)


def test_the_noise_is_three_times_as_wide_as_the_subjects_embeddings(facts):
    ids = [facts.tokenizer.encode(prompt(name))[SUBJECT] for name in FEW]
    found = causal_tracing(facts, [prompt(name) for name in FEW], list(FEW), samples=2)
    assert found.std == pytest.approx(3 * float(facts.module.embed.weight[ids].detach().std()), rel=1e-6)


def test_prompts_do_not_know_one_another_and_a_seed_is_a_draw():
    model = words()
    texts, subjects = ["The capital of France is", "The capital city of Italy is"], ["France", "Italy"]
    both = causal_tracing(model, texts, subjects, samples=3, std=1.0)
    alone = causal_tracing(model, texts[1], "Italy", samples=3, std=1.0)
    n = len(alone.tokens[0])
    assert torch.allclose(both.values[1, :, :n], alone.values[0], atol=1e-6) and both.values[1, :, n:].isnan().all()
    again, other = (causal_tracing(model, texts[1], "Italy", samples=3, std=1.0, seed=seed) for seed in (0, 1))
    assert torch.equal(alone.values, again.values) and not torch.allclose(other.corrupt, again.corrupt)
    assert len(set(alone.corrupt[0].tolist())) == 3


def test_roles():
    model = words()
    found = causal_tracing(model, ["The dog near the tree is"], "dog near the", samples=1, std=1.0)
    roles = [found.role_of(0, pos) for pos in range(len(found.tokens[0]))]
    start = found.subjects[0][0]
    assert roles[:start] == [None] * start
    assert roles[start:] == ["first subject token", "middle subject tokens", "last subject token", "first token after", "last token"]
    single = causal_tracing(model, "The capital of France", "France", samples=1, std=1.0)
    assert single.role_of(0, single.subjects[0][0]) == "last subject token" and list(single.by_role()) == ["last subject token"]


def test_averages_leave_out_prompts_without_the_role():
    found = causal_tracing(words(), ["The capital of France is", "The capital of France"], "France", samples=2, std=1.0)
    after = found.by_role()["last token"]
    assert after[1].isnan().all() and torch.allclose(after[0], found.indirect[0, :, 5])
    assert found.drawing().kind == "matrix" and found.courses().kind == "lines" and found.drawing(0).axes["row"]["labels"][4].endswith("*")


def test_the_claim_holds_on_other_facts_and_not_on_permuted_weights(facts, whole):
    assert whole.strongest() == ("last subject token", 0)
    found, other = (traced(facts, names, restored="mlp", window=1) for names in (NAMES[:2], NAMES[3:11]))
    assert found.strongest() == ("last subject token", LOOKUP)
    (verdict,) = found.check(facts, other)
    assert verdict.holds and verdict.measured == pytest.approx(1, abs=0.05) and verdict.n == 8
    assert whole.check(facts, other)[0].reason == "the other prompts were traced in another way"
    broken = sonde.Model(permuted(facts.module, 0), facts.tokenizer)
    halves = [causal_tracing(broken, [prompt(n) for n in names], list(names), list(where), restored="mlp", window=1, samples=2, std=3.0)
              for names, where in ((NAMES[:2], PLACES[:2]), (NAMES[3:11], PLACES[3:11]))]  # fmt: skip
    assert not halves[0].check(broken, halves[1])[0].holds
    with pytest.raises(CheckRefused):
        found.check(broken, other)


def test_a_prompt_that_cannot_be_traced_is_named_and_the_rest_goes_on():
    found = causal_tracing(words(), ["The capital of France is", "The key is", "France and France"], "France", samples=1)
    assert found.texts == ["The capital of France is"] and len(found.notes) == 2 and "stands in row 0 2 times" in found.notes[1]


def test_tasks_with_spans():
    task = sonde.tasks.load("ioi", words(), n=2)
    found = causal_tracing(words(), task, "giver", samples=1, metric=None)
    assert found.unit == "logits" and len(found.texts) == 2 and found.answers == words().tokenizer.strings(task.targets.tolist())


def test_a_model_with_grouped_keys_and_another_tokenizer():
    found = causal_tracing(llama(), "When Lily and Tom went to the park", "Tom", samples=2)
    assert found.values.shape[1] == 3 and found.values.isfinite().all()


def test_nothing_stays_behind_in_the_module(facts):
    traced(facts, NAMES[:1])
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in facts.module.modules())


def test_places_share_forwards(facts):
    """Not one forward for each of 24 places: the clean run, the noise, the base, and passes that begin at their block."""
    calls = []
    handle = facts.module.embed.register_forward_hook(lambda *_: calls.append(1))
    traced(facts, NAMES[:1])
    handle.remove()
    assert len(calls) <= 6 < 4 * LENGTH


def test_tables_and_files(tmp_path, facts):
    found = traced(facts, NAMES[:2], severed="mlp")
    assert found.to_frame().height == 2 * 4 * LENGTH and "no MLP answers" in found.drawing().title
    back = Trace.load(found.save(tmp_path / "trace"))
    assert torch.equal(back.values, found.values) and back.strongest() == found.strongest() and back.severed == "mlp"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"restored": "heads"}, "restored='heads': use 'state', 'mlp', 'attn'"),
        ({"restored": "mlp", "severed": "mlp"}, "of a restored 'mlp' can be severed 'attn'"),
        ({"severed": "state"}, "can be severed 'mlp' or 'attn'"),
        ({"window": 2}, "a state is that of one block"),
        ({"restored": "mlp", "window": 9}, "window=9: give 1 to 4 blocks"),
        ({"std": 0.0}, "std=0.0 is no standard deviation"),
        ({"samples": 0}, "at least one draw"),
        ({"subject": "Spain"}, "'Spain' stands in row 0 nowhere"),
        ({"subject": ["France", "Italy"]}, "subject= has 2 entries for 1 texts"),
        ({"answers": [" Paris", " Rome"]}, "answers= has 2 entries"),
        ({"metric": "logit_difference"}, "texts have a right answer only"),
        ({"prompts": []}, "there is no text to trace"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(InputError, match=message):
        causal_tracing(words(), **({"prompts": ["The capital of France is"], "subject": "France"} | arguments))


def test_refusals_of_tasks():
    task = sonde.tasks.load("ioi", words(), n=2)
    with pytest.raises(InputError, match="has no span 'subject': name what is corrupted by subject=; there are changed"):
        causal_tracing(words(), task)
    with pytest.raises(InputError, match="leave answers out"):
        causal_tracing(words(), task, "giver", answers=" Mary")
