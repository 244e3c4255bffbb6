"""Language models that fill in absent tokens, given the others."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.access.model import Model
from sonde.access.removal.question import Question
from sonde.results import InputError

LEFT_ONLY = "an absent token is drawn from what stands left of it; what stands right of it does not count"


def filler(model: Model) -> "Masked | LeftToRight":
    """The way in which a language model draws absent tokens.

    Arguments:
        model: a causal language model, or a masked one.

    Raises:
        InputError: a model that predicts no tokens, or a masked one without a mask.
    """
    if model.tokenizer is None or not model.architecture.unembed or not model.architecture.d_vocab:
        raise InputError(f"{model.name} fills in no tokens: give a language model with its tokenizer")
    return LeftToRight(model) if model.architecture.causal else Masked(model)


class _Filler(ABC):
    """What both ways share: tokens go from the explained model's vocabulary to the filler's by their text, and back.

    Arguments:
        model: the language model that fills in.
    """

    described = ""
    notes: tuple[str, ...] = ()

    def __init__(self, model: Model):
        assert model.tokenizer is not None
        self.model, self.tokenizer = model, model.tokenizer

    def draw(
        self, question: Question, example: int, present: Bool[Tensor, "set pos"], draws: int, generator: torch.Generator
    ) -> Float[Tensor, "set draw pos d_model"]:  # fmt: skip
        """Embeddings of texts whose absent tokens are drawn; see `Sampler.draw`.

        Arguments:
            question, example, present, draws, generator: as there.
        """
        mask, explained = question.mask, question.model
        if question.site != "embed" or mask is None or explained.tokenizer is None:
            raise InputError(f"{self.described} fills in tokens, and {question.site!r} of these inputs holds none with a text")
        real = mask[example].cpu()
        ids = question.run.ids[example].cpu()[real]
        staying = present.cpu()[:, real].repeat_interleave(draws, 0)
        chance = torch.rand(draws, len(ids), generator=generator, dtype=torch.float64).repeat(len(present), 1)
        order = torch.stack([torch.randperm(len(ids), generator=generator) for _ in range(draws)]).repeat(len(present), 1)
        drawn = self.filled(ids, staying, chance, order, explained)
        values = question.value.new_zeros(len(drawn), *question.value.shape[1:])
        with torch.no_grad():
            values[:, mask[example]] = explained.embed(drawn.to(explained.device)).to(values)
        return values.view(len(present), draws, *values.shape[1:])

    @abstractmethod
    def filled(
        self, ids: Int[Tensor, " pos"], staying: Bool[Tensor, "row pos"], chance: Float[Tensor, "row pos"], order: Int[Tensor, "row pos"],
        explained: Model,
    ) -> Int[Tensor, "row pos"]:  # fmt: skip
        """Token ids of the explained model.

        Arguments:
            ids: of the text.
            staying: true at tokens that stay.
            chance: uniform numbers: which token of the distribution is drawn at a position.
            order: the positions in the order in which they are filled.
            explained: the model that is explained.
        """

    def _shares(self, explained: Model) -> bool:
        """Whether the explained model has the same vocabulary."""
        assert explained.tokenizer is not None
        return explained is self.model or explained.tokenizer.backend is self.tokenizer.backend

    def _translation(self, explained: Model) -> Int[Tensor, " token"]:
        """For each token of the filler the explained model's, or -1 where it has none."""
        known = torch.full((self.model.architecture.d_vocab,), -1)
        assert explained.tokenizer is not None
        if self._shares(explained):
            return torch.arange(len(known))
        own = self.tokenizer.strings(range(self.tokenizer.vocab_size))
        theirs = explained.tokenizer.strings(range(explained.tokenizer.vocab_size))
        by_text = {text: i for i, text in enumerate(theirs) if i not in explained.tokenizer.special}
        spaced = any(text[:1] == " " for text in theirs) and not any(text[:1] == " " for text in own)
        for i, text in enumerate(own):
            # a word inside a text: a tokenizer that spells spaces writes one before it
            found = by_text.get(f" {text}" if spaced and text[:1].isalnum() else text)
            if i not in self.tokenizer.special and i != self.tokenizer.unknown_id and found is not None:
                known[i] = found
        return known

    def _given(self, ids: Int[Tensor, " pos"], explained: Model, to: Int[Tensor, " token"]) -> list[int]:
        """The text in the filler's tokens; -1 at special tokens of the explained model.

        Raises:
            InputError: a token that the filler does not have.
        """
        assert explained.tokenizer is not None
        if self._shares(explained):
            return ids.tolist()
        back = {theirs: i for i, theirs in enumerate(to.tolist()) if theirs >= 0}
        words = {text: i for i, text in enumerate(self.tokenizer.strings(range(self.tokenizer.vocab_size)))}
        found: list[int] = []
        for i, text in zip(ids.tolist(), explained.tokenizer.strings(ids.tolist()), strict=True):
            first = all(other < 0 for other in found)  # the word that a text begins with has no space before it
            own = -1 if i in explained.tokenizer.special else back.get(i, words.get(text) if first else None)
            if own is None:
                raise InputError(
                    f"{self.described} has no token {text!r}, so it can't fill in the tokens beside it: use a filler with that vocabulary"
                )
            found.append(own)
        return found


class Masked(_Filler):
    """A masked language model: absent tokens are filled in one after the other, in random order, each given all that stands there already.

    Arguments:
        model: the masked language model.

    Raises:
        InputError: one whose tokenizer has no mask.
    """

    def __init__(self, model: Model):
        super().__init__(model)
        self.described = f"the masked language model {model.name!r}"
        mask = getattr(self.tokenizer.backend, "mask_token_id", None)
        if mask is None:
            raise InputError(f"{model.name} looks at both sides, and its tokenizer has no mask: give a masked or a causal language model")
        self.mask = int(mask)

    def filled(
        self, ids: Int[Tensor, " pos"], staying: Bool[Tensor, "row pos"], chance: Float[Tensor, "row pos"], order: Int[Tensor, "row pos"],
        explained: Model,
    ) -> Int[Tensor, "row pos"]:  # fmt: skip
        to = self._translation(explained)
        given = self._given(ids, explained, to)
        ends: list[int] = [] if self._shares(explained) else self.tokenizer.encode("")
        places = [i for i, token in enumerate(given) if token >= 0]
        before = len(ends) // 2
        columns = torch.tensor([before + k for k in range(len(places))])
        text = torch.tensor([*ends[:before], *(given[i] for i in places), *ends[before:]]).repeat(len(staying), 1)
        absent = ~staying[:, places]
        text[:, columns] = torch.where(absent, self.mask, text[:, columns])
        drawn = ids.repeat(len(staying), 1)
        at = {place: k for k, place in enumerate(places)}
        turns = [[at[i] for i in row if i in at and absent[r, at[i]]] for r, row in enumerate(order.tolist())]
        for turn in range(max(map(len, turns), default=0)):
            rows = torch.tensor([r for r, own_turns in enumerate(turns) if len(own_turns) > turn])
            where = torch.tensor([turns[r][turn] for r in rows.tolist()])
            logits = self.model.run(text[rows]).logits[torch.arange(len(rows)), columns[where]]
            chosen = _chosen(logits, to, chance[rows, torch.tensor(places)[where]])
            text[rows, columns[where]] = chosen
            drawn[rows, torch.tensor(places)[where]] = to[chosen]
        return drawn


class LeftToRight(_Filler):
    """A causal language model: absent tokens are drawn from the left to the right, each given what stands left of it.

    Arguments:
        model: the causal language model.
    """

    notes: tuple[str, ...] = (LEFT_ONLY,)

    def __init__(self, model: Model):
        super().__init__(model)
        self.described = f"the causal language model {model.name!r}"

    def filled(
        self, ids: Int[Tensor, " pos"], staying: Bool[Tensor, "row pos"], chance: Float[Tensor, "row pos"], order: Int[Tensor, "row pos"],
        explained: Model,
    ) -> Int[Tensor, "row pos"]:  # fmt: skip
        to = self._translation(explained)
        given = torch.tensor(self._given(ids, explained, to))
        if bool((given < 0).any()):
            raise InputError(f"{self.described} has another beginning of a text than {explained.name}: let the model that is explained fill in")
        if not bool(staying[:, 0].all()):
            raise InputError("the first token has nothing left of it from which it could be drawn: let a special token stand first (bos=True)")
        text, drawn = given.repeat(len(staying), 1), ids.repeat(len(staying), 1)
        for pos in range(1, len(ids)):
            rows = (~staying[:, pos]).nonzero()[:, 0]
            if len(rows):
                chosen = _chosen(self.model.run(text[rows, :pos], logits="last").last_logits, to, chance[rows, pos])
                text[rows, pos], drawn[rows, pos] = chosen, to[chosen]
        return drawn


def _chosen(logits: Float[Tensor, "row vocab"], to: Int[Tensor, " token"], chance: Float[Tensor, " row"]) -> Int[Tensor, " row"]:
    """A token of each row's distribution, among those that the explained model has too."""
    shares = logits.detach().cpu().double().masked_fill(to < 0, -torch.inf).softmax(-1).cumsum(-1)
    return torch.searchsorted(shares, chance[:, None] * shares[:, -1:], right=True)[:, 0].clamp(max=len(to) - 1)
