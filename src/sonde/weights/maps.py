"""The parts of a transformer as linear maps between its stream and its tokens, for every family of the vocabulary.

Vectors are rows (Elhage et al. 2021, with E the embedding, U the unembedding, and of a head the projections Q, K, V and O):

    embedding    E                     token -> stream
    ov           V O                   what is looked at -> what is added for it
    qk           Q R_d K^T / scale     query side x key side -> attention score, d positions apart
    mlp          W_in diag(g) W_out    with each neuron's slope g as it is at one token
    unembedding  U                     stream -> logits, less their mean

Norms are folded: their gain and the centring of a LayerNorm belong to the map that reads them. What is not linear is left out, and `notes` says so:
the division by the scale, biases. Heads that share keys and values get their own copy.
"""

import torch
from torch import Tensor, nn

from sonde.access import Model
from sonde.access.inputs import Given
from sonde.access.views import norm_scale
from sonde.results import InputError, SiteUnavailable, shown
from sonde.weights.linear import LinearMap
from sonde.weights.reading import Norm, by_query_head, norm_at, output, projection, read_norm, written_norm
from sonde.weights.scores import rotation, score_scale

POST = "the norm after the sum is left out: what is added does not reach later parts as it is"


def embedding(model: Model, scaled: bool = True) -> LinearMap:
    """Tokens to the stream: E, tokens by width.

    Arguments:
        model: with token embeddings.
        scaled: divide each row by the scale that the first block's norm gives it by itself, so that maps with a norm folded into them read what the
            norm gives; else the embedding as it is.

    Raises:
        SiteUnavailable: no token embeddings.
    """
    arch = model.architecture
    with torch.no_grad():
        vectors = model.embed(torch.arange(arch.d_vocab, device=model.device))
        if arch.embed_norm:
            vectors = model.module.get_submodule(arch.embed_norm)(vectors)
        first = norm_at(model, "blocks.0.attn.norm.scale") if scaled and arch.law != "post" and arch.n_layers else None
        if first is None:
            return LinearMap((vectors.float().cpu(),), ("embeddings of tokens alone, without positions",))
        vectors = vectors / norm_scale(model.module.get_submodule(first.path), vectors).unsqueeze(-1)
    return LinearMap((vectors.float().cpu(),), ("embeddings of tokens alone, without positions, divided by the scale of the first norm",))


def ov(model: Model, layer: int) -> LinearMap:
    """From what a head looks at to what it adds for it: V O, by head.

    Arguments:
        model: of a known family.
        layer: of the block.

    Raises:
        SiteUnavailable: a family whose heads have no maps of their own. InputError: no such block.

    >>> import sonde
    >>> ov(sonde.load("specimen:words-small"), 0)
    4 maps of 72 x 72, through 72 > 18 > 72
    """
    refuse_layer(model, layer)
    site = f"blocks.{layer}.attn"
    values, out = by_query_head(model, projection(model, f"{site}.v")), output(model, f"{site}.z")
    read, written = read_norm(model, layer, "attn"), written_norm(model, layer, "attn")
    factors = (values.weight if read is None else read.before(values.weight), out.weight if written is None else written.after(out.weight))
    return LinearMap(factors, _notes(model, {"before attention": read, "after attention": written}, values.bias, out.bias))


def qk(model: Model, layer: int, distance: int | None = None) -> LinearMap:
    """From the stream at the query and at the key to the attention score: Q K^T, by head, as the softmax reads it.

    Arguments:
        model: of a known family.
        layer: of the block.
        distance: in a family that rotates queries and keys, how far the key stands behind the query. Without it what rotates is compared as if both
            stood at the same place, and the score says nothing about positions.

    Raises:
        SiteUnavailable: queries and keys go through something between projection and score that is not linear. InputError: no such block or distance.
    """
    refuse_layer(model, layer)
    site = f"blocks.{layer}.attn"
    queries, keys = projection(model, f"{site}.q"), by_query_head(model, projection(model, f"{site}.k"))
    scale, read = score_scale(model, layer), read_norm(model, layer, "attn")
    fold = (lambda weight: weight) if read is None else read.before
    notes = _notes(model, {"before attention": read}, queries.bias, keys.bias)
    turned = () if distance is None else (rotation(model, layer, distance),)
    where = f"at a distance of {distance}" if distance is not None else "at the same place: positions are left out"
    return LinearMap((fold(queries.weight) * scale, *turned, fold(keys.weight).mT), (*notes, f"queries and keys compared {where}"))


def mlp(model: Model, layer: int, inputs: Given, pos: int = -1) -> LinearMap:
    """What an MLP does near one token, with every neuron's slope held: exact at that token, but for biases.

    A neuron's slope is its activation over what enters it linearly: post / pre. In a gated MLP that is the activated gate.

    Arguments:
        model: of a known family.
        layer: of the block.
        inputs: one text, or one row of token ids.
        pos: which of its tokens.

    Raises:
        SiteUnavailable: a model without MLPs, or whose MLP has no plain linear maps. InputError: no such block or position; several rows.
    """
    refuse_layer(model, layer)
    site = f"blocks.{layer}.mlp"
    into, out = projection(model, f"{site}.pre"), output(model, f"{site}.post")
    run = model.run(inputs, read=[f"{site}.pre", f"{site}.post"], logits=False)
    if len(run.ids) != 1:
        raise InputError(f"an MLP is linearised at one token of one row; {len(run.ids)} rows were given")
    read, written = read_norm(model, layer, "mlp"), written_norm(model, layer, "mlp")
    before, after = run[f"{site}.pre[pos={pos}]"][0].float().cpu(), run[f"{site}.post[pos={pos}]"][0].float().cpu()
    slopes = torch.where(before == 0, 0.0, after / before)
    factors = (into.weight if read is None else read.before(into.weight)) * slopes, out.weight if written is None else written.after(out.weight)
    held = f"the slopes of the neurons are held as at position {pos}"
    return LinearMap(factors, (*_notes(model, {"before the MLP": read, "after the MLP": written}, into.bias, out.bias), held))


def unembedding(model: Model) -> LinearMap:
    """From the stream to the logits, less their mean over the vocabulary: U, width by tokens.

    Arguments:
        model: a language model.

    Raises:
        SiteUnavailable: no unembedding, or something that is not linear before it.
    """
    arch = model.architecture
    if not arch.unembed or not arch.d_vocab:
        raise SiteUnavailable(f"{model.name} ({arch.family}) has no unembedding over its tokens")
    final = norm_at(model, "final_norm.scale")
    factors: list[Tensor] = []
    with torch.no_grad():
        for path in arch.final:
            module = model.module.get_submodule(path)
            if final is not None and path == final.path:
                continue
            if not isinstance(module, nn.Linear) and not isinstance(module, nn.Identity):
                raise SiteUnavailable(f"before its unembedding {model.name} ({arch.family}) has a {type(module).__name__}, which is not linear")
            factors += [module.weight.T.float().cpu()] if isinstance(module, nn.Linear) else []
        head = model.module.get_submodule(arch.unembed)
        if not isinstance(head, nn.Linear):
            raise SiteUnavailable(f"the unembedding of {model.name} is a {type(head).__name__}, no plain linear map")
        factors.append(head.weight.T.float().cpu() * arch.logit_scale)
        biased = head.bias is not None and bool(head.bias.any())
    factors[0] = factors[0] if final is None else final.before(factors[0])
    factors[-1] = factors[-1] - factors[-1].mean(-1, keepdim=True)
    notes = [*_of_norms({"before the unembedding": final}), "logits less their mean over the vocabulary"]
    notes += ["the bias of the unembedding is left out"] * biased + [f"the cap of logits at {arch.softcap:g} is left out"] * bool(arch.softcap)
    return LinearMap(tuple(factors), tuple(notes))


def refuse_layer(model: Model, layer: int) -> None:
    """Raise `InputError` where there is no such block.

    Arguments:
        model: whose.
        layer: the number.
    """
    if not model.n_layers:
        raise SiteUnavailable(f"{model.name} is {model.architecture.family!r}, no family whose parts have names, so its weights can't be told apart")
    if layer not in range(model.n_layers):
        raise InputError(f"there is no block {shown(layer)}: {model.name} has {model.n_layers}, counted from 0")


def _notes(model: Model, norms: dict[str, Norm | None], *biases: Tensor) -> tuple[str, ...]:
    """What is said of a map: what was folded, what was left out."""
    found = _of_norms(norms) + [POST] * (model.architecture.law == "post")
    return (*found, "biases are left out") if any(bool(bias.any()) for bias in biases) else tuple(found)


def _of_norms(norms: dict[str, Norm | None]) -> list[str]:
    there = {place: norm for place, norm in norms.items() if norm is not None}
    said = [
        f"the norm {place}: its gain{' and centring' * norm.centres} folded in, its division by a scale left out" for place, norm in there.items()
    ]
    biased = [f"the bias of the norm {place} is left out" for place, norm in there.items() if norm.bias is not None and bool(norm.bias.any())]
    return said + biased
