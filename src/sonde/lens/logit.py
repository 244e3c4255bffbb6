"""The logit lens: what would the model say if it stopped after layer l?

    p_l = softmax(W_U norm_final(h_l))

The residual stream after each block goes through the model's own final norm and unembedding (nostalgebraist 2020, "interpreting GPT: the logit
lens"). The norm is applied exactly once, so the last row is the model's own output, bit for bit up to rounding. Early rows are read in
the final basis, which the model itself may not use there: a poor early reading is no proof that the answer is not yet encoded.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.access import Model, Site
from sonde.access.inputs import Given
from sonde.results import Drawing, InputError, Recipe, Result
from sonde.results.drawing import Series, lens, lines

if TYPE_CHECKING:
    from polars import DataFrame

SITES = ("blocks.0.resid_pre", "blocks.*.resid_post")


@dataclass(frozen=True, eq=False, repr=False)
class LensResult(Result):
    """What each layer would say at each position.

    Arguments:
        tokens: the text of each row's tokens.
        layers: a name for each reading: `embed`, then each block; the last is the model itself.
        mask: true at real tokens.
        top: the ids of the most likely tokens, most likely first.
        top_tokens: the text of the most likely token, by layer, example and position.
        probability, logit: of the tokens in `top`.
        rank: of the model's final top token, from 1.
        input_rank: of the token that stands at the position itself, from 1: how much the reading still echoes the input.
        kl: KL(final || layer) in nats: what is lost by reading here instead of at the end.
        entropy: of the reading, in bits.
        final: the id of the model's own top token.
    """

    tokens: list[list[str]]
    layers: list[str]
    mask: Bool[Tensor, "example pos"]
    top: Int[Tensor, "layer example pos k"]
    top_tokens: list[list[list[list[str]]]]
    probability: Float[Tensor, "layer example pos k"]
    logit: Float[Tensor, "layer example pos k"]
    rank: Int[Tensor, "layer example pos"]
    input_rank: Int[Tensor, "layer example pos"]
    kl: Float[Tensor, "layer example pos"]
    entropy: Float[Tensor, "layer example pos"]
    final: Int[Tensor, "example pos"]

    def to_frame(self) -> "DataFrame":
        """One row per layer, example and position."""
        import polars as pl

        rows = [
            (
                self.layers[layer],
                example,
                pos,
                self.tokens[example][pos],
                self.top_tokens[layer][example][pos][0],
                *(float(t[layer, example, pos]) for t in (self.probability[..., 0], self.rank, self.input_rank, self.kl, self.entropy)),
            )
            for layer in range(len(self.layers))
            for example in range(len(self.tokens))
            for pos in range(len(self.tokens[example]))
        ]
        columns = ["layer", "example", "pos", "token", "top", "probability", "rank_of_final", "rank_of_input", "kl", "entropy"]
        return pl.DataFrame(rows, columns, orient="row")

    def drawing(self, example: int = 0) -> Drawing:
        """The table of one example: rows are layers, the last one is the model; a mark where a layer's guess is already the model's."""
        n = len(self.tokens[example])
        cells = [
            [list(zip(self.top_tokens[layer][example][pos], self.probability[layer, example, pos].tolist(), strict=True)) for pos in range(n)]
            for layer in range(len(self.layers))
        ]
        return lens(
            "What would each layer say next?",
            "probability of the token shown",
            tokens=self.tokens[example],
            layers=self.layers,
            top=[[cell[0][0] for cell in row] for row in cells],
            values=self.probability[:, example, :n, 0],
            marks=[[bool(self.top[layer, example, pos, 0] == self.final[example, pos]) for pos in range(n)] for layer in range(len(self.layers))],
            details=cells,
            limit=1.0,
        )

    def kl_drawing(self, example: int = 0, pos: int = -1) -> Drawing:
        """KL(final || layer) over the layers, at one position and as the mean over all of them."""
        n = len(self.tokens[example])
        place = n + pos if pos < 0 else pos
        series = [
            Series(f"after `{self.tokens[example][place]}`", self.kl[:, example, place]),
            Series("mean over the prompt", self.kl[:, example, :n].mean(-1)),
        ]
        return lines("How far is each layer from the final answer?", "nats, KL(final || layer)", "layer", self.layers, series)


def logit_lens(model: Model, inputs: Given, k: int = 10, bos: bool | None = None) -> LensResult:
    """Read every layer of a language model through its final norm and unembedding.

    Arguments:
        model: a language model of a known family.
        inputs: texts or token ids.
        k: how many tokens to keep per reading.
        bos: as for `Model.run`.

    Raises:
        SiteUnavailable: the model has no unembedding.

    >>> import sonde
    >>> logit_lens(sonde.load("specimen:words"), "The keys on the cabinet").layers
    ['embed', '0', '1', '2', 'model']
    """
    if not model.architecture.sites or model.architecture.images is not None:
        raise InputError(f"the logit lens needs a language model of a known family; {model.name} is {model.architecture.family!r}")
    sites = [str(site) for pattern in SITES for site in model.sites(pattern)]
    run = model.run(inputs, read=sites, bos=bos)
    mask = run.mask
    assert mask is not None
    final = run.logits.float().log_softmax(-1)
    parts: dict[str, list[Tensor]] = {name: [] for name in ("top", "probability", "logit", "rank", "input_rank", "kl", "entropy")}
    for site in sites:
        reading = read_out(model, run[site])
        logprobs = reading.log_softmax(-1)
        top = logprobs.topk(min(k, logprobs.shape[-1]), dim=-1)
        parts["top"].append(top.indices)
        parts["probability"].append(top.values.exp())
        parts["logit"].append(reading.gather(-1, top.indices))
        for name, ids in (("rank", final.argmax(-1)), ("input_rank", run.ids)):
            parts[name].append((logprobs > logprobs.gather(-1, ids[..., None])).sum(-1) + 1)
        parts["kl"].append((final.exp() * (final - logprobs)).sum(-1).clamp(min=0))
        parts["entropy"].append(-(logprobs.exp() * logprobs).sum(-1) / torch.log(torch.tensor(2.0)))
    stacked = {name: torch.stack(values).cpu() for name, values in parts.items()}
    strings = model.tokenizer.strings if model.tokenizer else lambda ids: [str(i) for i in ids]
    top_tokens = [[[strings(pos.tolist()) for pos in row] for row in layer] for layer in stacked["top"]]
    tokens = run.tokens or [[str(i) for i in ids[keep].tolist()] for ids, keep in zip(run.ids, mask, strict=True)]
    return LensResult(
        tokens=tokens,
        layers=layer_names(model),
        mask=mask.cpu(),
        top_tokens=top_tokens,
        final=final.argmax(-1).cpu(),
        recipe=Recipe.of("sonde.lens.logit_lens", {"k": k, "bos": bos}, model_hash=model.hash, inputs=run.ids),
        **stacked,
    )


def read_out(
    model: Model, resid: Float[Tensor, "*batch d_model"], rotation: Float[Tensor, "d_model d_model"] | None = None
) -> Float[Tensor, "*batch vocab"]:
    """Logits of residual states through the model's own final norm and unembedding; `rotation` turns the states first (the null reading)."""
    with torch.no_grad():
        return model.unembed(resid if rotation is None else resid @ rotation.to(resid)).float()


def layer_names(model: Model) -> list[str]:
    """The rows of the lens: the embedding, each block, and the last block as the model itself."""
    return ["embed", *(str(i) for i in range(model.n_layers - 1)), "model"]


def layer_site(model: Model, layer: str) -> Site:
    """The residual stream that a row of the lens reads."""
    i = layer_names(model).index(layer)
    return Site("blocks.0.resid_pre" if i == 0 else f"blocks.{i - 1}.resid_post")
