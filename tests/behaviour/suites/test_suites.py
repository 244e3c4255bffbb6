"""Suites against the model's own logits, summed by hand; what can't be read or evaluated is named and never counted as false."""

import copy
import json

import pytest
import torch
from small_models import words

import sonde
from sonde.behaviour.suites import EXAMPLES, SuiteResult, accuracies, evaluate, read_suite
from sonde.evidence import permuted, wilson
from sonde.results import CheckRefused, InputError, Result


def sentence(name, *regions):
    return {"condition_name": name, "regions": [{"region_number": i, "content": content} for i, content in enumerate(regions, 1)]}


# written by hand: the second item lacks the phrase, the third has a word that the model does not know, and misleads it
SUITE = {
    "meta": {"name": "keys", "metric": "sum"},
    "region_meta": {"1": "subject", "2": "phrase", "3": "verb", "4": "end"},
    "predictions": [
        {"type": "formula", "formula": "(3;%right%) < (3;%wrong%)"},
        {"type": "formula", "formula": "(*;%right%) < (*;%wrong%) & (2;%right%) = (2;%wrong%)"},
        {"type": "formula", "formula": "(3;%right%) > (3;%wrong%)"},
    ],
    "items": [
        {"item_number": 1, "conditions": [sentence("right", "The keys ", "on the cabinet", "are", "old ."),
                                          sentence("wrong", "The keys", " on the cabinet", "is", "old .")]},
        {"item_number": 2, "conditions": [sentence("right", "The dog", "", "is", "old."), sentence("wrong", "The dog", "", "are", "old.")]},
        {"item_number": 4, "conditions": [sentence("right", "The rivers", "near the zebra", "are", "big."),
                                          sentence("wrong", "The rivers", "near the zebra", "is", "big.")]},
    ],
}  # fmt: skip


def changed(path, value):
    """The suite with one part exchanged, or taken out where the value is None."""
    suite = copy.deepcopy(SUITE)
    part = suite
    for step in path[:-1]:
        part = part[step]
    if value is None:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    return suite


def by_hand(text, base=2):
    """The surprisal of each token of a text but the first, from the logits."""
    run = words().run(text)
    told = run.logits[0, :-1].double().log_softmax(-1).gather(-1, run.ids[0, 1:, None]).squeeze(-1)
    return run.tokens[0][1:], (-told / (torch.tensor(2.0).log() if base == 2 else 1)).tolist()


@pytest.fixture(scope="module")
def suite():
    return read_suite(SUITE)


@pytest.fixture(scope="module")
def found(suite):
    return evaluate(words(), suite)


def test_regions_by_hand(found):
    strings, bits = by_hand("The keys on the cabinet are old .")
    assert strings == ["The", " keys", " on", " the", " cabinet", " are", " old", " ", "."]
    wanted = [sum(bits[:2]), sum(bits[2:5]), bits[5], sum(bits[6:])]
    assert found.values[0, 0].tolist() == pytest.approx(wanted, abs=1e-3) and found.counts[0, 0].tolist() == [2, 3, 1, 3]
    strings, bits = by_hand("The dog are old.")
    assert found.values[1, 1].tolist() == pytest.approx([sum(bits[:2]), 0, bits[2], sum(bits[3:])], abs=1e-3)
    assert found.counts[1, 1].tolist() == [2, 0, 1, 2]
    assert found.conditions == ["right", "wrong"] and found.regions == {1: "subject", 2: "phrase", 3: "verb", 4: "end"} and found.items == [1, 2, 4]


def test_regions_sum_to_the_sentence(found, suite):
    for i, item in enumerate(suite.items):
        for c, one in enumerate(item.conditions.values()):
            total = sonde.behaviour.surprisal(words(), one.text).total[0]
            assert float(found.values[i, c].nansum()) == pytest.approx(float(total), abs=1e-3)


def test_formulas(found):
    less = [float(right < wrong) for right, wrong in found.values[:, :, 2].tolist()]
    assert less == [1, 1, 0] and found.holds.tolist() == [less, less, [0, 0, 1]]
    assert [(share.holds, share.n, share.low, share.high) for share in found.accuracy] == [(n, 3, *wilson(n, 3)) for n in (2, 2, 1)]
    assert found.all_hold.holds == 0 and found.bad == []


@pytest.mark.parametrize("metric", ["mean", "median", "range", "max", "min"])
def test_other_metrics(metric):
    import statistics

    by = {"mean": statistics.mean, "median": statistics.median_low, "range": lambda v: max(v) - min(v), "max": max, "min": min}[metric]
    result = evaluate(words(), read_suite(changed(["meta", "metric"], metric)), base="e")
    _, nats = by_hand("The keys on the cabinet are old .", base="e")
    assert result.unit == "nats" and result.values[0, 0].tolist() == pytest.approx(
        [by(nats[:2]), by(nats[2:5]), by(nats[5:6]), by(nats[6:])], abs=1e-3
    )
    # the empty region of item 2 has no tokens, so no mean; the formulas that need it are not false
    assert result.holds.isnan().tolist() == [[False] * 3, [False, True, False], [False] * 3] and result.accuracy[1].n == 2
    assert result.bad[0].startswith("item 2, prediction 2: (*;%right%) has no value")


def test_without_a_first_token_the_first_region_is_missing(suite):
    result = evaluate(words(), suite, bos=False)
    assert result.values[:, :, 0].isnan().all() and result.holds[1].isnan().all() and not result.holds[0].isnan().any()
    assert result.accuracy[1] is None and result.all_hold is None
    assert len(result.bad) == 3 and "bos=True puts a special token there" in result.bad[0]
    with pytest.raises(InputError, match=r"no item of the suite 'keys' can be evaluated: item 1, prediction 1: \(1;%right%\) has no value"):
        evaluate(words(), read_suite(changed(["predictions"], [{"type": "formula", "formula": "(1;%right%) < 99"}])), bos=False)


def test_a_token_over_a_border_belongs_to_where_it_begins():
    torn = sentence("right", "The ke", "ys", "are", "old.")
    pieces = changed(["items"], [{"item_number": 1, "conditions": [torn, sentence("wrong", "The ke", "ys", "is", "old.")]}])
    # a space comes between regions, so that no region border lies within a word
    assert read_suite(pieces).items[0].conditions["right"].text == "The ke ys are old."
    assert not any("begin or end within a token" in note for note in evaluate(words(), read_suite(pieces)).notes)


@pytest.mark.parametrize(
    "path, value, said",
    [
        (["items", 0, "conditions", 1], None, "item 1 lacks the condition 'wrong', of which a formula speaks"),
        (["items", 0, "conditions", 0, "regions", 2], None, "item 1, condition 'right' lacks region 3"),
        (["items", 0, "conditions", 0, "regions", 2, "content"], 3, "item 1, condition 'right' has a region without region_number or content"),
        (["items", 0, "conditions", 0, "regions", 2, "region_number"], 2, "item 1, condition 'right' has region 2 twice"),
        (["items", 0, "conditions", 0, "regions", 2, "region_number"], "x", "item 1, condition 'right' has the number 'x'"),
        (["items", 0, "conditions", 0, "condition_name"], None, "item 1 has a condition without a condition_name"),
        (["items", 0, "conditions", 0, "condition_name"], "wrong", "item 1 has the condition 'wrong' twice"),
        (["items", 0, "conditions"], [], "item 1 has no conditions"),
        (["items", 0, "conditions"], None, "item 1 needs 'conditions', a list; it has None"),
        (["items", 0], "x", "item 1 is 'x', no object"),
        (["items", 1, "item_number"], 1, "item 1: the number is used twice"),
        (
            ["items", 0, "conditions", 0, "regions", 0, "content"],
            "The keys " * 200,
            "item 1, condition 'right' has 408 tokens and the model's context",
        ),
    ],
)
def test_a_bad_item_is_named_and_the_rest_goes_on(found, path, value, said):
    result = evaluate(words(), read_suite(changed(path, value)))
    assert len(result.bad) == 1 and said in result.bad[0] and "\n" not in result.bad[0]
    others = [i for i in range(3) if i != path[1]]
    assert len(result.items) == 2 and torch.equal(result.holds, found.holds[:, others])


@pytest.mark.parametrize(
    "path, value, said",
    [
        (["predictions", 1, "formula"], "(3;%right%) <", "the suite, prediction 2: the formula .* at character 14"),
        (
            ["predictions", 1, "formula"],
            "(9;%right%) < 1",
            "prediction 2: .* at character 1: the condition 'right' has no region 9; it has 1",
        ),
        (["predictions", 1, "formula"], "1 < (1;%other%)", "prediction 2: .* at character 5: there is no condition 'other'; there are right, wrong"),
        (["predictions", 1, "type"], "plot", "prediction 2 is .* must be an object with the type 'formula'"),
        (["predictions"], [], "has no predictions"),
        (["predictions"], None, "needs 'predictions', a list"),
        (["meta"], None, "needs 'meta', an object"),
        (["meta", "metric"], "product", "the metric 'product' is none of sum, mean"),
        (["items"], [], "has no item that can be read"),
        (["items"], [3], "has no item that can be read: item 1 is 3"),
        (["region_meta"], {"x": "y"}, "has the number 'x'"),
    ],
)
def test_a_suite_that_can_not_be_read(path, value, said):
    with pytest.raises(InputError, match=said) as error:
        read_suite(changed(path, value))
    assert "\n" not in str(error.value)


def test_files(tmp_path):
    file = tmp_path / "suite.json"
    file.write_text(json.dumps(SUITE), encoding="utf-8")
    assert read_suite(file).content == read_suite(SUITE).content
    file.write_text('{"meta": \n oops}', encoding="utf-8")
    with pytest.raises(InputError, match=r"suite.json is no JSON: .* in line 2, column 2"):
        read_suite(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"is no text in UTF-8 \(byte 0\)"):
        read_suite(file)
    file.write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match="is an object with meta"):
        read_suite(file)
    with pytest.raises(InputError, match=r"there is no file .*none.json: .* one of the examples number_agreement, tense"):
        read_suite(tmp_path / "none.json")


@pytest.fixture(scope="module")
def small():
    return sonde.load("specimen:words-small")


@pytest.fixture(scope="module")
def agreement(small):
    return evaluate(small, "number_agreement")


def test_the_example_holds_for_what_was_learnt(small, agreement):
    """The shipped model knows it on pairs of nouns that its training never showed; the same weights in random order do not."""
    verdicts = agreement.check(small, read_suite("number_agreement"), draws=6)
    assert [verdict.holds for verdict in verdicts] == [True] * 4
    together = verdicts[-1]
    assert together.measured > 0.8 and together.control < 0.3 and together.n == 24
    broken = sonde.Model(permuted(small.module, seed=3), small.tokenizer, "broken")
    by_chance = evaluate(broken, "number_agreement").check(broken, read_suite("number_agreement"), draws=3)
    assert not any(verdict.holds for verdict in by_chance)


def test_a_check_is_of_the_same_model_and_suite(small, agreement):
    other = sonde.Model(permuted(small.module, seed=0), small.tokenizer)
    with pytest.raises(CheckRefused):
        agreement.check(other, read_suite("number_agreement"))
    with pytest.raises(InputError, match="the suite 'tense' is not the one that was evaluated"):
        agreement.check(small, read_suite("tense"))


def test_all_examples_are_whole():
    for name in EXAMPLES:
        suite = read_suite(name)
        assert len(suite.items) >= 14 and not suite.bad and suite.name == name
        assert all(item.conditions.keys() == suite.conditions.keys() for item in suite.items)


def test_what_is_returned(agreement, found, tmp_path):
    again = SuiteResult.load(found.save(tmp_path / "kept"))
    assert torch.equal(again.values.nan_to_num(-1), found.values.nan_to_num(-1)) and again.regions == found.regions
    assert isinstance(Result.load(tmp_path / "kept"), SuiteResult)
    frame = found.to_frame()
    assert frame.height == 3 * 2 * 4 and frame.filter(item=2, condition="wrong", region=2)["tokens"].to_list() == [0]
    lines = agreement.drawing()
    assert [series["name"] for series in lines.data["series"]] == agreement.conditions and lines.axes["x"]["labels"][4] == "5 verb"
    rows = accuracies([agreement, found]).data["rows"]
    assert len(rows) == 8 and rows[3][:3] == ["number_agreement", "specimen:words-small", "all at once"] and rows[4][0] == "keys"
    assert rows[4][3:] == [2 / 3, *wilson(2, 3), 3]


def test_refusals(suite):
    with pytest.raises(InputError, match="no causal language model"):
        evaluate(sonde.load("specimen:mask"), suite)
    with pytest.raises(InputError, match="base=10"):
        evaluate(words(), suite, base=10)
