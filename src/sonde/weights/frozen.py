"""A run as a linear network: attention patterns and scales of norms are held as they were, and all that is left adds up.

With A_h a head's pattern, and x what flows in the stream, each head adds A_h x V_h O_h, whatever x is. An MLP counts as a source, whose output is
held, or as a linear map with each neuron's slope held (post / pre, exact at that token). Biases are sources, too.
"""

from collections.abc import Sequence
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sonde.access import Model
from sonde.access.direct import refuse_indirect
from sonde.access.run import Run
from sonde.results import SiteUnavailable
from sonde.weights.reading import Affine, Norm, by_query_head, norm_at, output, projection, read_norm, written_norm

Stream = Float[Tensor, "batch pos d_model"]


class Frozen:
    """The linear network of one run.

    Arguments:
        model: a causal language model whose parts add up to its logits.
        rows: token ids.
        linear: whether MLPs are linear maps with their slopes held; else their outputs are sources.

    Raises:
        SiteUnavailable: a model whose parts do not add up, or have no maps of their own.
    """

    def __init__(self, model: Model, rows: Sequence[Sequence[int]], linear: bool = False) -> None:
        refuse_indirect(model)
        arch = model.architecture
        if arch.softcap:
            raise SiteUnavailable(f"{model.name} ({arch.family}) caps its logits at {arch.softcap:g}, so no sum of paths gives them")
        self.model, self.linear = model, linear
        wanted = ["attn.pattern", "mlp.out", "attn.norm.scale", "mlp.norm.scale", "attn.post_norm.scale", "mlp.post_norm.scale"]
        wanted += ["mlp.pre", "mlp.post"] if linear else []
        sites = [f"blocks.{i}.{name}" for i in range(model.n_layers) for name in wanted]
        sites += ["embed", "pos_embed", "blocks.0.resid_pre", "final_norm.scale"]
        self.run: Run = model.run([list(row) for row in rows], read=[site for site in sites if site in arch.sites])
        assert self.run.mask is not None
        self.mask: Tensor = self.run.mask.cpu()
        self.parts = [self._block(i) for i in range(model.n_layers)]
        self.final = norm_at(model, "final_norm.scale")

    @cached_property
    def _unembedding(self) -> Float[Tensor, "d_model vocab"]:
        """The whole table, made once for all paths."""
        return self.model.module.get_submodule(self.model.architecture.unembed).weight.detach().double().cpu().T  # type: ignore[operator, union-attr]

    def _block(self, i: int) -> dict[str, tuple[Affine, Affine]]:
        site = f"blocks.{i}"
        found = {"attn": (by_query_head(self.model, projection(self.model, f"{site}.attn.v")), output(self.model, f"{site}.attn.z"))}
        if self.linear and f"{site}.mlp.pre" in self.model.architecture.sites:
            found["mlp"] = projection(self.model, f"{site}.mlp.pre"), output(self.model, f"{site}.mlp.post")
        return found

    def value(self, site: str) -> Tensor:
        """What the run had at a site."""
        return self.run[site].double().cpu()

    def sources(self) -> dict[str, Stream]:
        """What enters the stream before the first block."""
        found = {"tokens": self.value("embed")}
        if "pos_embed" in self.run:
            found["positions"] = self.value("pos_embed").expand_as(found["tokens"])
        rest = self.value("blocks.0.resid_pre") - sum(found.values())
        if self.model.architecture.embed_norm:  # the sum goes through a norm: its parts can't be told apart
            return {"embedding": self.value("blocks.0.resid_pre")}
        return found if float(rest.abs().max()) < 1e-5 else found | {"other embeddings": rest}

    def heads(self, layer: int, x: Stream) -> Float[Tensor, "head batch pos d_model"]:
        """What each head adds for what flows in the stream, biases aside."""
        return self._mixed(layer, self._read(layer, "attn", x))

    def attn_bias(self, layer: int) -> Stream:
        """What attention adds whatever flows: the biases of norm, values and output."""
        values, out = self.parts[layer]["attn"]
        shape = self.value("blocks.0.resid_pre")
        norm = read_norm(self.model, layer, "attn")
        constant = torch.zeros_like(shape) if norm is None or norm.bias is None else norm.bias.double().expand_as(shape)
        mixed = self._mixed(layer, constant, values.bias.double()).sum(0)
        return mixed + self._written(layer, "attn", out.bias.double().expand_as(shape), whole=True)

    def _mixed(self, layer: int, read: Stream, bias: Tensor | None = None) -> Float[Tensor, "head batch pos d_model"]:
        values, out = self.parts[layer]["attn"]
        v = torch.einsum("bpd,hde->hbpe", read, values.weight.double())
        v = v if bias is None else v + bias[:, None, None]
        z = torch.einsum("bhqk,hbke->hbqe", self.value(f"blocks.{layer}.attn.pattern"), v)
        return self._written(layer, "attn", torch.einsum("hbqe,hed->hbqd", z, out.weight.double()))

    def mlp(self, layer: int, x: Stream) -> Stream:
        """What an MLP adds for what flows, with its slopes held."""
        into, out = self.parts[layer]["mlp"]
        flowing = self._read(layer, "mlp", x) @ into.weight.double()
        return self._written(layer, "mlp", (flowing * self._slopes(layer)) @ out.weight.double())

    def mlp_rest(self, layer: int) -> Stream:
        """What an MLP adds whatever flows: all that it adds where it is a source, else its biases."""
        if not self.linear:
            return self.value(f"blocks.{layer}.mlp.out")
        into, out = self.parts[layer]["mlp"]
        shape = self.value("blocks.0.resid_pre")
        norm = read_norm(self.model, layer, "mlp")
        constant = torch.zeros_like(shape) if norm is None or norm.bias is None else norm.bias.double().expand_as(shape)
        entering = (constant @ into.weight.double() + into.bias.double()) * self._slopes(layer)
        return self._written(layer, "mlp", entering @ out.weight.double() + out.bias.double(), whole=True)

    def _slopes(self, layer: int) -> Tensor:
        before, after = self.value(f"blocks.{layer}.mlp.pre"), self.value(f"blocks.{layer}.mlp.post")
        return torch.where(before == 0, 0.0, after / before)

    def _read(self, layer: int, branch: str, x: Stream) -> Stream:
        norm = read_norm(self.model, layer, branch)
        return x if norm is None else self._normed(norm, self._scale(norm, layer), x)

    def _written(self, layer: int, branch: str, x: Tensor, whole: bool = False) -> Tensor:
        norm = written_norm(self.model, layer, branch)
        if norm is None:
            return x
        found = self._normed(norm, self.value(f"blocks.{layer}.{branch}.post_norm.scale"), x)
        return found + norm.bias.double() if whole and norm.bias is not None else found

    def _scale(self, norm: Norm, layer: int) -> Tensor:
        kinds = [kind for kind in ("attn", "mlp") if f"blocks.{layer}.{kind}.norm.scale" in self.run]
        own = next(kind for kind in kinds if self.model.locate(f"blocks.{layer}.{kind}.norm.scale").point.module == norm.path)
        return self.value(f"blocks.{layer}.{own}.norm.scale")

    def _normed(self, norm: Norm, scale: Tensor, x: Tensor) -> Tensor:
        x = x - x.mean(-1, keepdim=True) if norm.centres else x
        x = x / scale[..., None]
        return x if norm.gain is None else x * norm.gain.double()

    def logits(
        self, x: Stream, constant: bool = False, tokens: Int[Tensor, " token"] | None = None, last: bool = False
    ) -> Float[Tensor, "batch place vocab"]:  # fmt: skip
        """What a part of the stream adds to the logits.

        Arguments:
            x: the part.
            constant: whether the biases of final norm and unembedding belong to it.
            tokens: the logits of these only.
            last: those of each row's last place only.
        """
        model, arch, places = self.model, self.model.architecture, slice(-1, None) if last else slice(None)
        x = x[:, places]
        for path in arch.final:
            module = model.module.get_submodule(path)
            if self.final is not None and path == self.final.path:
                x = self._normed(self.final, self.value("final_norm.scale")[:, places], x)
                x = x + self.final.bias.double() if constant and self.final.bias is not None else x
            elif isinstance(module, nn.Linear):
                x = x @ module.weight.detach().double().cpu().T
                x = x + module.bias.detach().double().cpu() if constant and module.bias is not None else x
            elif not isinstance(module, nn.Identity):
                raise SiteUnavailable(f"before its unembedding {model.name} ({arch.family}) has a {type(module).__name__}, which is not linear")
        head = model.module.get_submodule(arch.unembed)
        if not isinstance(head, nn.Linear):
            raise SiteUnavailable(f"the unembedding of {model.name} is a {type(head).__name__}, no plain linear map")
        chosen = slice(None) if tokens is None else tokens
        found = x @ (self._unembedding if tokens is None else head.weight.detach()[tokens].double().cpu().T)
        found = found + head.bias.detach()[chosen].double().cpu() if constant and head.bias is not None else found
        return found * arch.logit_scale
