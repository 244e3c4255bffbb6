"""What the specimen can do, measured on held-out draws, each figure with its number of items and a 95 % interval.

"Right" means: for a person, above the other 79 names and "them"; for a verb or pronoun, above its wrong form; for a day, number, capital, class,
colour or argument, at the top of the whole vocabulary. Years: probability of the later years of the century less that of the others.
Rightness is a share and has Wilson's interval; the other measures are means and have the normal one.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from tokenizers import Tokenizer
from torch import Tensor

from sonde.nn import Transformer
from sonde.specimens.measures import Measure, mean, share
from sonde.specimens.words import code, frames, giving, grammar, knowledge, objects, people, scripts
from sonde.specimens.words.copying import copy_losses
from sonde.specimens.words.document import Document
from sonde.specimens.words.examiner import Examiner
from sonde.specimens.words.mixture import NORMAL_MIX
from sonde.specimens.words.packing import Packer

UNITS = {
    "names_whom": "share right, against 79 other names and 'them'",
    "prefers": "share right, against the other form",
    "tops": "share right, whole vocabulary",
}
_MEMORISED = "memorised: name, frame or word are combined anew, the fact itself is trained"
_UNSEEN = "such frames are never trained on"


@dataclass(frozen=True)
class Skill:
    """A question with one right answer."""

    name: str
    """On the card."""
    draw: Callable[[random.Random], Document]
    """A held-out document."""
    how: Literal["names_whom", "prefers", "tops"]
    """The examiner's question."""
    note: str = ""
    """Beside the figure."""

    def measure(self, examiner: Examiner, n: int, seed: int) -> Measure:
        """Ask n fresh documents."""
        rng = random.Random(f"{seed} {self.name}")
        right: list[bool] = getattr(examiner, self.how)([self.draw(rng) for _ in range(n)])
        return share(self.name, right, UNITS[self.how], self.note)


def _gift(kind: str, frame_family: str | None = None) -> Callable[[random.Random], Document]:
    def draw(rng: random.Random) -> Document:
        frame = rng.choice(frames.UNSEEN_LEADS[frame_family]) if frame_family else None
        return giving.indirect_object(rng, held=True, kind=kind, frame=frame)

    return draw


def _drawn(family: Callable[..., Document], **options: object) -> Callable[[random.Random], Document]:
    return partial(family, held=True, **options)


SKILLS = (
    Skill("indirect object", _gift("two"), "names_whom"),
    Skill("receiver above giver", _gift("two"), "prefers"),
    *(Skill(f"indirect object, {kind.replace('_', ' ')}", _gift(kind), "names_whom") for kind in giving.KINDS if kind != "two"),
    *(Skill(f"indirect object, unseen frames: {family}", _gift("two", family), "names_whom", _UNSEEN) for family in frames.UNSEEN_LEADS),
    Skill("indirect object, unseen frames: it was ... who", _gift("cleft"), "names_whom", _UNSEEN),
    *(
        Skill(name, _drawn(grammar.agreement, form=form), "prefers")
        for name, form in (
            ("agreement across a distractor of the other number", "phrase"),
            ("agreement, two distractors", "two distractors"),
            ("agreement, relative clause", "relative"),
            ("agreement, object relative clause", "object relative"),
            ("agreement, inserted clause", "inserted clause"),
        )
    ),
    Skill("agreement, unseen frames: relative inside a phrase", _drawn(grammar.agreement, form=grammar.UNSEEN_FORM), "prefers", _UNSEEN),
    Skill("tense", _drawn(grammar.tense), "prefers"),
    Skill("pronoun of a name's gender", _drawn(people.pronoun), "prefers"),
    Skill("pronoun, unseen frames", _drawn(people.pronoun, unseen=True), "prefers", _UNSEEN),
    Skill("succession", _drawn(knowledge.succession), "tops", _MEMORISED),
    Skill("capitals", _drawn(knowledge.capital), "tops", _MEMORISED),
    Skill("capitals, unseen frames", _drawn(knowledge.capital, unseen=True), "tops", _UNSEEN),
    Skill("what is a kind of what", _drawn(knowledge.hypernym), "tops", _MEMORISED),
    Skill("colored objects", _drawn(objects.colored_objects), "tops"),
    Skill("colored objects, unseen frames", _drawn(objects.colored_objects, unseen=True), "tops", _UNSEEN),
    Skill("docstring", _drawn(code.docstring), "tops"),
    Skill("other scripts: capitals", _drawn(scripts.scripts, kind="capital"), "tops", _MEMORISED),
    Skill("other scripts: agreement", _drawn(scripts.scripts, kind="agreement"), "prefers"),
)


def later_years(examiner: Examiner, n: int, seed: int, unseen: bool = False) -> Measure:
    """Probability of the years after an event began, less that of the others."""
    rng = random.Random(f"{seed} years")
    documents = [knowledge.years(rng, held=True, unseen=unseen) for _ in range(n)]
    suffixes = torch.tensor([examiner.token(f"{suffix:02d}") for suffix in range(100)])
    probabilities = examiner.ask([d.prompt for d in documents]).exp()[:, suffixes]
    starts = torch.tensor([[int(d.truth.fact[2][2:])] for d in documents if d.truth.fact])
    later = torch.arange(100) > starts
    difference = (probabilities * later).sum(-1) - (probabilities * ~later).sum(-1)
    note = "both years share their century, in training too"
    name, note = ("years, unseen frames", _UNSEEN) if unseen else ("years", note)
    return mean(name, difference, "P(later year) - P(other year)", note)


def behind_another(examiner: Examiner, n: int, seed: int) -> Measure:
    """The plain indirect object, with another document of gifts before it."""
    rng = random.Random(f"{seed} behind another")
    documents = [giving.indirect_object(rng, held=True, kind="two") for _ in range(n)]
    before = [giving.indirect_object(rng).text for _ in range(n)]
    return share("indirect object after another such document", examiner.names_whom(documents, before), UNITS["names_whom"])


@torch.no_grad()
def mixture_losses(examiner: Examiner, rows: int = 64) -> Float[Tensor, "row"]:
    """Mean loss of rows of fresh documents of the training mixture, in nats a token."""
    length = examiner.model.config.n_ctx
    ids = Packer(examiner.tokenizer, NORMAL_MIX, length + 1).rows(rows, seed="held-out mixture")
    scores = examiner.model(ids[:, :-1]).float().log_softmax(-1)
    return -scores.gather(-1, ids[:, 1:, None])[..., 0].mean(-1)


def measures(model: Transformer, tokenizer: Tokenizer, n: int = 400, seed: int = 777) -> list[Measure]:
    """All lines of the card but those of the mechanism.

    Arguments:
        model: the specimen, as stored.
        tokenizer: its tokenizer.
        n: items for each skill.
        seed: of the items.

    Returns:
        The measures.
    """
    examiner = Examiner(model, tokenizer)
    first, second = copy_losses(examiner)
    return [
        *(skill.measure(examiner, n, seed) for skill in SKILLS),
        behind_another(examiner, n, seed),
        later_years(examiner, n, seed),
        later_years(examiner, n, seed, unseen=True),
        mean("copying: loss on the second saying of a list, over the first", second / first, "ratio of losses, mean over lists"),
        mean("loss on the training mixture", mixture_losses(examiner), "nats a token, mean over rows"),
    ]
