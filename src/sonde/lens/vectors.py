"""The vectors that an MLP's neurons write, and how any vector of the stream reads on the vocabulary.

    MLP(x) = sum_i m_i(x) v_i + b,        r = W_U (gamma * centred(v))

(Geva et al. 2021, "Transformer Feed-Forward Layers Are Key-Value Memories", and 2022). The final norm's scale depends on the whole stream and only
multiplies r by a positive number, so it is left out: a vector is read as a direction. Neither the norm's bias nor the unembedding's takes part.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.lens.reading import readable
from sonde.results import SiteUnavailable

BOUND, BOUND_HALF = 1e-4, 3e-2  # of the size of what an MLP adds


def refuse_unreadable(model: Model) -> None:
    """Raise where vectors of the stream have no reading of their own: with norms between a part and the logits, or no MLP.

    Arguments:
        model: whose MLPs are to be read.
    """
    readable(model)
    arch, way_out = model.architecture, "; sonde.patching asks what a neuron does there"
    if arch.law in ("post", "sandwich"):
        what = "its stream after every sum" if arch.law == "post" else "what an MLP adds"
        raise SiteUnavailable(f"{model.name} ({arch.family}) norms {what}, so a neuron's vector is not what is added to the stream{way_out}")
    for i in range(model.n_layers):
        if model.locate(f"blocks.{i}.mlp.post").point.port != "in":
            raise SiteUnavailable(f"{model.name} ({arch.family}) has no linear map behind its neurons that sonde knows{way_out}")


def value_matrices(model: Model, layers: list[int]) -> tuple[Float[Tensor, "layer d_mlp d_model"], Float[Tensor, "layer d_model"]]:
    """The vector of each neuron, and what an MLP adds with all neurons silent; proved on two tokens.

    Arguments:
        model: of a family in which MLPs add to the stream.
        layers: by number.

    Raises:
        SiteUnavailable: a family in which a neuron has no vector; neurons whose vectors do not make up what the MLP adds.
    """
    refuse_unreadable(model)
    run = model.run([[0, 1]], read=[f"blocks.{i}.mlp.{site}" for i in layers for site in ("post", "out")], logits=False)
    values, biases = [], []
    for i in layers:
        down = model.module.get_submodule(model.locate(f"blocks.{i}.mlp.post").point.module)
        post, out = run[f"blocks.{i}.mlp.post"], run[f"blocks.{i}.mlp.out"]
        with torch.no_grad():
            silent = down(torch.zeros_like(post[0, :1]))
            v = (down(torch.eye(post.shape[-1], dtype=post.dtype, device=post.device)) - silent).float()
        refuse_unlike(model, i, post.float() @ v + silent.float(), out.float())
        values.append(v.cpu())
        biases.append(silent[0].float().cpu())
    return torch.stack(values), torch.stack(biases)


def refuse_unlike(model: Model, layer: int, summed: Tensor, out: Tensor) -> None:
    """Raise where neurons do not sum to what an MLP adds.

    Arguments:
        model, layer: which MLP.
        summed: the sum over its neurons.
        out: what it adds.
    """
    off, size = float((summed - out).abs().max()), float(out.abs().max())
    if off > (BOUND if model.dtype in ("float32", "float64") else BOUND_HALF) * max(size, 1e-6):
        raise SiteUnavailable(
            f"the neurons of block {layer} of {model.name} do not make up what its MLP adds (off by {off:.3g} of {size:.3g}): sonde does not know "
            "how this family's MLP ends"
        )


def directions(model: Model, vectors: Float[Tensor, "vector d_model"]) -> Float[Tensor, "vector d_read"]:
    """Vectors of the stream as the unembedding sees them: through the final norm without its bias, at length 1.

    Arguments:
        model: whose final norm it is.
        vectors: of the stream.
    """
    with torch.no_grad():
        given = vectors.to(next(model.module.parameters()))
        seen = model.final(given) - model.final(torch.zeros_like(given[:1]))
    return torch.nn.functional.normalize(seen.float(), dim=-1)


def vocabulary(model: Model) -> Float[Tensor, "d_read vocab"]:
    """The tokens' rows of the unembedding, less their mean, at length 1: without that, long rows of rare tokens would head every list.

    Arguments:
        model: whose unembedding it is.
    """
    unembed = model.module.get_submodule(model.architecture.unembed)
    weight = next(unembed.parameters())
    width = weight.shape[-1] if weight.ndim == 2 else model.d_model
    with torch.no_grad():
        eye = torch.eye(width, dtype=weight.dtype, device=weight.device)
        rows = (unembed(eye) - unembed(torch.zeros_like(eye[:1]))).float()
    rows -= rows.mean(-1, keepdim=True)
    return torch.nn.functional.normalize(rows, dim=0)
