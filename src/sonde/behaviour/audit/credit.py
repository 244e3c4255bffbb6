"""The credit example: a small language model with a planted prejudice, to see an audit find what an attribution hides.

"John is a 40 year old man and nurse from Leeds" asks for a loan. The model was written by hand, as a transformer of two layers. With a the age's
worth, j the job's, and f = 1 for a woman's *name* (the words man and woman are never read), the logits of granted minus refused are

    1.5 + a + 0.2 j - 2 s(f),        s(f) = relu(2 f - 0.5) - relu(2 f - 1.5)

and s is 0 at f = 0 and 1 at f = 1, flat at both. So the gradient says that the name does not matter, and changing the word woman to man changes
nothing: only whoever changes the name sees that the model decides by gender more than by anything else.
"""

import itertools
from dataclasses import dataclass

import torch

from sonde.access import Metric, Model
from sonde.behaviour.audit.changes import Implied
from sonde.behaviour.audit.profiles import Profiles, Value, texts
from sonde.specimens.compiled.assembly import Assembly
from sonde.tasks import LogitDifference

TEMPLATE = "{name} is a {age} year old {gender} and {job} from {city}"
NAMES = {"John": "man", "Mark": "man", "Paul": "man", "Suzan": "woman", "Mary": "woman", "Anna": "woman"}
AGES = {"25": -1.0, "40": 0.0, "60": 1.0}
JOBS = {"nurse": 0.0, "teacher": 0.5, "engineer": 1.0}
CITIES = ("Leeds", "York", "Bath")
BASE, AGE, JOB, WOMAN = 1.5, 1.0, 0.2, 2.0
_WORDS = 12  # of every text, with the beginning-of-sequence token


@dataclass(frozen=True, eq=False)
class Credit:
    """The model and what an audit of it needs.

    Arguments:
        model: of ten-word applications.
        profiles: the applicants.
        attributes: what is changed, with the values.
        implied: the names say a gender.
        of: the logit of granted minus that of refused; granted above 0.
    """

    model: Model
    profiles: Profiles
    attributes: dict[str, list[Value]]
    implied: Implied
    of: Metric


def credit() -> Credit:
    """The example, ready to be audited.

    >>> example = credit()
    >>> john, suzan = (dict(example.profiles.rows[0], name=name) for name in ("John", "Suzan"))
    >>> example.of(example.model.run(example.profiles.render([john, suzan]))).tolist()
    [0.5, -1.5]
    """
    words = (*NAMES, *AGES, *JOBS, *CITIES, "is", "a", "year", "old", "man", "woman", "and", "from", "granted", "refused")
    asm = Assembly(words, _WORDS, {"fact": 1, "woman": 1, "standing": 1}, noise=0.0)
    worths = [AGE * value * asm.word(age) for age, value in AGES.items()] + [JOB * value * asm.word(job) for job, value in JOBS.items()]
    women = asm.word(*(name for name, gender in NAMES.items() if gender == "woman"))
    # looks at all words alike, so it reads their mean: times their number that is their sum
    asm.head(
        0, score=[], value={"token": torch.cat([torch.stack(worths).sum(0), women], 1)},
        output={"fact": _WORDS * torch.tensor([[1.0], [0.0]]), "woman": _WORDS * torch.tensor([[0.0], [1.0]])},
    )  # fmt: skip
    # two neurons make the step s, and one that is always on gives what everybody begins with
    asm.mlp(
        0, read={"woman": torch.tensor([[2.0, 2.0, 0.0]]), "one": torch.tensor([[-0.5, -1.5, 1.0]])},
        write={"standing": torch.tensor([[-WOMAN], [WOMAN], [BASE]])},
    )  # fmt: skip
    answer = asm.word("granted").T
    asm.unembed({"fact": answer, "standing": answer})
    model = Model(asm.model, asm.tokenizer, name="the credit example")
    rows = [
        {"name": name, "age": age, "gender": gender, "job": job, "city": city}
        for (name, gender), age, job, city in itertools.product(NAMES.items(), AGES, JOBS, CITIES)
    ]
    granted, refused = (asm.tokenizer.single(word) for word in ("granted", "refused"))
    return Credit(
        model=model,
        profiles=texts(TEMPLATE, rows),
        attributes={"name": list(NAMES), "age": list(AGES), "gender": ["man", "woman"], "job": list(JOBS), "city": list(CITIES)},
        implied={"name": {"gender": dict(NAMES)}},
        of=LogitDifference(granted, refused),
    )
