"""The whole report: right where the truth is known, silent where there is none, and the same data in every form."""

import json
import subprocess
import sys
from dataclasses import replace

import jsonschema
import pytest
import torch

import sonde
from sonde.evidence import permuted
from sonde.report import PROFILES, Explanation
from sonde.report.featured import featured
from sonde.report.summary import gated, sentence, summary
from sonde.results import CheckRefused, InputError, Verdict
from sonde.specimens import compiled
from tests.report.conftest import GIFT, KEYS

FEATURES = ["features"] if featured(sonde.load("specimen:words")) else []
SECTIONS = [
    "summary", "prediction", "task", "attribution", "contributions", "heads", "lens", "representation", "patching", "circuit", *FEATURES,
    "training_data", "verification",
]  # fmt: skip


def verdict(holds: bool | None) -> Verdict:
    interval, reason = {True: ((0.1, 0.3), ""), False: ((-0.1, 0.3), ""), None: (None, "there is one example")}[holds]
    return Verdict("Heads carry it.", "share", 0.6, 0.1, interval, 9, "greater", 0.5, "half", reason)


# truth


@pytest.mark.parametrize("seed", range(3))
def test_the_planted_heads_are_named_and_no_others(seed):
    program = compiled.induction(seed=seed)
    found = sonde.explain(sonde.load(program.model, program.tokenizer), "dog lamp river road tree lamp")
    assert found.target == "river"
    assert all(v.holds for v in found.verdicts)
    named = set(found.results["patching.components"].names)
    assert named == {f"head {head}" for head in program.heads.values()}
    assert all(name.removeprefix("head ") in " ".join(found.summary) for name in named)
    assert found.results["heads"].named("induction") == [str(program.heads["induction"])]


@pytest.mark.parametrize(
    ("prompt", "target", "foil"), [(GIFT, " Mary", " John"), (KEYS, " are", " is"), ("The capital of France is", " Paris", " Rome")]
)
def test_with_permuted_weights_no_claim_holds_and_the_summary_says_so(words, prompt, target, foil):
    broken = sonde.Model(permuted(words.module, 0), words.tokenizer)  # `python -m bench.nulls` counts over many seeds
    found = sonde.explain(broken, prompt, target=target, foil=foil)
    assert not any(v.holds for v in found.verdicts)
    assert "Nothing was found" in found.section("summary").lead
    assert all(text.startswith(("Not shown:", "Not tested:")) for text in found.summary)


def test_the_readme_prompts_are_explained(gift, keys):
    assert (gift.target, gift.foil, gift.corrupt) == (" Mary", " John", "When Mary and John went to the shop, Mary gave a book to")
    assert (keys.target, keys.foil, keys.corrupt) == (" are", " is", "The key on the cabinet")
    of_features = [v for v in gift.verdicts if "features" in v.claim]
    of_properties = gift.claims["representation"]
    assert len(of_properties) == 2 and all(v.interval[0] > 0 for v in of_properties)
    assert all(v.holds for v in gift.verdicts if v not in (*of_features, *of_properties))
    # four of the 512 carry more than random ones, but not half of the answer: the report says so
    assert of_features and all(v.interval[0] > 0 for v in of_features)
    # of two fixed words less can be shown: a random rotation may read them too, and few tokens tell them apart
    shown = [v.claim for v in keys.verdicts if v.holds]
    assert keys.verdicts[0].holds and any("needed" in claim for claim in shown) and any("enough" in claim for claim in shown)
    for found in (gift, keys):
        assert all(v.n == 16 and v.control is not None and v.interval is not None for v in found.verdicts)


def test_searching_and_judging_share_no_prompt(gift, words):
    from sonde.report.material import gather

    material = gather(words, GIFT, None, (), None, None, 0)
    assert not set(material.search.texts) & set(material.evaluate.texts)
    assert GIFT not in material.search.texts + material.evaluate.texts
    # what was found is recorded with the search prompts' hash, what was tested with the others'
    found, tested = gift.results["patching.components"], gift.results["verification"]
    assert found.recipe.inputs_hash != tested.recipe.inputs_hash


def test_results_are_refused_on_another_model(gift, words):
    other = sonde.Model(permuted(words.module, 0), words.tokenizer)
    with pytest.raises(CheckRefused, match="computed on the model"):
        gift.results["patching.components"].check(other, None)


# chapters


def test_the_task_of_a_prompt_is_found_and_shown(gift):
    section = gift.section("task")
    assert "`ioi`" in section.sentences[0].text and "Mary" in section.sentences[1].text
    (drawing,) = section.drawings
    roles = dict(zip(drawing.data["roles"]["names"], range(8), strict=False))
    assert "receiver" in roles
    (place,) = [i for i, role in enumerate(drawing.data["roles"]["of"]) if role == roles["receiver"]]
    assert gift.tokens[place] == " Mary"


def test_contributions_add_up_to_the_difference_that_is_stated(gift):
    found = gift.results["contributions"]
    assert (found.values.sum() + found.constant).item() == pytest.approx(found.metric.item(), abs=1e-3)
    waterfall = next(drawing for drawing in gift.section("contributions").drawings if drawing.kind == "waterfall")
    assert waterfall.data["total"] == pytest.approx(found.metric.item(), abs=1e-2)
    assert f"{found.metric.item():+.2f}" in gift.section("prediction").sentences[0].text


def test_heads_are_described_by_their_scores_and_their_attention_is_drawn(gift):
    scores, section = gift.results["heads"], gift.section("heads")
    explorer = section.drawings[0]
    assert explorer.kind == "attention" and explorer.data["tokens"] == gift.tokens
    for head, told in zip(explorer.data["heads"], section.sentences, strict=True):
        assert told.text == f"Head {head} {scores.describe(head)}."
    found = {name.removeprefix("head ") for name in gift.results["patching.components"].names if name.startswith("head")}
    assert found <= set(explorer.data["heads"])
    # the sentence on what patching found calls each head by the role that tells most of it
    told = gift.section("patching").sentences[0].text
    for head in found:
        role = next(iter(scores.roles(head)), None)
        assert (f"head {head} ({role.name} head, {abs(role.value):.2f})" if role else f"head {head}") in told


# sentences


def test_a_sentence_changes_when_its_verdict_fails():
    assert sentence(verdict(True)) == "Heads carry it."
    assert sentence(verdict(False)) == "Not shown: heads carry it."
    assert sentence(verdict(None)) == "Not tested: heads carry it, because there is one example."
    assert sentence(Verdict("MLP 0 is needed.", "m", 0.1, 0.2, (-1, 1), 9, "greater", 0.5, "s")) == "Not shown: MLP 0 is needed."


def test_the_summary_counts_and_says_when_nothing_holds():
    assert summary([verdict(True), verdict(False)]).lead.startswith("1 of 2 claims hold")
    assert "Nothing was found" in summary([verdict(False), verdict(None)]).lead


def test_no_claim_stands_without_the_behaviour():
    claim = verdict(True)
    assert gated(claim, verdict(True)).holds
    assert gated(claim, verdict(False)).holds is None
    assert "could not be tested" in gated(claim, verdict(None)).reason
    assert gated(verdict(None), verdict(False)).reason == "there is one example"


# forms


def test_json_follows_the_published_schema(gift, keys):
    validator = jsonschema.Draft202012Validator(Explanation.schema())
    for found in (gift, keys):
        data = json.loads(json.dumps(found.to_json(), allow_nan=False))
        validator.validate(data)
        assert sorted(data["sections"]) == sorted(SECTIONS)
        assert data["command"] == "explain" and data["model_hash"] == found.model_hash
    broken = gift.to_json() | {"seed": "none"}
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(broken)


def test_json_of_a_prompt_that_has_no_counterfactual(words):
    found = sonde.explain(words, "???")
    assert "No template knows this prompt" in found.section("task").sentences[0].text
    for profile in PROFILES:
        lead = replace(found, profile=profile).document().sections[0].lead
        assert profile == "researcher" or lead.startswith("Unverified"), "control: without evidence every reader is told first"
    jsonschema.Draft202012Validator(Explanation.schema()).validate(json.loads(json.dumps(found.to_json(), allow_nan=False)))
    assert found.corrupt is None
    assert all(v.holds is None and v.reason for v in found.verdicts)


def test_the_command_line_prints_the_same_json(gift):
    done = subprocess.run([sys.executable, "-m", "sonde", "explain", GIFT, "--json"], capture_output=True, text=True, check=True)
    mine, theirs = gift.to_json(), json.loads(done.stdout)
    assert mine["model_hash"] == theirs["model_hash"] and mine["sections"].keys() == theirs["sections"].keys()
    assert [s["text"] for s in mine["sections"]["summary"]["sentences"]] == [s["text"] for s in theirs["sections"]["summary"]["sentences"]]


def test_the_same_seed_gives_the_same_report(words, keys):
    again = sonde.explain(words, KEYS).to_json() | {"seconds": 0}
    assert again == keys.to_json() | {"seconds": 0}


def test_the_page_holds_the_report_and_escapes_the_prompt(words, tmp_path):
    hostile = "The keys </script><img src=x onerror=alert(1)> on the cabinet"
    page = sonde.explain(words, hostile).to_html(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert len(page) < 3_000_000


def test_a_report_that_cannot_be_written_is_one_clear_line(gift, tmp_path):
    with pytest.raises(InputError, match="can't be written"):
        gift.to_html(tmp_path / "missing" / "report.html")


# inputs


def test_the_user_s_choices_win(words):
    found = sonde.explain(words, KEYS, target=" were", foil=" was", corrupt="The key on the cabinet", seed=3)
    assert (found.target, found.foil, found.corrupt, found.seed) == (" were", " was", "The key on the cabinet", 3)
    assert "--target ' were'" in found.command and "--seed 3" in found.command


def test_a_warning_where_the_target_is_not_the_model_s_guess(words):
    found = sonde.explain(words, KEYS, target=" is", foil=" are")
    assert any("first guess" in warning for warning in found.warnings)
    assert not found.verdicts[0].holds


def test_a_warning_where_a_space_was_forgotten(words):
    found = sonde.explain(words, KEYS, target="are", foil=" is")
    assert found.target == "are" and any("without a space" in warning for warning in found.warnings)
    assert not any("without a space" in warning for warning in sonde.explain(words, KEYS, target=" are", foil=" is").warnings)


def test_with_several_foils_each_has_its_maps(words):
    found = sonde.explain(words, KEYS, target=" are", foil=[" is", " was"])
    assert found.foils == [" is", " was"] and found.foil == " is" and "--foil ' is' --foil ' was'" in found.command
    for key in ("attribution", "contributions", "patching"):
        grouped = [drawing for drawing in found.section(key).drawings if drawing.kind == "tabs"]
        assert grouped and all(len(drawing.data["parts"]) == 2 for drawing in grouped)
    # each map is about its own foil
    one, other = found.results["contributions"], found.results["contributions.was"]
    logits = words.run(KEYS).last_logits[0]
    are, was = (words.tokenizer.single(text) for text in (" are", " was"))
    assert other.metric.item() == pytest.approx((logits[are] - logits[was]).item(), abs=1e-3) and one.metric.item() != other.metric.item()
    jsonschema.Draft202012Validator(Explanation.schema()).validate(json.loads(json.dumps(found.to_json(), allow_nan=False)))


def test_a_prompt_too_long_to_draw_attention_is_explained_all_the_same(words, monkeypatch):
    monkeypatch.setattr("sonde.report.material.LONGEST_DRAWN", 3)
    found = sonde.explain(words, KEYS)
    assert "attention is drawn for at most 3" in found.section("heads").sentences[-1].text
    assert not any(drawing.kind == "attention" for section in found.sections for drawing in section.drawings)


def test_a_foil_given_twice_is_refused(words):
    with pytest.raises(InputError, match="give each token once"):
        sonde.explain(words, KEYS, target=" are", foil=[" is", " is"])


def test_bos_is_the_user_s_to_leave_out(words):
    found = sonde.explain(words, KEYS, bos=False)
    assert found.tokens == ["The", " keys", " on", " the", " cabinet"]
    assert found.command.endswith("--no-bos --out report.html")


def test_modules_of_no_known_family_are_refused():
    with pytest.raises(InputError, match="no next token"):
        sonde.explain(sonde.Model(torch.nn.Linear(2, 2)), "text")


def test_a_llama_with_grouped_keys_and_another_tokenizer_is_explained(tmp_path):
    """Untrained, so nothing holds, but every section is there."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = ["the", "a", "key", "keys", "cabinet", "near", "are", "is", "was", "were", "dog", "cat", "book", "shop", "Mary", "John"]
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(["<unk>", *words])}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, vocab_size=len(words) + 1,
        max_position_embeddings=32,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>").save_pretrained(tmp_path)
    found = sonde.explain(sonde.load(tmp_path), "the keys near the cabinet", target="are", foil="is", corrupt="the key near the cabinet")
    assert [section.key for section in found.sections] == [key for key in SECTIONS if key != "features"]
    assert not any(v.holds for v in found.verdicts)
