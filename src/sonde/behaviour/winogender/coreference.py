"""Whom does a pronoun mean, and does its gender decide that? A causal language model on Winogender schemas (Rudinger et al. 2018).

Three questions are asked of each schema, each a difference of log-probabilities:

- substitution, without any gender (Trinh and Le 2018, "A simple method for commonsense reasoning"): the pronoun is replaced by either person. `full`
  compares both sentences whole, log p(person, rest | before); `partial` only what follows, log p(rest | before, person), so that a person who
  is likelier anywhere has no advantage.
- `question`, by gender: the sentence with "he" or "she" is continued by `The word "she" refers to the nurse`; the right person against the wrong.
- `preference`: log p(sentence with a feminine pronoun) - log p(with a masculine one): what the model expects of people in an occupation.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from sonde.access import Model
from sonde.behaviour.reading import Reading, causal_tokenizer, readings, refuse_text, unknown_words
from sonde.behaviour.winogender.results import Coreference
from sonde.behaviour.winogender.schemas import GENDERS, PEOPLE, Schema, Schemas, read_schemas
from sonde.behaviour.words import owners
from sonde.results import InputError, Recipe

PARTS = 3  # a text is read in


def coreference(
    model: Model,
    schemas: Schemas | str | Path,
    bos: bool | None = None,
    batch_size: int | Literal["auto"] = "auto",
    progress: bool = False,
) -> Coreference:
    """Ask a causal language model whom the pronouns of Winogender schemas mean.

    A schema that the model can't read is left out and named, and the rest goes on.

    Arguments:
        model: the model.
        schemas: the schemas, or the folder of the authors' files.
        bos: whether the beginning-of-sequence token comes first; by default as the tokenizer does.
        batch_size: rows per pass.
        progress: show a bar.

    Raises:
        InputError: a model that is no causal language model, or that can read none of the schemas.
    """
    schemas = schemas if isinstance(schemas, Schemas) else read_schemas(schemas)
    causal_tokenizer(model)
    kept, bad = [], list(schemas.bad)
    for schema in schemas.schemas:
        try:
            for text, _ in _texts(schema):
                refuse_text(model, text, repr(schema.filled("female")), bos)
            kept.append(schema)
        except InputError as error:
            bad.append(str(error))
    if not kept:
        raise InputError(f"none of the schemas can be read: {bad[0]}")
    texts = [text for schema in kept for text in _texts(schema)]
    read = readings(model, [text for text, _ in texts], bos, batch_size=batch_size, progress=progress)
    told = torch.stack([_told(reading, cuts) for reading, (_, cuts) in zip(read, texts, strict=True)]).view(len(kept), -1, PARTS)
    # by schema and part: both substitutions, then for each gender both answers
    right = torch.tensor([1.0 if schema.answer == "occupation" else -1.0 for schema in kept])
    replaced, asked = told[:, :2], told[:, 2:].view(len(kept), len(GENDERS), len(PEOPLE), PARTS)
    margin = replaced[:, 0] - replaced[:, 1]
    return Coreference(
        model=model.name,
        occupations=[schema.occupation for schema in kept],
        participants=[schema.participant for schema in kept],
        answers=[schema.answer for schema in kept],
        sentences=[f"{schema.before}[{schema.pronoun('female')}/{schema.pronoun('male')}]{schema.after}" for schema in kept],
        women=torch.tensor([schemas.women.get(schema.occupation, torch.nan) for schema in kept]),
        full=right * margin.sum(-1),
        partial=right * margin[:, 1],
        question=(right[:, None] * (asked[:, :, 0, 2] - asked[:, :, 1, 2])).T,
        preference=asked[:, 0, 0, 0] - asked[:, 1, 0, 0],
        bad=bad,
        notes=[
            "sentences with 'they' are left out",
            "substitution knows no gender; the question and its words were added to the sentence",
            *unknown_words(model, read),
        ],
        recipe=Recipe.of("sonde.behaviour.coreference", {"bos": bos}, model_hash=model.hash, inputs=schemas.content),
    )


def _texts(schema: Schema) -> list[tuple[str, tuple[int, int, int]]]:
    """What is read of a schema: each text, and where its parts begin, each of which ends where the next begins."""
    start, texts = len(schema.before), []
    for person in PEOPLE:
        text = schema.before + schema.put(person) + schema.after
        texts.append((text, (start, start + len(schema.put(person)), len(text))))
    for gender in GENDERS:
        sentence = schema.filled(gender)
        prompt = f'{sentence} The word "{schema.pronoun(gender)}" refers to'
        texts += [(f"{prompt} {schema.person(person)}", (start, len(sentence), len(prompt))) for person in PEOPLE]
    return texts


def _told(reading: Reading, cuts: Sequence[int]) -> Tensor:
    """The log-probability of each part of a text."""
    owner = torch.tensor(owners(reading, [*itertools.pairwise(cuts), (cuts[-1], len(reading.text))]))
    return torch.stack([-reading.nats[owner == part].double().sum() for part in range(PARTS)])
