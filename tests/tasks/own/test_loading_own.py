"""Tasks from templates of one's own: what is drawn obeys the rule, what does not suit the tokenizer is told."""

import random
import re

import pytest
from small_models import llama, words

import sonde
from sonde.results import InputError
from sonde.tasks import TEMPLATES, LogitDifference, SlotTemplate, check, load, read_template, starters, write_starter

GIFTS = {
    "name": "gifts",
    "slots": {"io": "name", "s": "name", "place": ["park", "shop", "school"]},
    "frames": ["When {io} and {s} went to the {place}, {s} gave a book to", "When {s} and {io} went to the {place}, {s} gave a book to"],
    "answer": "{io}", "wrong": "{s}",
    "counterfactual": {"swap": {"s#2": "{io}"}, "stranger": {"s#2": "other"}},
    "spans": {"giver again": "s#2", "names": ["s#1", "io"]},
}  # fmt: skip
AGREE = {
    "slots": {"n": {"class": "noun", "form": "*"}, "m": {"class": "noun", "form": "*"}}, "frames": ["The {n} near the {m}"],
    "answer": {"of": "n", "words": {"singular": ["is", "was"], "plural": ["are", "were"]}}, "counterfactual": {"n": "other form"},
}  # fmt: skip


def strings(ids):
    return [text.strip() for text in words().tokenizer.strings(ids)]


def test_the_rule_holds_in_every_example():
    task = load(SlotTemplate.of(GIFTS), words(), n=40)
    assert len(task) == 40 == len(set(task.texts))
    for text, corrupt, row, right, wrong, names in zip(
        task.texts, task.corrupt_texts, task.clean, task.answers, task.wrongs, task.spans["names"], strict=True
    ):
        a, b, giver = re.fullmatch(r"When (\w+) and (\w+) went to the (?:park|shop|school), (\w+) gave a book to", text).groups()
        receiver = b if giver == a else a
        assert (strings(right), strings(wrong)) == ([receiver], [giver])
        assert corrupt == f", {receiver} gave".join(text.rsplit(f", {giver} gave"))
        assert {strings([row[i]])[0] for i in names} == {giver, receiver}
    assert task.spans["giver again"] == task.spans["changed"]


def test_another_kind_of_counterfactual():
    task = load(SlotTemplate.of(GIFTS), words(), n=10, counterfactual="stranger")
    assert all(len(set(re.findall(r"[A-Z]\w+", corrupt)) - {"When"}) == 3 for corrupt in task.corrupt_texts)
    assert any("the counterfactual is 'stranger'; there is also 'swap'" in note for note in task.notes)
    with pytest.raises(InputError, match="has no counterfactual 'none'; it has swap, stranger"):
        load(SlotTemplate.of(GIFTS), words(), counterfactual="none")


def test_sets_of_answers():
    task = load(SlotTemplate.of(AGREE), words(), n=20)
    for text, right, wrong in zip(task.texts, task.answers, task.wrongs, strict=True):
        plural = sonde.tasks.english().sense(text.split()[1]).form == 1
        assert (strings(right), strings(wrong)) == ((["are", "were"], ["is", "was"]) if plural else (["is", "was"], ["are", "were"]))
    assert task.metric.unit == "probability"
    assert any(re.match(r"\d+ of \d+ draws dropped: no counterfactual with as many tokens and another answer was found", n) for n in task.notes)


def test_the_seed_decides():
    one, same, other = (load(SlotTemplate.of(GIFTS), words(), n=5, seed=seed).texts for seed in (0, 0, 1))
    assert one == same != other


def test_the_gap_is_found_and_its_absence_too():
    """The specimen does the task; with answers shuffled among examples, or right and wrong exchanged, there is nothing to explain."""
    task = load(SlotTemplate.of(GIFTS), words(), n=32)
    assert check(words(), task).holds
    exchanged = GIFTS | {"answer": GIFTS["wrong"], "wrong": GIFTS["answer"]}
    assert not check(words(), load(SlotTemplate.of(exchanged), words(), n=32)).holds
    order = random.Random(0).sample(range(32), 32)
    shuffled = task.with_metric(LogitDifference(task.targets[order], task.foils[order]))
    assert not check(words(), shuffled).holds


def test_an_unordered_list_with_order():
    data = {
        "slots": {"x": {"words": ["one", "two", "three", "five", "eight", "nine"], "order": "line"}},
        "frames": ["He said {x}, {x+1},"], "answer": "{x+2}", "counterfactual": {"x": "other"},
    }  # fmt: skip
    task = load(SlotTemplate.of(data), words(), n=4)
    assert {text: strings(right) for text, right in zip(task.texts, task.answers, strict=True)} == {
        "He said one, two,": ["three"], "He said two, three,": ["five"],
        "He said three, five,": ["eight"], "He said five, eight,": ["nine"],
    }  # fmt: skip
    assert any("nothing follows the last word" in note for note in task.notes)


def test_answers_without_a_space():
    data = {"slots": {"y": ["52", "53", "61"]}, "frames": ["from 17{y} to 17"], "answer": "{y}", "space": "no"}
    task = load(SlotTemplate.of(data), words(), n=3)
    assert words().tokenizer.strings(task.targets.tolist()) == [re.search(r"17(\d\d)", text)[1] for text in task.texts]


def test_slots_that_never_fit():
    data = GIFTS | {"slots": GIFTS["slots"] | {"io": ["Zaphod", "Trillian", "Mary"]}}
    data["counterfactual"] = {"io": "other"}
    with pytest.raises(InputError, match=r"slots: io: 1 of the 3 words of slot 'io' can be used .*single token.*' Zaphod' is \d tokens \(' ', 'Z"):
        load(SlotTemplate.of(data), words())
    data = GIFTS | {"slots": GIFTS["slots"] | {"place": {"words": ["park", "shop", "school"], "tokens": "7"}}}
    with pytest.raises(InputError, match="slots: place: none of the 3 words of slot 'place' can be used here, since they must be of 7 tokens each"):
        load(SlotTemplate.of(data), words())


def test_counterfactuals_of_another_length():
    data = {"slots": {"x": ["shop", "station house"]}, "frames": ["the {x} is near the"], "answer": "door", "wrong": "key"}
    data["counterfactual"] = {"x": "other"}
    with pytest.raises(InputError, match=r"none of the 200 draws of 'template' suits this tokenizer: 200 of 200 draws dropped: no counterf"):
        load(SlotTemplate.of(data), words())


def test_another_tokenizer():
    task = load(SlotTemplate.of(GIFTS | {"slots": GIFTS["slots"] | {"place": ["park", "shop"]}}), llama(), n=10)
    assert {text.strip() for text in llama().tokenizer.strings(task.targets.tolist())} <= {"Lily", "Tom", "Mary", "John", "Ben", "Sam"}
    assert any("left out, since they must be a single token each" in note for note in task.notes)


def test_files(tmp_path):
    (tmp_path / "mine.py").write_text(f"from sonde.tasks import SlotTemplate\nimport sonde\nother = SlotTemplate.of({GIFTS!r})\n", encoding="utf-8")
    assert load(tmp_path / "mine.py", words(), n=4).texts == load(SlotTemplate.of(GIFTS), words(), n=4).texts
    rule = "from sonde.tasks.templates import TEMPLATES\ntemplate = TEMPLATES['ioi']\n"
    (tmp_path / "rule.py").write_text(rule, encoding="utf-8")
    assert read_template(tmp_path / "rule.py") is TEMPLATES["ioi"] and len(load(str(tmp_path / "rule.py"), words(), n=3)) == 3


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.py", "x = 1", "holds no templates: it must define one"),
        ("a.py", "x = 1 +", "can't be run: SyntaxError"),
        ("a.py", "raise ValueError('first\\nsecond')", "can't be run: ValueError: first second"),
        ("a.csv", "a,b", "is no file of a template: .* files of examples are opened by sonde.tasks.read"),
        ("a.yaml", None, "there is no file .*a.yaml; `sonde tasks new"),
    ],
)
def test_files_that_hold_no_template(tmp_path, name, text, message):
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load(str(tmp_path / name), words())


def test_starters_are_read_and_say_why_they_do_not_suit(tmp_path):
    """Each is a template that can be read; those whose words the specimen knows have a gap as they are."""
    for name in starters():
        template = read_template(write_starter(tmp_path / f"my_{name}.yaml", name))
        assert template.name == f"my_{name}" and template.question.endswith("?")
        if name in ("ioi", "agreement", "capital", "successor", "pronoun", "induction"):
            assert check(words(), load(template, words(), n=16)).holds
        elif name == "hypernymy":
            with pytest.raises(InputError, match=r"' animals' is \d tokens"):
                load(template, words(), n=16)


def test_a_starter_is_never_written_over_a_file(tmp_path):
    file = write_starter(tmp_path / "my.yaml")
    for arguments, message in [
        ((file,), "is there already"), ((tmp_path / "a.txt",), "end it in .yaml"), ((tmp_path / "b.yaml", "none"), "no starter 'none'"),
        ((tmp_path / "no" / "a.yaml",), "can't be written: No such file"),
    ]:  # fmt: skip
        with pytest.raises(InputError, match=message):
            write_starter(*arguments)
