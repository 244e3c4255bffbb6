"""The published files themselves, where they are: every row is kept or counted as dropped, and most fit a tokenizer that knows their words."""

import re

import pytest
from bpe_models import gpt2
from data_models.shared import DATA, needs

from sonde.tasks import read
from sonde.tasks.tables import records

# the examples that each holds, and the least share of them that fits
FILES = {
    "circuit_tasks_autocircuit/animal_diet_short_prompts.json": (1000, 0.9),
    "circuit_tasks_autocircuit/capital_cities_prompts.json": (16, 0.9),
    "circuit_tasks_autocircuit/docstring_prompts.json": (1000, 0.9),
    "circuit_tasks_autocircuit/ioi_prompts.json": (1000, 0.9),
    "circuit_tasks_autocircuit/sports_players_prompts.json": (249, 0.1),
    "circuit_tasks_eapig/greater_than.csv": (1000, 0.9),
    "circuit_tasks_eapig/ioi_llama3_tokens.csv": (499, 0.9),
    "circuit_tasks_faithfulness/ioi.csv": (1000, 0.9),
    "circuit_tasks_faithfulness/greater-than.csv": (1000, 0.9),
    "circuit_tasks_faithfulness/greater-than-price.csv": (1000, 0.9),
    "circuit_tasks_faithfulness/greater-than-sequence.csv": (825, 0.9),
    "circuit_tasks_faithfulness/gender-bias.csv": (986, 0.5),
    "circuit_tasks_faithfulness/fact-retrieval-comma.csv": (190, 0.3),
    "circuit_tasks_faithfulness/hypernymy-comma.csv": (198, 0.3),
    "circuit_tasks_mib/simple_MCQA/object_color_pairs.json": (180, 0.9),
    "sva_feature_circuits/simple_train.jsonl": (480, 0.9),
    "sva_feature_circuits/nounpp_test.jsonl": (480, 0.9),
    "winogender/all_sentences.tsv": (240, 0.3),
    "winogender/templates.tsv": (120, 0.5),
}
FOLDERS = (
    "circuit_tasks_autocircuit",
    "circuit_tasks_eapig",
    "circuit_tasks_faithfulness",
    "circuit_tasks_mib",
    "sva_feature_circuits",
    "winogender",
)
pytestmark = needs(*FOLDERS)


def texts(value):
    """All texts of a row, as they stand in a sentence."""
    if isinstance(value, str):
        yield f" {value.strip()}"
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts(part)


@pytest.fixture(scope="module")
def model():
    files = [*FILES, "circuit_tasks_faithfulness/sva_verb_list.csv", "circuit_tasks_mib/IOI_task/names.json"]
    found = [text for name in files for row in records(DATA / name)[:1000] for text in texts(row)]
    return gpt2([*found, *(f"x{i:02}" for i in range(100)), "\nA. B. C. D. Answer: A B C D", ' The word "he" "she" refers to the'] * 2, 12000)


@pytest.mark.parametrize("name", FILES)
def test_every_row_is_read_or_counted(model, name):
    """Of the larger files a part is read, to be quick."""
    whole, least = FILES[name]
    task = read(DATA / name, model, n=100 if whole > 500 else None)
    dropped = [(int(found[1]), int(found[2])) for note in task.notes if (found := re.match(r"(\d+) of (\d+) rows dropped", note))]
    seen = len(task) + sum(count for count, _ in dropped)
    assert {total for _, total in dropped} <= {seen} and (seen == whole or len(task) == 100)
    assert len(task) >= least * seen, task.notes
    assert all(len(clean) == len(corrupt) and clean != corrupt for clean, corrupt in zip(task.clean, task.corrupt, strict=True))
    assert all(not {*right} & {*wrong} for right, wrong in zip(task.answers, task.wrongs, strict=True))


def test_many_verbs(model):
    task = read(DATA / "circuit_tasks_faithfulness" / "sva.csv", model, n=100)
    strings = model.tokenizer.strings
    assert len(task) == 100 and min(map(len, task.answers)) > 500
    assert {(strings(right[:1])[0], strings(wrong[:1])[0]) for right, wrong in zip(task.answers, task.wrongs, strict=True)} == {
        (" is", " are"),
        (" are", " is"),
    }


def test_templates_with_lists_beside_them(model):
    task = read(DATA / "circuit_tasks_mib" / "IOI_task", model, n=50)
    assert len(task) == 50 and len({text.split()[0] for text in task.texts}) > 5
