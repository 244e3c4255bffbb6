"""What goes into a forward: nothing cut, nothing guessed, and rows of different length that never see one another."""

import re

import numpy as np
import pytest
import torch
from tiny_models import logits_of
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers, processors

import sonde
from sonde.access import Tokenizer
from sonde.results import InputError, SondeError

WORDS = ["<pad>", "<s>", "</s>", "<unk>", *(f"w{i}" for i in range(30))]
ROWS = [[1, 2, 3, 4, 5], [4, 0, 6], [7]]


def backend(template=None):
    words = Backend(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if template:
        words.post_processor = processors.TemplateProcessing(single=template, special_tokens=[("<s>", 1), ("</s>", 2)])
    return words


@pytest.fixture
def speaking(loaded):
    return sonde.Model(loaded["gpt2"].module, Tokenizer(backend(), bos_id=1, pad_id=0, eos_id=2))


@pytest.mark.parametrize(
    "given, message",
    [
        ([], "no input: give at least one prompt"),
        ([[]], "the prompt is empty: give at least one token"),
        ([[1, 2], []], "row 1 is empty: give at least one token"),
        ([[1] * 13], "the prompt has 13 tokens and the model's context is 12: shorten it (sonde never cuts a prompt)"),
        ([[1], [1] * 13], "row 1 has 13 tokens and the model's context is 12"),
        ([[40]], "the prompt holds token 40, and the model's vocabulary has 40 (0 to 39)"),
        ([[1], [3, -1, 2]], "row 1 holds token -1, and the model's vocabulary has 40 (0 to 39)"),
        ("hi", "this model was loaded without a tokenizer: pass token ids, or load it with tokenizer="),
        (torch.rand(2, 2), "token ids must be whole numbers, (pos) or (batch pos); got torch.float32 (2, 2)"),
        (torch.ones(2, 2, dtype=torch.bool), "token ids must be whole numbers, (pos) or (batch pos); got torch.bool (2, 2)"),
        (torch.ones(2, 2, 2, dtype=torch.long), "got torch.int64 (2, 2, 2)"),
        ([[1.5, 2]], "token ids must be whole numbers, by row; got [1.5, 2]"),
        ([1, [2, 3]], "token ids must be whole numbers, by row"),
        ({"ids": torch.ones(1, 2)}, "a language model takes texts, token ids, or the tensors 'input_ids' and 'attention_mask' by name; got 'ids'"),
        ({"input_ids": [[1]]}, "or the tensors 'input_ids' and 'attention_mask' by name"),
        ({"input_ids": torch.ones(1, 2).long(), "token_type_ids": torch.ones(1, 2).long()}, "got 'input_ids', 'token_type_ids'"),
        ({"input_ids": torch.ones(1, 3).long(), "attention_mask": torch.tensor([[1, 0, 1]])}, "side by side"),
        ({"input_ids": torch.ones(1, 3).long(), "attention_mask": torch.tensor([[0, 0, 0]])}, "at least one"),
        ({"input_ids": torch.ones(1, 3).long(), "attention_mask": torch.tensor([[1, 1]])}, "for every token id, (1, 3); got torch.int64 (1, 2)"),
        ({"input_ids": torch.ones(1, 2).long(), "attention_mask": torch.tensor([[0.5, 1]])}, "must be 0 or 1 for every token id"),
    ],
)  # fmt: skip
def test_refused(loaded, given, message):
    with pytest.raises(InputError) as error:
        loaded["gpt2"].run(given)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "given, message",
    [
        ("", "the prompt '' is empty: give at least one word"),
        (["w1", "  \n"], r"the prompt '  \n' is empty: give at least one word"),
        (["w1", 3], "texts and other inputs are mixed: 3 is no text"),
        (" ".join(["w1"] * 13), "the prompt has 13 tokens and the model's context is 12"),
    ],
)
def test_refused_texts(speaking, given, message):
    with pytest.raises(InputError, match=re.escape(message)):
        speaking.run(given)


def test_the_same_rows_in_every_form(model):
    whole = model.run([[5, 0, 7], [3, 3, 9]]).logits
    for given in (torch.tensor([[5, 0, 7], [3, 3, 9]]), torch.tensor([[5, 0, 7], [3, 3, 9]], dtype=torch.int32), ((5, 0, 7), (3, 3, 9)),
                  [torch.tensor([5, 0, 7]), torch.tensor([3, 3, 9])], {"input_ids": torch.tensor([[5, 0, 7], [3, 3, 9]])}):  # fmt: skip
        assert torch.equal(model.run(given).logits, whole)
    assert model.run([5, 0, 7]).logits.shape == (1, 3, 40)
    assert model.run(torch.tensor([5, 0, 7])).logits.shape == (1, 3, 40)
    assert model.run([torch.tensor([5]), torch.tensor([7])]).logits.shape == (2, 1, 40)


def test_rows_of_different_length_never_leak(model):
    """Each row gives the same alone, in the batch, and beside other rows; id 0 is a token like any other, though it is also the padding."""
    sites = ["blocks.1.resid_post", "blocks.0.attn.pattern", "blocks.1.attn.z", "final_norm"]
    batch = model.run(ROWS, read=sites)
    assert batch.mask.sum(1).tolist() == [5, 3, 1]
    assert batch.notes[0] == "rows of 1 to 5 tokens, padded on the right and masked"
    for i, row in enumerate(ROWS):
        alone = model.run([row], read=sites)
        assert torch.allclose(batch.logits[i, : len(row)], alone.logits[0], atol=1e-5)
        assert torch.allclose(batch.last_logits[i], alone.last_logits[0], atol=1e-5)
        for site in ("blocks.1.resid_post", "blocks.1.attn.z", "final_norm"):
            assert torch.allclose(batch[site][i, : len(row)], alone[site][0], atol=1e-5)
            assert torch.allclose(batch[f"{site}[pos=-1]"][i], alone[site][0, -1], atol=1e-5)
        pattern = batch["blocks.0.attn.pattern"][i, :, : len(row), : len(row)]
        assert torch.allclose(pattern, alone["blocks.0.attn.pattern"][0], atol=1e-5)
    other = model.run([ROWS[0], [9, 9, 9, 9], [7]], read=sites)
    assert torch.allclose(other.logits[2, :1], batch.logits[2, :1], atol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_users_own_padding_is_taken_off(model, side):
    """A left-padded batch: transformers' GPT-2 would count its positions from the padding (transformers' own models differ here)."""
    ids, mask = torch.zeros(3, 5, dtype=torch.long), torch.zeros(3, 5, dtype=torch.long)
    for i, row in enumerate(ROWS):
        columns = slice(0, len(row)) if side == "right" else slice(5 - len(row), 5)
        ids[i, columns], mask[i, columns] = torch.tensor(row), 1
    run = model.run({"input_ids": ids, "attention_mask": mask})
    assert torch.equal(run.logits, model.run(ROWS).logits)
    assert torch.equal(model.run({"input_ids": ids, "attention_mask": mask.bool()}).ids, model.run(ROWS).ids)
    assert ("the padding on the left was taken off: positions count each row's real tokens" in run.notes) == (side == "left")


def test_the_bare_module_agrees_on_padded_rows(model):
    run = model.run(ROWS)
    bare = logits_of(model.module, run.ids, attention_mask=run.mask.long())
    assert torch.equal(run.logits[run.mask], bare[run.mask])


def test_special_tokens_follow_the_default_and_are_recorded(loaded):
    """transformer-lens #1624: an explicit prepend_bos was ignored in one of the calls."""
    default = sonde.Model(loaded["gpt2"].module, Tokenizer(backend("<s> $A"), bos_id=1))
    run = default.run("w1 w2")
    assert run.ids.tolist() == [[1, 5, 6]]
    assert run.notes == ("special token '<s>' put before the text (the tokenizer's default)",)
    run = default.run("w1 w2", bos=False)
    assert (run.ids.tolist(), run.notes) == ([[5, 6]], ("no special token put before the text (asked for)",))
    run = default.run(["w1 w2"], bos=True)
    assert (run.ids.tolist(), run.notes) == ([[1, 5, 6]], ("special token '<s>' put before the text (asked for)",))
    around = sonde.Model(loaded["gpt2"].module, Tokenizer(backend("<s> $A </s>"))).run("w1")
    assert around.ids.tolist() == [[1, 5, 2]]
    assert around.notes[1] == "special token '</s>' put after the text (the tokenizer's default)"
    plain = sonde.Model(loaded["gpt2"].module, Tokenizer(backend(), bos_id=1)).run("w1")
    assert (plain.ids.tolist(), plain.notes) == ([[5]], ())


def test_bos_reaches_every_verb(speaking, metric):
    want = metric(speaking.run("w1 w2", bos=True))
    assert torch.allclose(speaking.grad("w1 w2", metric, bos=True).metric, want)
    assert torch.allclose(speaking.sweep("w1 w2", [sonde.Zero("embed")], metric, bos=True).base, want)
    assert not torch.equal(metric(speaking.run("w1 w2")), want)
    assert speaking.generate("w1 w2", bos=True, max_new_tokens=2) == speaking.generate([1, 5, 6], max_new_tokens=2)


@pytest.mark.parametrize("given", [[[1, 2]], torch.tensor([[1, 2]])])
def test_bos_speaks_of_texts_only(speaking, given):
    with pytest.raises(InputError, match="bos=True speaks of texts, and these inputs are taken as they are"):
        speaking.run(given, bos=True)


def test_tokens_are_told_by_row(speaking, loaded):
    run = speaking.run(["w1 w2 zebra", "w3"], read="blocks.0.resid_post")
    assert run.tokens == [["w1", "w2", "<unk>"], ["w3"]]
    assert torch.equal(run["blocks.0.resid_post[pos='w2', batch=0]"], run["blocks.0.resid_post"][0, 1])
    assert loaded["gpt2"].run([[1]]).tokens == []
    with pytest.raises(SondeError, match="'w2' is no single token of row 1; its tokens are 0 'w3'"):
        run["blocks.0.resid_post[pos='w2']"]
    with pytest.raises(SondeError, match="without a tokenizer 'w2' can't be found"):
        loaded["gpt2"].run([[1]], read="embed[pos='w2']")


def test_a_patch_by_token_takes_each_runs_own_place(speaking):
    source = speaking.run("w9 w8 w1", read="blocks.0.resid_post")
    edit = sonde.Patch("blocks.0.resid_post[pos='w1']", source)
    run = speaking.run("w1 w2 w3 w4", edits=[edit], read="blocks.0.resid_post")
    assert torch.equal(run["blocks.0.resid_post"][0, 0], source["blocks.0.resid_post"][0, 2])


def test_numbers_of_other_libraries_are_numbers(model):
    assert torch.equal(model.run(np.array([[5, 0, 7]])).logits, model.run([[5, 0, 7]]).logits)
    assert torch.equal(model.run([list(np.array([5, 0, 7]))]).logits, model.run([[5, 0, 7]]).logits)
