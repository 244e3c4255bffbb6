"""Embedding: are the texts in which the latent fires nearer to the description than others? The cheapest scorer: it asks no judge."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.features.descriptions.examples import Examples
from sonde.features.descriptions.judges import Judge
from sonde.features.descriptions.measures import auc
from sonde.features.descriptions.scorers.scorer import NOTHING, Score
from sonde.results import InputError


class Embedder(Protocol):
    """Whoever says how alike texts are."""

    @property
    def name(self) -> str:
        """What it is."""
        ...

    def similarity(self, query: str, texts: Sequence[str]) -> Float[Tensor, " text"]:
        """How near each text is to a query."""
        ...


@dataclass(frozen=True)
class TfIdf:
    """Cosine of weighted counts of words and of their pieces of two to four letters; knows nothing of meaning."""

    name = "TF-IDF"

    def similarity(self, query: str, texts: Sequence[str]) -> Float[Tensor, " text"]:
        """How near each text is to a query; all are 0 where they share no piece of a word.

        Arguments:
            query: the description.
            texts: what is compared with it; their counts give the weights.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True).fit([*texts, query])
        return torch.from_numpy((vectors.transform(texts) @ vectors.transform([query]).T).toarray()[:, 0])


@dataclass(frozen=True, eq=False)
class ModelEmbedder:
    """Cosine of a model's activations, averaged over the tokens of each text without special ones, from their mean over the texts.

    Arguments:
        model: a language model with its tokenizer.
        site: where it is read.
    """

    model: Model
    site: str

    @property
    def name(self) -> str:
        """What it is."""
        return f"{self.model.name} at {self.site}"

    def similarity(self, query: str, texts: Sequence[str]) -> Float[Tensor, " text"]:
        """How near each text is to a query.

        Arguments:
            query: the description.
            texts: what is compared with it.

        Raises:
            InputError: a text that the model can't read.
        """
        vectors = []
        special = torch.tensor(sorted(self.model.tokenizer.special) if self.model.tokenizer else [], dtype=torch.long, device=self.model.device)
        for text in [query, *texts]:
            run = self.model.run([text], read=self.site, logits=False)
            own = run[self.site][0, ~torch.isin(run.ids[0], special)]
            vectors.append(own.float().mean(0))
        found = torch.stack(vectors).cpu()
        found = torch.nn.functional.normalize(found - found[1:].mean(0), dim=1)
        return found[1:] @ found[0]


@dataclass(frozen=True, eq=False)
class Embedding:
    """How well the nearness to the description tells firing windows from silent ones: AUC.

    Arguments:
        embedder: who says how alike texts are.
    """

    embedder: Embedder = field(default_factory=TfIdf)
    measure = "AUC of the nearness to the description"
    chance = 0.5
    best = 1.0

    @property
    def name(self) -> str:
        """With the embedder, which decides what it can find."""
        return f"embedding ({self.embedder.name})"

    def score(self, judge: Judge, description: str, examples: Examples) -> Score:
        """Judge one description; one that the embedder can't read counts as a failure, near to nothing.

        Arguments:
            judge: not asked.
            description: the words.
            examples: of the latent.
        """
        texts = [example.window.text for example in examples.judged]
        if not examples.firing or not examples.silent:
            return NOTHING
        try:
            near, failures = self.embedder.similarity(description, texts).tolist(), 0
        except InputError:
            near, failures = [0.0] * len(texts), len(texts)
        return Score(auc(near[: len(examples.firing)], near[len(examples.firing) :]), len(texts), failures)
