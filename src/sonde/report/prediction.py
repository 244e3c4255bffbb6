"""What the model says: its first guesses for the next token, and how surprised it was by each token of the prompt.

surprisal(t) = -log2 p(token_t | tokens before it), in bits; the first token has none, since nothing stands before it.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.results import Drawing, InputError, Recipe, Result
from sonde.results.drawing import table, tokens

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class Prediction(Result):
    """The model's next token and its surprisals on one prompt.

    Arguments:
        ids: the prompt's tokens, special ones included.
        tokens: their text.
        surprisal: in bits; NaN for the first token.
        guesses: the ids of the most likely next tokens, most likely first.
        guess_tokens: their text.
        probabilities, logits: of these tokens.
        entropy: of the whole next-token distribution, in bits.
        distribution: the log-probability of every token of the vocabulary, in nats.
    """

    ids: Int[Tensor, " pos"]
    tokens: list[str]
    surprisal: Float[Tensor, " pos"]
    guesses: Int[Tensor, " guess"]
    guess_tokens: list[str]
    probabilities: Float[Tensor, " guess"]
    logits: Float[Tensor, " guess"]
    entropy: float
    distribution: Float[Tensor, " vocab"]

    def to_frame(self) -> "DataFrame":
        """One row per guess: token, probability, logit."""
        import polars as pl

        return pl.DataFrame({"token": self.guess_tokens, "probability": self.probabilities.tolist(), "logit": self.logits.tolist()})

    def drawing(self) -> Drawing:
        """The guesses as a table."""
        rows = list(zip(self.guess_tokens, self.probabilities.tolist(), self.logits.tolist(), strict=True))
        return table("What comes next?", ["token", "probability", "logit"], rows, note=f"entropy of the next token: {self.entropy:.2f} bits")

    def surprisal_drawing(self) -> Drawing:
        """The prompt, each token coloured by its surprisal."""
        return tokens("How surprised was the model by each token?", "bits", self.tokens, self.surprisal, scale="sequential", zero="certain")


def predict(model: Model, prompt: str, k: int = 10, bos: bool | None = None) -> Prediction:
    """What a language model says after a prompt.

    Arguments:
        model: a language model with a tokenizer.
        prompt: the text.
        k: how many guesses to keep.
        bos: as for `Model.run`.

    Raises:
        InputError: the prompt is empty or beyond the context, or the model's logits are not numbers.

    >>> import sonde
    >>> prediction = predict(sonde.load("specimen:words"), "The keys on the cabinet")
    >>> len(prediction.guess_tokens)
    10
    """
    run = model.run(prompt, bos=bos)
    if model.tokenizer is None:
        raise InputError(f"{model.name} has no tokenizer, so its tokens have no text: load it with tokenizer=")
    logprobs = run.logits[0].double().log_softmax(-1)
    if not torch.isfinite(logprobs[-1]).any() or torch.isnan(logprobs).any():
        raise InputError(f"{model.name} gives logits that are not numbers (NaN): its weights or its precision ({model.dtype}) are broken")
    ids = run.ids[0]
    seen = logprobs[:-1].gather(1, ids[1:, None])[:, 0]
    last = logprobs[-1]
    top = last.topk(min(k, len(last)))
    return Prediction(
        ids=ids.cpu(),
        tokens=run.tokens[0],
        surprisal=torch.cat([torch.tensor([math.nan]), (-seen / math.log(2)).float().cpu()]),
        guesses=top.indices.cpu(),
        guess_tokens=model.tokenizer.strings(top.indices.tolist()),
        probabilities=top.values.exp().float().cpu(),
        logits=run.logits[0, -1, top.indices].float().cpu(),
        entropy=float(-(last.exp() * last).nan_to_num().sum() / math.log(2)),
        distribution=last.float().cpu(),
        recipe=Recipe.of("sonde.report.predict", {"prompt": prompt, "k": k, "bos": bos}, model_hash=model.hash, inputs=ids),
    )
