"""Which nodes a graph has: a model at a chosen granularity."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sonde.access.basis import transcodes
from sonde.access.edges.graph import REST, Graph, Part
from sonde.results import InputError, SiteUnavailable, shown

if TYPE_CHECKING:
    from sonde.access.model import Model


@dataclass(frozen=True)
class Granularity:
    """What counts as a node; see `Graph.of`."""

    model: "Model"
    embed: str
    attention: str
    neurons: tuple[int, ...]
    features: tuple[str, ...]

    def graph(self, spans: tuple[str, ...]) -> Graph:
        """The parts, block by block."""
        self._refuse()
        arch = self.model.architecture
        parallel = arch.law == "parallel"
        sending, receiving = self._embedding(), list[Part]()
        inputs: list[tuple[int, ...]] = [() for _ in sending]
        for i in range(arch.n_layers):
            b, reads, adds = f"blocks.{i}.", 2 * i, 2 * i
            start = len(receiving)
            receiving += self._attention_inputs(b, i, reads)
            sending.append(self._output(b + "attn.out", i, adds) or self._attention_output(b, i, adds))
            inputs.append(tuple(range(start, len(receiving))))
            if f"{b}mlp.in" in arch.sites:
                reads, adds = (2 * i, 2 * i) if parallel else (2 * i + 1, 2 * i + 1)
                width = arch.d_mlp
                names = tuple(f"{b}mlp.post[d_mlp={n}]" for n in range(width))
                if i in self.neurons:
                    receiving.append(Part("neuron", i, reads, tuple(f"{b}mlp.pre[d_mlp={n}]" for n in range(width)), f"{b}mlp.pre"))
                    sending.append(Part("neuron", i, adds, names, f"{b}mlp.post"))
                else:
                    receiving.append(Part("mlp", i, reads, (f"{b}mlp.in",), f"{b}mlp.in"))
                    sending.append(self._output(b + "mlp.out", i, adds) or Part("mlp", i, adds, (f"{b}mlp.out",), f"{b}mlp.out"))
                inputs.append((len(receiving) - 1,))
        receiving.append(Part("logits", arch.n_layers, 2 * arch.n_layers, ("logits",), f"blocks.{arch.n_layers - 1}.resid_post"))
        shared = arch.n_heads // arch.n_kv_heads
        return Graph(tuple(sending), tuple(receiving), tuple(inputs), shared, _whole(spans), self._summary(spans))

    def _embedding(self) -> list[Part]:
        if self.embed == "joint":
            return [Part("embed", -1, -1, ("blocks.0.resid_pre",), "blocks.0.resid_pre")]
        names = [name for name in ("embed", "pos_embed", "type_embed") if name in self.model.architecture.sites]
        return [Part("embed", -1, -1, (name,), name) for name in names]

    def _attention_inputs(self, b: str, i: int, step: int) -> list[Part]:
        if self.attention == "layers":
            return [Part("attn", i, step, (f"{b}attn.in",), f"{b}attn.in")]
        arch = self.model.architecture
        axis = "head" if arch.n_kv_heads == arch.n_heads else "kv_head"
        found = []
        for kind, n, name in (("q", arch.n_heads, "head"), ("k", arch.n_kv_heads, axis), ("v", arch.n_kv_heads, axis)):
            names = tuple(f"{b}attn.{kind}[{name}={h}]" for h in range(n))
            found.append(Part(kind, i, step, names, f"{b}attn.{kind}"))  # type: ignore[arg-type]
        return found

    def _attention_output(self, b: str, i: int, step: int) -> Part:
        if self.attention == "layers":
            return Part("attn", i, step, (f"{b}attn.out",), f"{b}attn.out")
        return Part("head", i, step, tuple(f"{b}attn.z[head={h}]" for h in range(self.model.n_heads)), f"{b}attn.z")

    def _output(self, site: str, i: int, step: int) -> Part | None:
        """The features of a component's output, and their error, if a basis is attached there."""
        for name in self.features:
            coordinates = f"{site}.{name}"
            if coordinates in self.model.bases:
                names = tuple(f"{coordinates}[feature={j}]" for j in range(self.model.bases[coordinates].size))
                return Part("feature", i, step, (*names, f"{coordinates}.error"), coordinates)
        return None

    def _refuse(self) -> None:
        model, arch = self.model, self.model.architecture
        if self.embed not in ("joint", "split"):
            raise InputError(f"embed={shown(self.embed)}: use 'joint' or 'split'")
        if self.attention not in ("heads", "layers"):
            raise InputError(f"attention={shown(self.attention)}: use 'heads' or 'layers'")
        if not arch.n_layers or not arch.unembed:
            raise SiteUnavailable(f"{model.name} has no known stack of blocks that ends in an unembedding, so it has no graph of its parts")
        if arch.law not in ("pre", "parallel", "sandwich"):
            raise SiteUnavailable(
                f"in this {arch.family} model every sum is normed before it goes on (law {arch.law!r}), so what a part reads is no sum of what "
                "others add; patch its sites instead (sonde.patching.activation_patching)"
            )
        if self.embed == "split" and (arch.embed_norm or not self._embedding()):
            raise SiteUnavailable(f"the embeddings of this {arch.family} model are normed together, so they are no terms of a sum: use embed='joint'")
        if self.attention == "heads":
            names = ("attn.q", "attn.z", "attn.post_norm.scale" if arch.law == "sandwich" else "attn.result")
            for site in (f"blocks.{i}.{name}" for i in range(arch.n_layers) for name in names):
                try:
                    model.locate(site)
                except SiteUnavailable as error:
                    raise SiteUnavailable(f"{error}; or take every attention layer as one node: attention='layers'") from None
        for i in self.neurons:
            if i not in range(arch.n_layers) or f"blocks.{i}.mlp.in" not in arch.sites:
                raise InputError(f"neurons={shown(list(self.neurons))}: there is no block {i} with an MLP; blocks are 0 to {arch.n_layers - 1}")
        for name in self.features:
            places = [site for site in model.bases if site.endswith(f".{name}")]
            if not places:
                raise InputError(f"features={shown(name)}: no basis was attached under this name; model.attach(site, basis, name) does it")
            for site in places:
                if transcodes(model.bases[site]):
                    raise InputError(
                        f"{site!r} are features of what another site holds: a graph divides what a component adds into features of that, so attach "
                        "an autoencoder of 'attn.out' or 'mlp.out'"
                    )
                if not site.removesuffix(f".{name}").endswith((".attn.out", ".mlp.out")):
                    raise InputError(
                        f"{site!r}: features are nodes where a component adds to the residual stream; attach the basis at 'attn.out' or 'mlp.out'"
                    )

    def _summary(self, spans: tuple[str, ...]) -> str:
        arch = self.model.architecture
        grouped = arch.n_kv_heads != arch.n_heads
        attention = "heads with q, k and v" + (" by key-value head" if grouped else "") if self.attention == "heads" else "attention layers"
        said = [f"{'joint' if self.embed == 'joint' else 'split'} embedding", attention]
        if arch.d_mlp:
            said.append("MLPs" if not self.neurons else f"MLPs, those of blocks {', '.join(map(str, self.neurons))} by neuron")
        said += [f"features {', '.join(self.features)} with errors"] if self.features else []
        return ", ".join(said) + (f"; at {', '.join(_whole(spans))}" if spans else "; all positions together")


def _whole(spans: tuple[str, ...]) -> tuple[str, ...]:
    """The spans, and the rest of the positions."""
    return () if not spans else spans if REST in spans else (*spans, REST)
