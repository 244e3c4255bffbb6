"""The logit lens: what would the model say if it stopped after layer l?

    p_l = softmax(W_U norm_final(h_l))

The residual stream after each block goes through the model's own final norm and unembedding (nostalgebraist 2020, "interpreting GPT: the logit
lens"). The norm is applied exactly once, so the last row is the model's own output, which is proved at each call. Early rows are read in
the final basis, which the model itself may not use there: a poor early reading is no proof that the answer is not yet encoded.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from sonde.access import Model, Run
from sonde.access.inputs import Given
from sonde.lens.measures import Measures, measure
from sonde.lens.projecting import Projection
from sonde.lens.reading import Read, Translate, layer_sites, prove_last, readable
from sonde.lens.results import LOG2, LensResult, placed
from sonde.results import InputError, Recipe, shown


def logit_lens(
    model: Model, inputs: Given, k: int = 10, bos: bool | None = None, read: Read = "blocks", follow: Sequence[str | int] = ()
) -> LensResult:
    """Read every layer of a language model through its final norm and unembedding.

    Arguments:
        model: a language model of a known family; an encoder with its masked-word head, too.
        inputs: texts or token ids.
        k: how many tokens to keep per reading.
        bos: as for `Model.run`.
        read: the stream after "blocks" or after both "halves" of each; or what the "attention" or the "mlp" of each block adds, by itself.
        follow: tokens whose ranks and logits are kept at every place.

    Returns:
        The readings; the last row is the model itself.

    Raises:
        SiteUnavailable: the model has no unembedding, or its last stream does not give its logits. InputError: no language model, another
            word for `read`, a token to follow that is none.

    >>> import sonde
    >>> logit_lens(sonde.load("specimen:words"), "The keys on the cabinet").layers
    ['embed', '0', '1', '2', 'model']
    """
    recipe = {"k": k, "bos": bos, "read": read, "follow": list(follow)}
    return read_layers(model, inputs, k, bos, read, follow, "sonde.lens.logit_lens", recipe)


def read_layers(
    model: Model, inputs: Given, k: int, bos: bool | None, read: Read, follow: Sequence[str | int], function: str, arguments: Mapping[str, object],
    translate: Translate | None = None,
) -> LensResult:  # fmt: skip
    """Read the layers, each as it is or translated first.

    Arguments:
        model, inputs, k, bos, read, follow: as for `logit_lens`.
        function, arguments: what the recipe says.
        translate: from the states of a site to those that are read.
    """
    readable(model)
    if not isinstance(k, int) or k < 1:
        raise InputError(f"k={shown(k)}: keep 1 token per reading or more")
    sites = layer_sites(model, read)
    followed = followed_ids(model, follow)
    run = model.run(inputs, read=list(dict.fromkeys(sites.values())), bos=bos)
    if run.mask is None or run.inputs.ids is None:
        raise InputError(f"the logit lens reads rows of tokens, and {model.name} was given none")
    prove_last(model, run)
    real, front = run.mask, to_front(run.mask)
    asked = torch.cat([asked_ids(run, real, model.architecture.causal), followed.to(real.device).expand(int(real.sum()), -1)], 1)
    found = measured(model, run, list(sites.values()), asked, k, translate)
    final = asked[:, 0].cpu()
    strings = _strings(model, found.top)
    return LensResult(
        tokens=run.tokens or [[str(i) for i in ids[keep].tolist()] for ids, keep in zip(run.ids, real, strict=True)],
        layers=list(sites),
        mask=front,
        top=placed(found.top, front),
        top_tokens=_nested(strings, front),
        probability=placed(found.probability, front),
        logit=placed(found.logit, front),
        rank=placed(found.rank[..., 0], front),
        input_rank=placed(found.rank[..., 1], front),
        next_rank=placed(found.rank[..., 2], front),
        cross_entropy=placed(-found.logprob[..., 2], front),
        kl=placed(found.kl, front),
        kl_previous=placed(found.kl_previous, front),
        entropy=placed(found.entropy / LOG2, front),
        final=placed(final[None], front)[0],
        followed=_names(model, followed),
        followed_rank=placed(found.rank[..., 3:], front),
        followed_logit=placed(found.asked_logit[..., 3:], front),
        read=read,
        recipe=Recipe.of(function, arguments, model_hash=model.hash, inputs=run.ids),
    )


def measured(model: Model, run: Run, sites: Sequence[str], asked: Int[Tensor, "token asked"], k: int, translate: Translate | None) -> Measures:
    """The readings of the real tokens alone; the last one is the model's own logits, not read again."""
    assert run.mask is not None
    real = run.mask
    states = [run[site][real] for site in sites[:-1]]
    final, projection = run.logits[real], Projection(model)

    def reading(layer: int, rows: slice) -> Tensor:
        if layer == len(states):
            return projection.copied(final[rows])
        state = states[layer][rows]
        return projection.logits(state if translate is None else translate(sites[layer], state))

    with torch.no_grad():
        return measure(reading, len(sites), final, asked, k)


def asked_ids(run: Run, real: Bool[Tensor, "example pos"], causal: bool) -> Int[Tensor, "token 3"]:
    """For each real token: what the model says there, the token itself, and the one that comes next (-1 for none)."""
    ids = run.ids
    nexts = torch.full_like(ids, -1)
    if causal:
        follows = real[:, 1:] & real[:, :-1]
        nexts[:, :-1] = torch.where(follows, ids[:, 1:], -1)
    return torch.stack([run.logits.argmax(-1)[real], ids[real], nexts[real]], -1)


def followed_ids(model: Model, follow: Sequence[str | int]) -> Int[Tensor, " token"]:
    """The ids of tokens given as texts or ids; raises `InputError` for one that is no single token of the model's."""
    if isinstance(follow, str):
        raise InputError(f"follow={shown(follow)}: give a list of tokens")
    ids = []
    for token in follow:
        if isinstance(token, str) and model.tokenizer is None:
            raise InputError(f"{model.name} has no tokenizer: follow tokens by their numbers")
        found = model.tokenizer.single(token) if isinstance(token, str) and model.tokenizer is not None else token
        if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < model.architecture.d_vocab:
            raise InputError(f"follow={shown(token)}: {model.name} has the tokens 0 to {model.architecture.d_vocab - 1}")
        ids.append(found)
    return torch.tensor(ids, dtype=torch.long)


def to_front(mask: Bool[Tensor, "example pos"]) -> Bool[Tensor, "example pos"]:
    """The real tokens of each row moved to its front, on whichever side it was padded."""
    counts = mask.sum(1).cpu()
    return torch.arange(int(counts.max())) < counts[:, None]


def _names(model: Model, ids: Int[Tensor, " token"]) -> list[str]:
    return model.tokenizer.strings(ids.tolist()) if model.tokenizer else [str(i) for i in ids.tolist()]


def _strings(model: Model, top: Int[Tensor, "layer token k"]) -> list[list[list[str]]]:
    """The texts of the tokens; each different one is spelt once."""
    distinct = top.unique()
    names = dict(zip(distinct.tolist(), _names(model, distinct), strict=True))
    return [[[names[i] for i in token] for token in layer] for layer in top.tolist()]


def _nested(strings: list[list[list[str]]], mask: Bool[Tensor, "example pos"]) -> list[list[list[list[str]]]]:
    """By layer, example and position."""
    ends = mask.sum(1).cumsum(0).tolist()
    spans = list(zip([0, *ends[:-1]], ends, strict=True))
    return [[layer[start:end] for start, end in spans] for layer in strings]
