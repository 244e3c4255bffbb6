"""Scorers and clients that run a model: the intervention, a local model as client, its expectations and its embeddings."""

import pytest
import torch

import sonde
from sonde.features.descriptions import (
    Budget,
    BudgetSpent,
    Embedding,
    Example,
    Examples,
    Intervention,
    Local,
    ModelEmbedder,
    RuleJudge,
    Surprisal,
    Window,
    promotions,
)
from sonde.results import InputError
from sonde.specimens.words import documents


@pytest.fixture(scope="module")
def model():
    return sonde.load("specimen:words-small")


@pytest.fixture(scope="module")
def examples(model):
    """Texts of the model's world: firing ones speak of keys, silent ones do not."""

    def example(text, fires):
        tokens = tuple(model.tokenizer.strings(model.tokenizer.encode(text, bos=False)))
        return Example(Window(tokens), tuple(float(fires and token == " keys") for token in tokens), "firing" if fires else "random")

    texts = [d.text for d in documents(n=40, seed=3) if " keys" not in d.text][:10]
    keys = [f"The {word} keys are on the table." for word in ("old", "new", "red", "small", "dark", "big")]
    return Examples(0, (), tuple(example(text, True) for text in keys), tuple(example(text, False) for text in texts), 1.0)


def test_a_direction_that_writes_a_token_is_found_out(model, examples):
    """A latent that promotes one token: the description that promises it is right, another token's is not, and a random direction promises none."""
    token = model.tokenizer.single(" keys")
    site = f"blocks.{model.n_layers - 1}.resid_post"
    unembed = next(model.module.get_submodule(model.architecture.unembed).parameters()).detach()
    rows = unembed - unembed.mean(0)
    own = torch.linalg.solve(rows.T @ rows, rows[token])  # of all directions the one in which this token stands out most
    directions = torch.stack([20 * own / own.norm(), torch.randn(model.d_model, generator=torch.Generator().manual_seed(0))])
    promised, none = promotions(model, site, directions)
    assert promised[0] == " keys" and none == ()
    scorer = Intervention(model, site, directions, n=6, new=2)
    right, wrong, unread = (scorer.score(RuleJudge(), text, examples) for text in ('Promotes " keys".', 'Promotes " window".', "keys?"))
    assert right.value == 1.0 and right.n == 6
    assert wrong.value <= 0.6
    assert unread.value == 0.5 and unread.failures == 6
    assert torch.isnan(torch.tensor(scorer.score(RuleJudge(), "", Examples(0, (), (), (), 0.0)).value))


def test_what_can_not_intervene(model):
    with pytest.raises(InputError, match="at least 1 of each"):
        Intervention(model, "blocks.0.resid_post", torch.eye(model.d_model), n=0)
    with pytest.raises(InputError, match="can't be told"):
        promotions(model, "blocks.0.attn.pattern", torch.eye(model.d_model))


def test_a_local_model_answers_and_counts(model):
    client = Local(model, Budget(tokens=60))
    answers = client.complete(["The keys on the cabinet", "Mary went to the"], 5)
    assert all(answer.text and not answer.error for answer in answers)
    assert answers[0].text == model.generate("The keys on the cabinet", max_new_tokens=5)
    assert client.usage.requests == 2 and client.usage.read == sum(a.read for a in answers) and client.usage.written <= 10
    too_long = Local(model).complete(["the " * 500], 5)[0]
    assert too_long.error and not too_long.text
    with pytest.raises(BudgetSpent):
        Local(model, Budget(tokens=3)).complete(["The keys"], 5)


def test_a_chat_format_is_used(model):
    """The template of a tokenizer that has one, which brings its own special tokens."""
    from transformers import PreTrainedTokenizerFast

    backend = PreTrainedTokenizerFast(tokenizer_object=model.tokenizer.backend, bos_token="<|end|>", eos_token="<|end|>")
    backend.chat_template = (
        "{{ bos_token }}{% for message in messages %}Q: {{ message['content'] }}{% endfor %}{% if add_generation_prompt %} A:{% endif %}"
    )
    client = Local(sonde.Model(model.module, backend))
    answer = client.complete(["What color is the cup?"], 3)[0]
    assert answer.text == model.generate("Q: What color is the cup? A:", max_new_tokens=3)
    assert answer.read == len(model.tokenizer.encode("Q: What color is the cup? A:", bos=True))


def test_expectations_are_the_models_own(model, examples):
    """Nats a token of the text alone, by hand."""
    before, text = "The keys", " on the cabinet are old."
    found = Local(model).surprisal([before], [text])[0]
    prefix, own = model.tokenizer.encode(before), model.tokenizer.encode(text, bos=False)
    logits = model.run([[*prefix, *own]]).logits[0].log_softmax(-1)
    steps = [logits[len(prefix) + i - 1, token] for i, token in enumerate(own)]
    assert found == pytest.approx(-float(torch.stack(steps).mean()), rel=1e-4)
    assert Local(model).surprisal(["the " * 500], [text]) == [None]
    score = Surprisal(Local(model)).score(RuleJudge(), "keys keys keys", examples)
    assert score.n == len(examples.judged) and score.failures == 0 and 0 <= score.value <= 1
    too_long = Surprisal(Local(model)).score(RuleJudge(), "keys " * 500, examples)
    assert too_long.failures == too_long.n and too_long.value == 0.5


def test_embeddings_of_the_model(model, examples):
    scorer = Embedding(ModelEmbedder(model, "blocks.0.resid_post"))
    near, far = (scorer.score(RuleJudge(), text, examples) for text in ("The clean keys are on the table.", examples.silent[0].window.text))
    assert near.value > 0.9 and far.value < 0.5 and "specimen" in scorer.name
