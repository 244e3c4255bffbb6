"""Questions by layer, and relation vectors: planted ones solve all other questions, random ones none, and a model that looks answers up has none."""

import pytest
import torch
from small_models import words
from tiny_families import build

import sonde
from sonde.lens import Question, answer_course, asked, questions, relation_vectors
from sonde.nn import Transformer, TransformerConfig
from sonde.results import CheckRefused, InputError, SiteUnavailable

N, WIDTH = 20, 64  # arguments, each with an answer
ASK, SAY, FIRST = 0, 1, 2  # a token that asks, one that does not, the first argument; answers follow the arguments
FLAG, COPIED, RELATION = 20, 21, 22  # entries of the stream


def planted(looks_up):
    """Two blocks: attention of the first copies whether the prompt asks; if it does, its MLP adds the relation (one vector for all), or what
    it looks up for the argument (one for each). An answer's row of the unembedding is its argument's, and the vector."""
    module = Transformer(TransformerConfig(
        n_layers=2, d_model=WIDTH, n_heads=1, d_vocab=2 + 2 * N, n_ctx=4, d_mlp=N + 1, tied=False, norm=None, activation="relu", positional=None,
    )).eval()  # fmt: skip
    arguments = torch.arange(N)
    with torch.no_grad():
        for weight in module.parameters():
            weight.zero_()
        module.embed.weight[ASK, FLAG] = 1
        module.embed.weight[FIRST + arguments, arguments] = 1
        module.blocks[0].attn.v.weight[0, FLAG] = 1  # keys are alike: the mean over both tokens
        module.blocks[0].attn.o.weight[COPIED, 0] = 2
        mlp = module.blocks[0].mlp
        if looks_up:
            mlp.up.weight[arguments, arguments] = 1
            mlp.up.weight[arguments, COPIED] = 1
            mlp.up.bias[arguments] = -1
            mlp.down.weight[RELATION + arguments, arguments] = 3
        else:
            mlp.up.weight[N, COPIED] = 1
            mlp.down.weight[RELATION, N] = 3
        module.unembed.weight[FIRST + arguments, arguments] = 1.5
        module.unembed.weight[FIRST + N + arguments, arguments] = 1
        module.unembed.weight[FIRST + N + arguments, RELATION + (arguments if looks_up else 0)] = 1
    return sonde.Model(module)


def ask(numbers):
    return [Question((ASK, FIRST + i), FIRST + i, 1, FIRST + N + i) for i in numbers]


def bare(numbers):
    return [[SAY, FIRST + i] for i in numbers]


OTHERS = range(1, N)


def test_the_course_of_a_planted_answer():
    """The argument stands first, until the MLP of the first block adds the relation; then the answer does, to the end."""
    found = answer_course(planted(False), ask(range(N)))
    assert found.layers == ["embed", "0 attention", "0", "1 attention", "model"]
    assert found.phases == {"argument": "embed", "function": "0", "saturation": "0"}
    assert (
        bool((found.argument[:2] == 1).all()) and bool((found.answer[2:] == 1).all()) and torch.allclose(found.argument[2:], torch.tensor(1 / 21))
    ), "the relation raises all answers above all arguments"


def test_one_planted_vector_answers_all_other_questions():
    model = planted(False)
    found = relation_vectors(model, ask([0]), ask(OTHERS), bare=bare(OTHERS), sources=1)
    assert found.layer == 0 and found.jump[0] > 0.4 > found.jump[1]
    assert bool((found.moved == 1).all()) and bool((found.asked == 1).all())
    assert (found.without == 1).float().mean() == 0 and (found.random == 1).float().mean() < 0.05
    assert (found.ablated[0] < 1).all() and bool((found.ablated[1] == 1).all())
    moves = found.check(model)[0]
    assert moves.holds and moves.n == 19


def test_what_is_looked_up_for_one_argument_is_of_no_use_to_another():
    model = planted(True)
    found = relation_vectors(model, ask([0]), ask(OTHERS), bare=bare(OTHERS), sources=1)
    assert bool((found.asked == 1).all()), "it answers as well as the other model"
    assert (found.moved == 1).float().mean() == 0 and not found.check(model)[0].holds


def test_vectors_of_another_relation_and_the_loss_elsewhere():
    model = planted(False)
    another = torch.zeros(1, WIDTH)
    another[0, RELATION + 5] = 3
    found = relation_vectors(model, ask([0]), ask(OTHERS), bare=bare(OTHERS), sources=1, other=another, unrelated=[[SAY, FIRST, FIRST + 1]])
    assert found.other is not None and (found.other == 1).float().mean() == 0
    assert found.unrelated is not None and found.unrelated[0] == pytest.approx(found.unrelated[1])


def test_an_answer_is_no_proof_of_itself():
    """A question whose answer is the source's own is left out."""
    found = relation_vectors(planted(False), ask([3]), ask(range(N)), bare=bare(range(N)), sources=1)
    assert found.moved[0].isnan().nonzero().flatten().tolist() == [3]


def test_the_specimen_s_own_facts(tmp_path):
    model = words()
    task = sonde.tasks.load("capital", model, n=24)
    search, evaluate = (questions(part, "country") for part in task.split())
    course = answer_course(model, search)
    assert course.answer[-1].mean() > 0.9 > course.answer[0].mean() and course.phases["saturation"] is not None
    found = relation_vectors(model, search, evaluate, sources=2, draws=4)
    for one in (course, found):
        assert one.drawing().to_json() and one.to_frame().height
        back = type(one).load(one.save(tmp_path / type(one).__name__))
        assert back.to_frame().equals(one.to_frame())
    assert len(found.check(model)) == 2
    with pytest.raises(CheckRefused):
        found.check(planted(False))


def test_questions_of_a_template():
    model = words()
    france, spain = asked(model, "The capital of {argument} is", [("France", " Paris"), ("Spain", " Madrid")])
    assert model.tokenizer.strings([france.argument, france.answer]) == [" France", " Paris"]
    assert model.tokenizer.strings(list(spain.bare))[-1] == " Spain" and spain.bare[:-1] == france.bare[:-1]
    for template, pairs, match in (
        ("The capital is", [("France", " Paris")], "write {argument} once"),
        ("The capital of {argument}", [("France", "")], "the answer '' is joined"),
    ):
        with pytest.raises(InputError, match=match):
            asked(model, template, pairs)


def test_a_family_without_halves_has_a_course_and_no_vectors():
    model = sonde.Model(build("gptj"))
    some = [Question((3, 4, 5), 4, 1, 6), Question((3, 7, 5), 7, 1, 8)]
    assert answer_course(model, some).layers == ["embed", "0", "model"]
    with pytest.raises(SiteUnavailable, match="no stream between attention and MLP"):
        relation_vectors(model, some, some)


def test_refusals():
    model = planted(False)
    task = sonde.tasks.load("capital", words(), n=4)
    with pytest.raises(InputError, match="has the spans"):
        questions(task, "city")
    with pytest.raises(InputError, match="there are no questions"):
        answer_course(model, [])
    with pytest.raises(InputError, match="the blocks 0 to 1"):
        relation_vectors(model, ask([0]), ask([1]), layer=2)
    with pytest.raises(InputError, match="2 prompts for 1 questions"):
        relation_vectors(model, ask([0]), ask([1]), bare=bare([1, 2]))
    with pytest.raises(InputError, match="at least 2 random"):
        relation_vectors(model, ask([0]), ask([1]), draws=1)
    with pytest.raises(InputError, match="no tokenizer"):
        asked(model, "{argument}", [("a", " b")])
