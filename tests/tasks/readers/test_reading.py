"""Files of examples, one of each format, written by hand: what is read, what is dropped, and that no file's token ids are ever used."""

import json

import pytest
from bpe_models import gpt2
from tiny_tokenizer import words as tiny

import sonde
from sonde.results import InputError
from sonde.tasks import FORMATS, check, read
from sonde.tasks.gathering import Example, Gathering

TEXTS = [
    " When Mary and John went to the shop, John gave a book to; Mary gave it to; Paul gave it to. Anna Lisa Tom",
    " from the year to the year 17 16",
    *(f" {i:02}" for i in range(100)),
    *(f"x{i:02}" for i in range(100)),
    " The poet said that he she was the man woman poem poems from the author is are was were like likes run runs",
    " Paris, the capital of France Rome, Italy Oslo, Norway",
    ", dogs and other animals animal pets; apples and other fruits fruit food",
    ' The word "he" "she" refers to the technician customer. The told the that could pay with cash had finished soon',
    " Question: The lemon rose is yellow red green blue white. What color is the lemon?\nA. B. C. D.\nAnswer: A B C D",
    " Lyon Paris city country of in People speak",
]


@pytest.fixture(scope="module")
def model():
    return gpt2(TEXTS * 20)


def written(folder, name, content):
    file = folder / name
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


def said(model, task):
    """The right and the wrong answers of each example, as text."""
    strings = model.tokenizer.strings
    return [(strings(right), strings(wrong)) for right, wrong in zip(task.answers, task.wrongs, strict=True)]


def test_prompts(model, tmp_path):
    prompts = [
        {"clean": "The poet said", "corrupt": "The man said", "answers": [" he"], "wrong_answers": [" she"]},
        {"clean": "The poet said", "corrupt": "The author said that", "answers": [" he"], "wrong_answers": [" she"]},
        {"clean": "The man said", "corrupt": "The poet said", "answers": [" he", " hexagon"], "wrong_answers": [" she", " was"]},
        {"clean": "The man said", "corrupt": "The poet said", "answers": [], "wrong_answers": [" she"]},
    ]
    task = read(written(tmp_path, "p.json", {"word_idxs": {"end": 2}, "prompts": prompts}), model)
    assert said(model, task) == [([" he"], [" she"]), ([" he"], [" she", " was"])] and task.metric.unit == "probability"
    assert task.texts == ("The poet said", "The man said") and task.name == "p"
    assert "read as 'prompts'" in task.notes and any("word_idxs" in note and "left out" in note for note in task.notes)
    told = " ".join(task.notes)
    assert "1 of 4 rows dropped: the counterfactual has another number of tokens (first row 2: 5 against 4, ' author| said| that' against" in told
    assert "1 of 4 rows dropped: answers is neither a text nor a list of texts (first row 4: [])" in told
    assert "1 answers that are no single token were left out of their sets: ' hexagon' is" in told


def test_prefixes(model, tmp_path):
    rows = [
        {"clean_prefix": "The poem", "patch_prefix": "The poems", "clean_answer": " is", "patch_answer": " are", "case": "singular"},
        {"clean_prefix": "The poems", "patch_prefix": "The poem", "clean_answer": " were", "patch_answer": " was", "case": "plural"},
    ]
    task = read(written(tmp_path, "sva.jsonl", "\n".join(map(json.dumps, rows))), model)
    assert said(model, task) == [([" is"], [" are"]), ([" were"], [" was"])] and task.metric.unit == "logits"


def test_names_are_taken_from_the_sentence(model, tmp_path):
    """The ids in the file are another tokenizer's: whatever they are, they change nothing."""
    clean = "When Mary and John went to the shop, John gave a book to"
    third, hard = (clean.replace(", John", f", {name}") for name in ("Paul", "Mary"))
    lines = ["id,clean,corrupted,corrupted_hard,correct_idx,incorrect_idx"]
    lines += [f'0,"{clean}","{third}","{hard}",{ids}' for ids in ("1,2", "7,5")] + [f'0,"{clean}","{third}","{clean}",1,2']
    file = written(tmp_path, "ioi.csv", "\n".join(lines))
    task = read(file, model)
    assert said(model, task) == [([" Mary"], [" John"])] * 2 and task.corrupt_texts == (third, third)
    assert read(file, model, variant="corrupted_hard").corrupt_texts == (hard, hard)
    for part, word in (("receiver", " Mary"), ("giver", " John"), ("giver again", " John")):
        spans = zip(task.clean, task.spans[part], strict=True)
        assert [model.tokenizer.strings([row[i] for i in places]) for row, places in spans] == [[word]] * 2
    assert task.spans["giver again"] == task.spans["changed"]
    assert any(note.startswith("1 of 3 rows dropped: the names can't be told from the sentences (first row 3:") for note in task.notes)


@pytest.mark.parametrize("column", ["label", "correct_idx"])
def test_years(model, tmp_path, column):
    rows = [
        "from the year 1752 to the year 17,from the year 1701 to the year 17,52",
        "from the year 1704 to the year 17,from the year 1701 to the year 17,4",
        "from the year 1752 to the year 17,from the year 1701 to the year 17,53",
        "from the year 1799 to the year 17,from the year 1701 to the year 17,99",
        "from the year 1752 to the year 18,from the year 1701 to the year 18,52",
    ]
    task = read(written(tmp_path, "years.csv", "\n".join([f"clean,corrupted,{column}", *rows])), model)
    for (right, wrong), start in zip(said(model, task), (52, 4), strict=True):
        assert sorted(right) == [f"{i:02}" for i in range(start + 1, 100)] and sorted(wrong) == [f"{i:02}" for i in range(start + 1)]
        assert (right[0], wrong[0]) == (f"{start + 1:02}", f"{start:02}")
    assert task.metric.unit == "probability"
    told = " ".join(task.notes)
    for reason in (
        f"the column {column} contradicts the sentence",
        "no later number has the same beginning",
        "no number of four digits is begun again",
    ):
        assert f"1 of 5 rows dropped: {reason}" in told


def test_agreement_takes_verbs_from_beside_the_file(model, tmp_path):
    rows = "clean,corrupted,group,plural\nThe poems from the author,The poem from the author,g,1\nThe poem,The poems,g,0\nThe poem,The poems,g,2"
    file = written(tmp_path, "sva.csv", rows)
    with pytest.raises(InputError, match=r"says only whether the verb is plural: put the verbs beside it, as sva_verb_list\.csv"):
        read(file, model)
    written(tmp_path, "sva_verb_list.csv", "idx,sing,plur,freq\n_,likes,like,_\n_,runs,run,_\n_,is,are,_\n_,like,likes,_\n_,elucidates,elucidate,_")
    task = read(file, model)
    # "like" and "likes" stand in both lists, so they say nothing; the commonest comes first
    assert said(model, task) == [([" are", " run"], [" is", " runs"]), ([" is", " runs"], [" are", " run"])]
    assert any("elucidate' is" in note for note in task.notes) and any(
        "1 of 3 rows dropped: plural is neither 0 nor 1" in note for note in task.notes
    )


def test_facts(model, tmp_path):
    rows = [
        "clean,capital,country,country_idx,corrupted,corrupted_capital,corrupted_country,corrupted_country_idx",
        '" Paris, the capital of",Paris,France,1," Rome, the capital of",Rome,Italy,2',
        '" Oslo, the capital of",Oslo,Norway,3," Rome, the capital of",Rome,Ruritania,4',
    ]
    task = read(written(tmp_path, "facts.csv", "\n".join(rows)), model)
    assert said(model, task) == [([" France"], [" Italy"])]
    assert any(note.startswith("1 of 2 rows dropped: the wrong answer is no single token (first row 2: ' Ruritania' is") for note in task.notes)


def test_hypernyms(model, tmp_path):
    head = "clean,answers,answers_idx,corrupted,corrupted_answers,corrupted_answers_idx,clean2,corrupted2"
    row = '", dogs and other","[\'animals\', \'pets\']","[1, 2]",", apples and other","[\'fruits\', \'fruit\']","[3]",The dogs are,The apples are'
    bad = row.replace("['animals', 'pets']", "[__import__('os').abort()]")
    task = read(written(tmp_path, "hypernymy.csv", "\n".join([head, row, bad])), model)
    assert said(model, task) == [([" animals", " pets"], [" fruits", " fruit"])] and task.texts == (", dogs and other",)
    assert any("1 of 2 rows dropped: the answers are no list of words" in note for note in task.notes)
    assert read(tmp_path / "hypernymy.csv", model, variant="are a type of").texts == ("The dogs are",)


def test_professions(model, tmp_path):
    rows = [
        "clean,corrupted,clean_answer_idx,corrupted_answer_idx,label", "The poet said that,The man said that,1,2,0",
        "The poet said that,The woman said that,1,2,1", "The poet,The author,1,2,0",
    ]  # fmt: skip
    task = read(written(tmp_path, "bias.csv", "\n".join(rows)), model)
    assert said(model, task) == [([" she"], [" he"]), ([" he"], [" she"])]
    assert any("stereotyped" in note for note in task.notes) and any("names neither a man nor a woman" in note for note in task.notes)


def test_winogender(model, tmp_path):
    ends = {"1": "could pay with cash", "0": "had finished soon with"}
    rows = [
        f"technician.{who}.{answer}.{gender}.txt\tThe technician told {named} that {pronoun} {end}."
        for who, named in (("customer", "the customer"), ("someone", "someone"))
        for answer, end in ends.items()
        for gender, pronoun in (("male", "he"), ("female", "she"), ("neutral", "they"))
    ]
    file = written(tmp_path, "all.tsv", "\n".join(["sentid\tsentence", *rows]))
    task = read(file, model)
    prompts = [f'The technician told the customer that he {end}. The word "he" refers to the' for end in ends.values()]
    assert task.texts == tuple(prompts)
    assert task.corrupt_texts == tuple(p.replace("that he", "that she").replace('"he"', '"she"') for p in prompts)
    assert said(model, task) == [([" customer"], [" technician"]), ([" technician"], [" customer"])]
    assert any("2 of 4 rows dropped: the sentence names one person only" in note for note in task.notes)
    other = read(file, model, variant="referent")
    assert len(other) == 4 and dict(zip(other.texts, other.corrupt_texts, strict=True))[prompts[0]] == prompts[1]
    schemas = [f"technician\tcustomer\t{answer}\tThe $OCCUPATION told the $PARTICIPANT that $NOM_PRONOUN {end}." for answer, end in ends.items()]
    file = written(tmp_path, "templates.tsv", "\n".join(["occupation(0)\tother-participant(1)\tanswer\tsentence", *schemas]))
    assert read(file, model).texts == task.texts


def test_indirect_objects(model, tmp_path):
    file = written(tmp_path, "templates.json", ["When {name_A} and {name_B} went to the {place}, {name_C} gave a {object} to"])
    with pytest.raises(InputError, match=r"holds templates only: put names\.json, places\.json, objects\.json beside it"):
        read(file, model)
    for name, entries in (("names", ["Mary", "John", "Paul", "Wilhelmina"]), ("places", ["shop"]), ("objects", ["book"])):
        written(tmp_path, f"{name}.json", entries)
    task = read(tmp_path, model, n=6)
    assert len(task) == 6 and task.name == tmp_path.name
    for text, ((right,), (wrong,)) in zip(task.texts, said(model, task), strict=True):
        assert text.endswith(f",{wrong} gave a book to") and text.count(wrong.strip()) == 2 and text.count(right.strip()) == 1
    assert any("1 of 4 words of slot 's'" in note and "' Wilhelmina' is" in note for note in task.notes)


def test_coloured_objects(model, tmp_path):
    rows = [{"object": "lemon", "color": "yellow"}, {"object": "rose", "color": "red"}, *({"object": "shop", "color": c} for c in ("green", "blue"))]
    task = read(written(tmp_path, "pairs.json", rows), model)
    for row, clean, corrupt, ((right,), wrong) in zip(rows, task.texts, task.corrupt_texts, said(model, task), strict=True):
        assert f"\n{right.strip()}. {row['color']}\n" in clean and f"\n{wrong[0].strip()}. {row['color']}\n" in corrupt
        assert sorted([right, *wrong]) == [" A", " B", " C", " D"]


def test_cities(model, tmp_path):
    fact = {"Continent": "Europe", "Language": "French", "Latitude": "1"}
    countries = {"Paris": "France", "Lyon": "France", "Rome": "Italy", "Oslo": "Ruritania"}
    file = written(tmp_path, "cities.json", {city: fact | {"Country": country} for city, country in countries.items()})
    task = read(file, model, n=3)
    found = {text.split()[0]: right for text, (right, _) in zip(task.texts, said(model, task), strict=True)}
    assert found == {"Paris": [" France"], "Lyon": [" France"], "Rome": [" Italy"]}
    assert all(right != wrong for right, wrong in said(model, task))
    with pytest.raises(InputError, match="has no variant 'Timezone'; it has Country, Continent, Language"):
        read(file, model, variant="Timezone")


def test_a_part_of_the_rows(model, tmp_path):
    file = written(tmp_path, "many.csv", "clean,corrupt,answer,wrong\n" + "".join(f"The poem {i:02},The poems {i:02}, is, are\n" for i in range(40)))
    whole, part, same, other = read(file, model), read(file, model, n=8), read(file, model, n=8), read(file, model, n=8, seed=1)
    assert len(whole) == 40 and len(part) == 8 and part.texts == same.texts != other.texts and set(part.texts) < set(whole.texts)
    assert "only 40 examples of the 50 asked for fit" in read(file, model, n=50).notes
    assert len(check(model, part).clean) == 8


def test_what_a_tokenizer_cannot_take_is_dropped():
    """A tokenizer of whole words writes others as unknown, in silence."""
    model = sonde.Model(gpt2([" w"]).module, tiny())
    gathering = Gathering(model, "words")
    assert gathering.add(Example("w1 w2", "w3 w2", (" w4",), (" w5",)))
    for clean, corrupt, right, wrong in [
        ("w1 unknown", "w3 unknown", " w4", " w5"), ("w1 w2", "w3 w2", " w4", " w4"), ("w1 w2", "w1 w2", " w4", " w5"), ("w1", " ", " w4", " w5"),
        ("w1 w2", "w3 w2", " unknown", " w5"),
    ]:  # fmt: skip
        assert not gathering.add(Example(clean, corrupt, (right,), (wrong,)))
    told = " ".join(gathering.task().notes)
    for reason in (
        "it holds a word that this tokenizer can't spell ('unknown')", "an answer is wrong as well (", "the counterfactual is the prompt itself",
        "the prompt or its counterfactual is empty", "the answer is no single token (' unknown' is not in the vocabulary)",
    ):  # fmt: skip
        assert f"1 of 6 rows dropped: {reason}" in told


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "country,capital\nFrance,Paris", r"has the columns country, capital, which are no known format .*lists of words are for the slots"),
        ("a.csv", "clean,corrupt,answer,wrong\n", "holds no rows"),
        (
            "a.csv",
            "clean,corrupt,answer,wrong\nThe poem,The poems, Ruritania, is",
            "none of the 1 rows of 'a' suits this tokenizer: 1 of 1 rows dropped",
        ),
        ("a.json", "{", "is no JSON"),
        ("a.json", '{"a": 1}', "holds no rows: a list, an object of objects"),
        ("a.jsonl", '{"a": 1}\n[', "line 2 is no JSON"),
        ("a.json", "[null]", "entry 1 is neither a text nor a list nor an object"),
        ("a.npz", "x", "is no file of rows: give one that ends in .txt, .csv"),
        ("a.txt", "first\nsecond", "has the columns word, which are no known format"),
    ],
)
def test_files_that_hold_no_examples(model, tmp_path, name, text, message):
    with pytest.raises(InputError, match=message):
        read(written(tmp_path, name, text), model)


def test_a_format_by_name(model, tmp_path):
    file = written(tmp_path, "a.csv", "clean,corrupt,answer,wrong\nThe poem,The poems, is, are")
    assert len(read(file, model, format="pairs")) == 1
    for options, message in [
        ({"format": "table"}, "there is no format 'table'; there are prompts, prefixes, pairs"),
        ({"format": "ioi"}, "has no column 'corrupted', which the format 'ioi' needs"),
        ({"variant": "x"}, "no variant 'x'; it has none"),
    ]:
        with pytest.raises(InputError, match=message):
            read(file, model, **options)
    with pytest.raises(InputError, match="there is no file"):
        read(tmp_path / "none.csv", model)
    assert len({format_.columns for format_ in FORMATS.values()}) == len(FORMATS)
