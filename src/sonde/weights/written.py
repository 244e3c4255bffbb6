"""What a head writes when it looks at a token: the path embedding -> W_V W_O -> unembedding, without any prompt.

A row of one token has nothing to attend to but itself, so z is the token's value, and the head's result is what it writes for it. The stream that
the head reads is the token after the first MLP (later attention and MLPs add nothing), as the first MLP works as an extended embedding (Gould et
al. 2023, "Successor heads"). With r_a the head's result for token a, less its mean over tokens, and N the final norm:

    M[a, b] = <N(r_a), W_U[b]>      how much looking at a raises b

    copying    sum Re(lambda) / sum |lambda| over the eigenvalues of M: 1 if every token raises itself, -1 if it lowers itself (Elhage et al. 2021)
    successor  the share of words of an ordered class for which the next one is raised most among the class's other words

By chance: the same M with its columns, or the order of the class, shuffled.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from sonde.access import Model, Zero
from sonde.tasks import english
from sonde.tasks.fillers import Fillers
from sonde.weights.tokens import random_tokens

TOKENS = 256
LEAST_OF_A_CLASS = 4
TOKENS_PER_PASS = 256


def reason_against(model: Model) -> str:
    """Why what heads write cannot be read in this model; empty where it can."""
    arch = model.architecture
    if not arch.unembed or not arch.causal:
        return f"{model.name} has no unembedding that its stream goes to"
    if "blocks.0.attn.result" not in arch.sites:
        return arch.why_not("blocks.0.attn.result") or f"{arch.family} shows no results of heads"
    return f"{arch.family} norms its stream after every sum, so no head's result reaches the unembedding by itself" if arch.law == "post" else ""


class Writing:
    """What the heads of one block write, for some tokens."""

    def __init__(self, model: Model, layer: int):
        self.model, self.site = model, f"blocks.{layer}.attn.result"
        sites = model.architecture.sites
        later = [f"blocks.{i}.{branch}.out" for i in range(layer) for branch in ("attn", "mlp") if (i, branch) != (0, "mlp")]
        self.edits = [Zero(site) for site in later if site in sites]

    def of(self, tokens: list[int]) -> Float[Tensor, "head token d_read"]:
        """N(r_a) of each token, as the unembedding reads it."""
        model, made = self.model, []
        for begin in range(0, len(tokens), TOKENS_PER_PASS):
            rows = [[token] for token in tokens[begin : begin + TOKENS_PER_PASS]]
            made.append(model.run(rows, read=self.site, edits=self.edits, logits=False)[self.site][:, 0])
        results = torch.cat(made).transpose(0, 1)
        with torch.no_grad():
            nothing = model.final(torch.zeros_like(results[:, :1]))
            return (model.final(results - results.mean(1, keepdim=True)) - nothing).float().cpu()


def unembedding(model: Model, tokens: list[int]) -> Float[Tensor, "token d_read"]:
    """The rows of W_U for some tokens, less their mean; the bias is left out."""
    with torch.no_grad():
        weight = next(model.module.get_submodule(model.architecture.unembed).parameters())
        width = model.final(torch.zeros(1, model.d_model, dtype=weight.dtype, device=weight.device)).shape[-1]
        basis, ids = torch.eye(width, dtype=weight.dtype, device=weight.device), torch.tensor(tokens)
        rows = (model.read_out(basis, ids) - model.read_out(torch.zeros_like(basis[:1]), ids)).T.float().cpu()
    return rows - rows.mean(0)


def copying(
    normed_hnd: Float[Tensor, "head token d_read"], W_U: Float[Tensor, "token d_read"], d_head: int, orders: Sequence[Tensor]
) -> Float[Tensor, "order head"]:
    """The copying score of each head: the share of the eigenvalues of M that is positive.

    Arguments:
        normed_hnd: what each head writes for the tokens.
        W_U: the unembedding of the same tokens in the same order.
        d_head: the rank of what a head writes.
        orders: orders of the tokens, one score for each; the tokens' own gives the score, others what chance gives.
    """
    # all that a head writes lies in d_head dimensions; in a basis of those the non-zero eigenvalues are the same
    generator = torch.Generator().manual_seed(0)
    mixed = torch.randn(normed_hnd.shape[1], min(d_head, *normed_hnd.shape[1:]), generator=generator)
    basis_hde = torch.linalg.qr(torch.einsum("hnd,ne->hde", normed_hnd, mixed)).Q
    written_hne, read_hne = normed_hnd @ basis_hde, W_U @ basis_hde
    values: Complex[Tensor, "order head e"] = torch.linalg.eigvals(torch.stack([read_hne[:, order].mT @ written_hne for order in orders]))
    return torch.as_tensor(values.real.sum(-1) / values.abs().sum(-1).clamp(min=1e-12))


def raised_successors(
    model: Model, heads: Sequence[Writing], words: list[int], after: list[int]
) -> tuple[Int[Tensor, "layer head word"], Int[Tensor, " word"]]:
    """Which other word of an ordered class each head raises most for every word that has a successor, and which it would be.

    Arguments:
        model: whose heads.
        heads: what the heads of each block write.
        words: the class, as tokens.
        after: for each the place of its successor, -1 where it has none.

    Returns:
        Both as places in the class.
    """
    of_class, asked = unembedding(model, words), torch.tensor(after) >= 0
    logits = torch.stack([head.of(words) @ of_class.T for head in heads])
    raised = logits.masked_fill(torch.eye(len(words), dtype=torch.bool), float("-inf")).argmax(-1)
    return raised[..., asked], torch.tensor(after)[asked]


def probe_tokens(model: Model, seed: int) -> list[int]:
    """The tokens over which copying is measured."""
    return random_tokens(model, max(TOKENS, 2 * model.architecture.d_head), seed)


def ordered_classes(model: Model) -> list[tuple[list[int], list[int]]]:
    """The ordered classes of words, as single tokens: their ids, and for each the place of its successor (-1 where it has none)."""
    if model.tokenizer is None:
        return []
    fillers = Fillers(model.tokenizer)
    found = []
    for kind in english().ordered:
        entries = fillers.usable(kind.name).entries
        later = [kind.after(entry) for entry in entries]
        places = [entries.index(entry) if entry in entries else -1 for entry in later]
        if sum(place >= 0 for place in places) >= LEAST_OF_A_CLASS:
            found.append(([model.tokenizer.single(f" {entry.forms[0]}") for entry in entries], places))
    return found
