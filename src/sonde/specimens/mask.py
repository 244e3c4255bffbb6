"""The specimen `mask`: a tiny BERT of the same small world, which fills in the word that is hidden.

It sees both sides of the blank (Devlin et al. 2019, "BERT"). Training hides the word that a document asks for in six of ten documents, and any
word with a chance of one in ten, four fifths of these by [MASK], the others by a random word or by nothing.
"""

import functools
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor, nn

from sonde.nn import permuted
from sonde.nn.training import Training, TrainingConfig
from sonde.specimens import cards, runs
from sonde.specimens.measures import Measure, share
from sonde.specimens.words.document import Document
from sonde.specimens.words.mixture import FAMILIES, documents
from sonde.specimens.words.world import NAMES

PAD, UNKNOWN, CLS, SEP, MASK = SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""The special tokens, with the ids from 0 on."""

MIX = {
    "indirect_object": 0.4, "agreement": 0.15, "pronoun": 0.1, "capital": 0.1, "tense": 0.1, "hypernym": 0.05, "succession": 0.05,
    "colored_objects": 0.05,
}  # fmt: skip
"""Shares of the families of documents."""

LIMITS = (
    "It does not find the receiver of a gift, nor the color of the thing asked for: which of several words of a text is meant was not learnt.",
    "It knows the words of its small world; any other is read as [UNK]. A year, a docstring and other scripts are not taught.",
    "Capitals, kinds and what comes after what are memorised: new in the test is their combination with names and frames.",
    "It was trained on single sentences or two; what it makes of longer texts was not measured.",
    "One training run: the intervals are over items, not over runs.",
)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome, beside the world itself."""

    seed: int = 0
    """Of the first weights and of the documents."""
    steps: int = 5000
    """Updates."""
    rows: int = 32
    """Documents in an update."""
    hidden_answers: float = 0.6
    """Share of documents whose answer is hidden."""
    hidden_words: float = 0.1
    """Chance of any word to be asked for."""

    def training(self) -> TrainingConfig:
        """How it is trained."""
        return TrainingConfig(steps=self.steps, lr=2e-3, weight_decay=0.01, warmup_steps=200)


@functools.cache
def tokenizer() -> Tokenizer:
    """Words and signs of the world, each a token; `[CLS]` stands before a text and `[SEP]` after it."""
    split = pre_tokenizers.Whitespace()
    counts: Counter[str] = Counter()
    for family in MIX:
        for document in documents(family, n=3000, seed=1):
            counts.update(word for word, _ in split.pre_tokenize_str(document.text))
    vocabulary = {word: i for i, word in enumerate((*SPECIAL, *sorted(counts)))}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    backend.pre_tokenizer = split
    backend.add_special_tokens(list(SPECIAL))
    ends = [(token, vocabulary[token]) for token in (CLS, SEP)]
    backend.post_processor = processors.TemplateProcessing(single=f"{CLS} $A {SEP}", pair=f"{CLS} $A {SEP} $B {SEP}", special_tokens=ends)
    return backend


def network(d_vocab: int) -> nn.Module:
    """The model before training: two layers of four heads, width 64.

    Arguments:
        d_vocab: entries of the vocabulary.
    """
    from transformers import BertConfig, BertForMaskedLM

    return BertForMaskedLM(
        BertConfig(
            vocab_size=d_vocab, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=256, max_position_embeddings=64,
            type_vocab_size=1, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.04, pad_token_id=0,
        )
    )  # fmt: skip


def _encoded(batch: Sequence[Document]) -> tuple[Int[Tensor, "row pos"], list[int]]:
    """Token ids, padded on the right, and each answer's place; 0 where no word is asked for."""
    reader = tokenizer()
    rows = [encoding.ids for encoding in reader.encode_batch([document.text for document in batch])]
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    for row, tokens in zip(ids, rows, strict=True):
        row[: len(tokens)] = torch.tensor(tokens)
    return ids, [len(reader.encode(d.prompt, add_special_tokens=False).ids) + 1 if d.answer else 0 for d in batch]


def _batch(recipe: Recipe, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """What an update sees, what stood there, and which places are asked for."""
    rng = random.Random(f"{recipe.seed}/{step}")
    drawn = [FAMILIES[family](rng) for family in rng.choices(list(MIX), list(MIX.values()), k=recipe.rows)]
    ids, places = _encoded(drawn)
    generator = torch.Generator().manual_seed(rng.randrange(2**31))
    chance = torch.rand(ids.shape, generator=generator)
    asked = (chance < recipe.hidden_words) & (ids >= len(SPECIAL))
    how = torch.rand(ids.shape, generator=generator)
    others = torch.randint(len(SPECIAL), tokenizer().get_vocab_size(), ids.shape, generator=generator)
    mask = SPECIAL.index(MASK)
    seen = torch.where(asked & (how < 0.8), mask, torch.where(asked & (how < 0.9), others, ids))
    for row, place in enumerate(places):
        if place and rng.random() < recipe.hidden_answers:
            seen[row, place], asked[row, place] = mask, True
    return seen, ids, asked


Scores = Callable[[Sequence[Document]], Float[Tensor, "document vocab"]]
"""What is said of the hidden answer of each document."""


@torch.no_grad()
def fill(model: Any, batch: Sequence[Document]) -> Float[Tensor, "document vocab"]:
    """The model's logits at the answer, which is hidden.

    Arguments:
        model: a masked language model of this vocabulary.
        batch: documents with an answer.
    """
    ids, places = _encoded(batch)
    row = torch.arange(len(batch))
    visible = (ids != 0).long()
    ids[row, places] = SPECIAL.index(MASK)
    return model(input_ids=ids, attention_mask=visible).logits[row, places]


def word_counts(batch: Sequence[Document], seed: int = 2) -> Float[Tensor, "document vocab"]:
    """The baseline that reads nothing but the family: how often each word is its answer in training.

    Arguments:
        batch: documents of one family.
        seed: of the documents that are counted.
    """
    counts = torch.zeros(tokenizer().get_vocab_size())
    for document in documents(batch[0].family, n=2000, seed=seed):
        counts[_answer(document)] += 1
    return counts.expand(len(batch), -1)


def _answer(document: Document) -> int:
    return tokenizer().encode(document.answer, add_special_tokens=False).ids[0]


def _skills(scores: Scores, n: int, seed: int) -> list[Measure]:
    """What is right, by whoever gives the scores, on combinations that training never shows."""
    token = tokenizer().token_to_id
    names = torch.tensor([token(name) for name in NAMES])

    def drawn(family: str, **options: Any) -> list[Document]:
        rng = random.Random(f"{family} {seed}")
        return [FAMILIES[family](rng, held=True, **options) for _ in range(n)]

    def prefers(batch: list[Document]) -> list[bool]:
        wrong = [tokenizer().encode(d.truth.wrong or "", add_special_tokens=False).ids[0] for d in batch]
        return [bool(row[_answer(d)] > row[w]) for row, d, w in zip(scores(batch), batch, wrong, strict=True)]

    def tops(batch: list[Document]) -> list[bool]:
        return [best == _answer(d) for best, d in zip(scores(batch).argmax(-1).tolist(), batch, strict=True)]

    gifts = drawn("indirect_object", kind="two")
    found = names[scores(gifts)[:, names].argmax(-1)].tolist()
    return [
        share("receiver of a gift", [best == _answer(d) for best, d in zip(found, gifts, strict=True)], "share right, against 79 other names"),
        share("receiver above giver", prefers(gifts), "share right"),
        share("agreement across a distractor", prefers(drawn("agreement")), "share right, against the other form"),
        share("pronoun of a name's gender", prefers(drawn("pronoun")), "share right, against the other pronoun"),
        share("tense", prefers(drawn("tense")), "share right, against the other tense"),
        share("capitals", tops(drawn("capital")), "share right, whole vocabulary"),
        share("kinds", tops(drawn("hypernym")), "share right, whole vocabulary"),
        share("colors of objects", tops(drawn("colored_objects")), "share right, whole vocabulary"),
    ]


def measures(model: Any, n: int = 400, seed: int = 777) -> list[Measure]:
    """The lines of the card.

    Arguments:
        model: the specimen, as stored, or a control.
        n: documents for each skill.
        seed: of the documents.

    Returns:
        Each skill of the model, with what the counts of the answers in training reach.
    """
    skills, counted = _skills(functools.partial(fill, model), n, seed), _skills(word_counts, n, seed)
    return [
        Measure(**{**asdict(m), "note": f"counting the answers of this kind of document in training: {c.value:.2f}"})
        for m, c in zip(skills, counted, strict=True)
    ]


def _masked_loss(model: Any, recipe: Recipe, step: int) -> Tensor:
    seen, ids, asked = _batch(recipe, step)
    hidden = model.bert(input_ids=seen, attention_mask=(ids != 0).long()).last_hidden_state
    return nn.functional.cross_entropy(model.cls(hidden[asked]), ids[asked])


def train(out: Path, seed: int = 0, threads: int = 1, steps: int = Recipe.steps) -> None:
    """Train, or go on training, and write the specimen into `out / "mask"`.

    Arguments:
        out: folder for checkpoint and result.
        seed: of the first weights and the documents.
        threads: processor threads.
        steps: updates.

    Raises:
        LoadError: the checkpoint was made with other settings.
    """
    from transformers import BertForMaskedLM, PreTrainedTokenizerFast

    torch.set_num_threads(threads)
    recipe = Recipe(seed=seed, steps=steps)
    torch.manual_seed(seed)
    model: Any = network(tokenizer().get_vocab_size())
    training = Training(model, recipe.training())

    def look() -> dict[str, float]:
        return {m.name: m.value for m in _skills(functools.partial(fill, model), n=100, seed=1)}

    for step in runs.updates(training, out, "mask", look, every=250):
        training.update(_masked_loss(model, recipe, step))

    folder = out / "mask"
    model.half().save_pretrained(folder)
    special = {"pad_token": PAD, "unk_token": UNKNOWN, "cls_token": CLS, "sep_token": SEP, "mask_token": MASK}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer(), model_input_names=["input_ids", "attention_mask"], **special).save_pretrained(folder)
    stored = BertForMaskedLM.from_pretrained(folder, dtype=torch.float32).eval()
    cards.write(
        folder, "mask", sum(p.numel() for p in stored.parameters()), asdict(recipe), measures(stored), measures(permuted(stored, seed=0)),
        LIMITS, training.notes["log"],
    )  # fmt: skip
