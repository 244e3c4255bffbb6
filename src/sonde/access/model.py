"""The handle on a network: every method of sonde works on it, names places through it, and runs the network's own forward.

A `Model` holds the user's module and never changes it: hooks live for one call, modes and kernels are put back, weights are shared. It
knows no method.
"""

import contextlib
import copy
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, overload

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sonde.access import modes
from sonde.access.architectures import Architecture, SiteSpec, describe
from sonde.access.basis import Basis
from sonde.access.edits import Edit, PerRow
from sonde.access.engine import planned, sweep
from sonde.access.forward import Logits, Metric, forward, gradients
from sonde.access.generate import continuations, following
from sonde.access.inputs import Given, Inputs, Spans, is_one, prepare, with_spans
from sonde.access.layouts import refuse_batch_second
from sonde.access.outputs import unwrap
from sonde.access.places import Places, Where
from sonde.access.placing import When
from sonde.access.proof import Identity, first_use, prove
from sonde.access.run import Gradients, Plan, Run, Sweep
from sonde.access.sampling import Sampling
from sonde.access.selection import Rows
from sonde.access.sites import Site, is_glob
from sonde.access.table import Sites
from sonde.access.tape import Tape
from sonde.access.tokens import Tokenizer
from sonde.access.translation import is_foreign
from sonde.access.writes import Write
from sonde.results import InputError, SiteUnavailable, UnknownSite, content_hash, shown

Edits = Edit | PerRow | Sequence[Edit | PerRow]


class Model:
    """A network, with its tokenizer if it has one, and the places in it that have names.

    Arguments:
        module: any `nn.Module`. Known families (`sonde models` lists them) get the vocabulary of sites; every module has sites by path.
        tokenizer: a transformers tokenizer, a `tokenizers.Tokenizer`, or a `sonde.access.Tokenizer`.
        name: what to call it in reports.
        processor: a transformers image processor, which makes tensors of pictures; or a processor that holds one and a tokenizer.
    """

    def __init__(self, module: nn.Module, tokenizer: Any = None, name: str = "", processor: Any = None):
        if not isinstance(module, nn.Module):
            raise InputError(f"{shown(module)} is no torch module: sonde.load opens a model by its name or folder")
        modes.refuse(module)
        refuse_batch_second(module)
        self.module = module
        self.architecture: Architecture = describe(module)
        if hasattr(processor, "image_processor"):  # transformers' processor of texts and images holds one of each
            tokenizer, processor = tokenizer or processor.tokenizer, processor.image_processor
        self.tokenizer = tokenizer if tokenizer is None or isinstance(tokenizer, Tokenizer) else Tokenizer(tokenizer)
        self.processor = processor
        self.name = name or type(module).__name__
        self._places = Places(module, self.architecture)
        self.verified: set[str] = set()  # the kinds of sweep that were compared with plain forwards
        self._refuted: dict[str, Identity] | None = None  # the sites whose equations failed; nothing before the first use
        self._hashed: tuple[Any, str] | None = None

    # verbs

    def run(
        self, inputs: Given, read: Where = (), edits: Edits = (), logits: Logits = True, bos: bool | None = None, spans: Spans | None = None
    ) -> Run:  # fmt: skip
        """One forward.

        Arguments:
            inputs: a text, several texts, token ids by row, ids as a tensor (batch pos); images (batch channel row col), pictures, or
                `{"images": ..., "text": ...}`; for other modules a tensor, several in a tuple, or by name.
            read: the sites to keep: names, globs such as `blocks.*.resid_post`, selections.
            edits: what to write where, in order; `PerRow` gives each row its own.
            logits: all of them, those at each row's `"last"` real token, or none: then the forward ends after the last site.
            bos: whether the beginning-of-sequence token comes first; by default as the tokenizer does.
            spans: names for positions, such as `task.spans`: a name to each row's positions, or to a text that stands in it once.

        Raises:
            InputError: an input that does not fit the model.
            UnknownSite: a name that is no place in this model.
            SiteUnavailable: a place that this model or call cannot serve.
            EditError: an edit that does not fit its site.

        >>> from sonde.nn.transformer import Transformer, TransformerConfig
        >>> model = Model(Transformer(TransformerConfig(n_layers=2, d_model=16, n_heads=2, d_vocab=50, n_ctx=8, d_mlp=32)))
        >>> run = model.run([[3, 1, 4]], read="blocks.*.attn.z")
        >>> run["blocks.1.attn.z[head=0, pos=-1]"].shape
        torch.Size([1, 8])
        """
        writes = self._writes(edits)
        return forward(self, self.prepare(inputs, bos, spans), self._expand(read), writes, logits)

    def grad(
        self, inputs: Given, of: Metric, at: Where = "embed", edits: Edits = (), bos: bool | None = None, spans: Spans | None = None
    ) -> Gradients:  # fmt: skip
        """Gradients of a metric with respect to the values at some sites.

        Arguments:
            inputs, bos, spans: as for `run`.
            of: a metric: from a `Run` to one number per example.
            at: the sites. A gradient at a site includes every path from it to the metric.
            edits: applied first; gradients are then with respect to the edited values.

        Raises:
            InputError: no site; a metric that is not one number per example, or depends on none of the sites; and what `run` raises.
        """
        sites = self._expand(at)
        if not sites:
            raise InputError("grad needs at least one site in at=")
        writes = self._writes(edits)
        return gradients(self, self.prepare(inputs, bos, spans), of, sites, writes)

    def sweep(
        self, inputs: Given, edits: Iterable[Edits], metric: Metric, batch_size: int | Literal["auto"] = "auto",
        verify: bool | None = None, seed: int = 0, folder: str | os.PathLike[str] | None = None, bos: bool | None = None,
        spans: Spans | None = None,
    ) -> Sweep:  # fmt: skip
        """The metric under many edits, one at a time.

        Arguments:
            inputs, bos, spans: as for `run`.
            edits: each entry one edit, or a list of edits that are made together.
            metric: from a `Run` to one number per example. One that declares `pos` reads the logits of that position only, and one that asks
                for `run.token_logits` those of some tokens only; both save work.
            batch_size: rows per pass.
            verify: repeat a cell of every kind of shortcut as a plain forward and compare; by default once per model.
            seed: of the draw of these cells.
            folder: keep finished passes here, so that the sweep goes on where it was interrupted.

        Returns:
            `values[edit, example]`, `base[example]` and the plan that was followed.

        Raises:
            InputError: no edit; a metric that is not one number per example; with a folder, an edit or a metric that is no data; and what `run`
                raises. SondeError: the folder holds another sweep.
        """
        if isinstance(edits, Edit | PerRow | str) or not isinstance(edits, Iterable):
            raise InputError(f"a sweep takes a list of edits; got {shown(edits)}")
        cells = [self._writes(edit) for edit in edits]
        place = None if folder is None else Path(folder)
        return sweep(self, self.prepare(inputs, bos, spans), cells, metric, batch_size, verify, seed, place)

    def plan(
        self, inputs: Given, edits: Iterable[Edits], metric: Metric, batch_size: int | Literal["auto"] = "auto", bos: bool | None = None,
        spans: Spans | None = None,
    ) -> Plan:  # fmt: skip
        """What a sweep would do and cost, at the price of one forward: the unedited one, which tells the cells that can't matter.

        Arguments:
            inputs, edits, metric, batch_size, bos, spans: as for `sweep`.

        Raises:
            InputError: as for `sweep`.
        """
        cells = [self._writes(edit) for edit in edits]
        return planned(self, self.prepare(inputs, bos, spans), cells, metric, batch_size)

    @overload
    def generate(  # type: ignore[overload-overlap]
        self, prompt: str | Sequence[int], edits: Edits = ..., when: When = ..., max_new_tokens: int = ..., temperature: float = ...,
        top_k: int | None = ..., top_p: float | None = ..., seed: int = ..., bos: bool | None = ..., spans: Spans | None = ...,
    ) -> str: ...  # fmt: skip
    @overload
    def generate(
        self, prompt: Given, edits: Edits = ..., when: When = ..., max_new_tokens: int = ..., temperature: float = ...,
        top_k: int | None = ..., top_p: float | None = ..., seed: int = ..., bos: bool | None = ..., spans: Spans | None = ...,
    ) -> list[str]: ...  # fmt: skip
    def generate(
        self, prompt: Given | Sequence[int], edits: Edits = (), when: When = "all", max_new_tokens: int = 20, temperature: float = 0.0,
        top_k: int | None = None, top_p: float | None = None, seed: int = 0, bos: bool | None = None, spans: Spans | None = None,
    ) -> str | list[str]:  # fmt: skip
        """The text that the model writes after a prompt, or after each of several.

        Every token is computed once; its keys and values are kept. So an edit at a token is made once, and later tokens feel it through the cache.

        Arguments:
            prompt: a text or token ids; or several, which are written on side by side, each as it would be alone.
            edits: applied at absolute positions: the prompt's tokens keep their numbers while the text grows. Negative positions and texts of
                tokens speak of the prompt, an open end such as `pos=3:` goes on through the new tokens.
            when: apply them to "all" tokens, to those of the "prompt", to the "new" ones, or in some steps: a list in which 0 is the step that
                computes the prompt, and k the one that computes the token written k-th.
            max_new_tokens: how many are written at most; the end-of-sequence token ends a text before.
            temperature: 0 takes the likeliest token, else tokens are drawn from the softmax of logits / temperature.
            top_k: draw among the so many likeliest tokens only.
            top_p: draw among the fewest tokens that together hold this probability.
            seed: of the draws; row i of several draws as a single prompt does under seed + i.
            bos, spans: as for `run`; spans name positions of the prompt.

        Returns:
            What follows the prompt, without special tokens; a list for several.

        Raises:
            InputError: no tokenizer; a prompt that leaves no room for the new tokens; a model that is no causal language model.
            SiteUnavailable: an edit that could never apply. EditError: edits under which the logits are NaN.

        >>> import sonde
        >>> model = sonde.load("specimen:words")
        >>> len(model.generate(["The key", "The keys on the cabinet"], max_new_tokens=2))
        2
        """
        if self.tokenizer is None:
            raise InputError("generate writes text, and this model was loaded without a tokenizer: load it with tokenizer=")
        sampling = Sampling(temperature, top_k, top_p)
        inputs = self.prepare(prompt, bos, spans)
        written = continuations(self, inputs, self._writes(edits), when, max_new_tokens, sampling, seed)
        texts = following(self.tokenizer, inputs, written)
        return texts[0] if is_one(prompt) else texts

    @contextlib.contextmanager
    def edited(self, edits: Edits) -> Iterator["Model"]:
        """The module itself is edited inside this context, also while it trains: call it as always; gradients flow through the edits.

        Arguments:
            edits: what to write where, in order. Positions count each row's real tokens as the module's `attention_mask` tells them.

        Raises:
            SiteUnavailable: on leaving, an edit that never fired; in a call, an edit inside a part whose activations are computed again in the
                backward pass.
        """
        tape = Tape(self.module, self.architecture, self.locate, once=False)
        for write in self._writes(edits):
            tape.write(write)
        with tape.running(), tape.following_masks():
            yield self
        tape.finish()

    def attach(self, site: str | Site, basis: Basis, name: str, reads: str | Sequence[str] | None = None) -> "Model":
        """A new handle on the same module, on which the coordinates of a site in a basis are sites too.

        The coordinates are called `site.name`, with an axis `feature`, and what they leave out `site.name.error`. They are read, edited, swept and
        differentiated as every site is; writing the one keeps the other. Attaching alone changes nothing.

        Arguments:
            site: where; a whole site.
            basis: coordinates of the site's last axis, or of its channels.
            name: what the coordinates are called.
            reads: the sites whose values are encoded, side by side, where these are others than the one that is written, as a transcoder's are;
                a basis that says itself what it reads needs no word.

        Returns:
            The handle; this one stays as it is.

        Raises:
            InputError: a name that is none, or taken. UnknownSite: no such site. SiteUnavailable: one that the basis does not fit.

        >>> from sonde.bases import Subspace
        >>> from sonde.nn.transformer import Transformer, TransformerConfig
        >>> model = Model(Transformer(TransformerConfig(n_layers=2, d_model=16, n_heads=2, d_vocab=50, n_ctx=8, d_mlp=32)))
        >>> model = model.attach("blocks.0.resid_post", Subspace.random(16, 3), name="plane")
        >>> model.run([[3, 1, 4]], read="blocks.0.resid_post.plane")["blocks.0.resid_post.plane"].shape
        torch.Size([1, 3, 3])
        """
        found = self._expand(site)
        if len(found) != 1:
            raise InputError(f"{str(site)!r}: a basis is attached to one whole site of the model itself; select among the coordinates afterwards")
        other = copy.copy(self)
        other._places, other.verified = self._places.with_basis(found[0], basis, name, reads), set()
        return other

    # places

    @property
    def bases(self) -> dict[str, Basis]:
        """What was attached, by the names of the coordinates' sites."""
        return {name: view.basis for name, view in self._places.bases.items()}

    @property
    def site_names(self) -> list[str]:
        """The names of the vocabulary in the order of the computation, then every module's input and output by path; coordinates after their site."""
        return self._places.names

    def sites(self, pattern: str = "*") -> Sites:
        """The sites that match a name or a glob; without one, the whole vocabulary (by path where there is none)."""
        if pattern == "*":
            return self._places.table()
        found = self._expand(pattern)
        for site in found:
            self.locate(site.name)
        return self._places.table(found)

    def locate(self, name: str) -> SiteSpec:
        """Where a site is; raises `UnknownSite` or `SiteUnavailable` with the reason and the way out."""
        return self._places.locate(name)

    def block(self, i: int) -> nn.Module:
        """Block `i`, the model's own module."""
        if i not in range(self.n_layers):
            raise InputError(f"there is no block {shown(i)}: {self.name} has {self.n_layers}, counted from 0")
        return self.module.get_submodule(f"{self.architecture.blocks}.{i}")

    def embed(self, ids: Int[Tensor, "*position"]) -> Float[Tensor, "*position d_model"]:
        """The vectors that the site `embed` holds for these tokens: the model's own embedding, scaled and projected as the model does.

        Arguments:
            ids: tokens, (...).

        Raises:
            SiteUnavailable: a model without token embeddings.
        """
        arch = self.architecture
        if not arch.embed:
            raise SiteUnavailable(f"{self.name} has no token embeddings that sonde knows; name the module that gives them by its path")
        vectors: Tensor = self.module.get_submodule(arch.embed)(ids)
        last = self.locate(f"{arch.prefix}embed").point.module
        return vectors if last == arch.embed else unwrap(self.module.get_submodule(last)(vectors))

    def unembed(self, hidden: Float[Tensor, "*position d_model"], rows: Rows | None = None) -> Float[Tensor, "*kept vocab"]:
        """The model's own final norm and whatever else follows its blocks, then its own unembedding.

        Arguments:
            hidden: residual stream, (..., d_model); batch pos d_model where `rows` is given.
            rows: take each row's last real token only.

        Returns:
            Logits, (..., vocab); batch 1 vocab where `rows` is given.
        """
        hidden = self.final(hidden)
        if rows is not None:
            last = torch.tensor(rows.last, device=hidden.device)
            hidden = hidden[torch.arange(len(last), device=hidden.device), last].unsqueeze(1)
        return self.read_out(hidden)

    def final(self, hidden: Float[Tensor, "*position d_model"]) -> Float[Tensor, "*position d_read"]:
        """What the unembedding reads: the model's own final norm of the residual stream, and a projection where the family has one.

        Arguments:
            hidden: the residual stream, (..., d_model).

        Raises:
            SiteUnavailable: a model without unembedding.
        """
        if not self.architecture.unembed:
            unknown = self.architecture.unavailable["final_norm"] if self.architecture.law == "none" and self.architecture.sites else ""
            raise SiteUnavailable(f"{self.name} has no unembedding{f' with a name: {unknown}' if unknown else '; load the language model around it'}")
        for path in self.architecture.final:
            hidden = self.module.get_submodule(path)(hidden)
        return hidden

    def read_out(self, normed: Float[Tensor, "*position d_read"], tokens: Int[Tensor, " token"] | None = None) -> Float[Tensor, "*position vocab"]:
        """The model's own unembedding.

        Arguments:
            normed: what `final` gives.
            tokens: form the logits of these tokens only.

        Returns:
            Logits, (..., vocab) or (..., token).
        """
        unembed = self.module.get_submodule(self.architecture.unembed)
        hooked = unembed._forward_hooks or unembed._forward_pre_hooks
        if tokens is not None and type(unembed) is nn.Linear and not hooked:
            tokens = tokens.to(normed.device)
            bias = None if unembed.bias is None else unembed.bias[tokens]
            logits = nn.functional.linear(normed, unembed.weight[tokens], bias)
        else:
            logits = unembed(normed)
            logits = logits if tokens is None else logits[..., tokens.to(logits.device)]
        assert isinstance(logits, Tensor)
        scale, cap = self.architecture.logit_scale, self.architecture.softcap
        logits = logits if scale == 1 else logits * scale
        return torch.tanh(logits / cap) * cap if cap else logits

    def prove(self, seed: int = 0) -> list[Identity]:
        """Hold the equations between the sites of the vocabulary against a forward over random tokens, and what edits reach against some more.

        The first use of the vocabulary holds the equations too, and refuses the sites that a failed one vouches for.

        Arguments:
            seed: of the tokens.

        Returns:
            Every equation in every block, with how far it is off; none for a module of no known family.

        >>> from sonde.nn.transformer import Transformer, TransformerConfig
        >>> model = Model(Transformer(TransformerConfig(n_layers=1, d_model=16, n_heads=2, d_vocab=50, n_ctx=8, d_mlp=32)))
        >>> all(identity.holds for identity in model.prove())
        True
        """
        return prove(self, seed) if self.architecture.sites else []

    def prepare(self, inputs: Given, bos: bool | None = None, spans: Spans | None = None) -> Inputs:
        """The batch that a verb makes of its inputs.

        Arguments:
            inputs, bos, spans: as for `run`.
        """
        with torch.inference_mode(False):
            batch = prepare(inputs, self.architecture, self.tokenizer, self.device, bos, self.processor)
            return with_spans(batch, spans or {})

    # facts

    @property
    def hash(self) -> str:
        """A content hash of settings and weights: results remember which model they speak of.

        It is computed once, and again after the weights have changed in place, as they do in training, or other adapters are active.
        """
        held = [*self.module.parameters(), *self.module.buffers()]
        state = [(id(tensor), 0 if tensor.is_inference() else tensor._version) for tensor in held], modes.adapters(self.module)
        if self._hashed is None or self._hashed[0] != state:
            a = self.architecture
            shape = [a.family, type(self.module).__name__, a.n_layers, a.n_heads, a.n_kv_heads, a.d_model, a.n_ctx]
            self._hashed = state, content_hash([shape, a.settings, modes.stored(self.module.state_dict()), *state[1]])
        return self._hashed[1]

    @property
    def n_layers(self) -> int:
        """How many blocks there are; 0 in a module of no known family."""
        return self.architecture.n_layers

    @property
    def n_heads(self) -> int:
        """How many query heads a block has; 0 in a module of no known family."""
        return self.architecture.n_heads

    @property
    def d_model(self) -> int:
        """The width of the residual stream; 0 in a module of no known family."""
        return self.architecture.d_model

    @property
    def context(self) -> int:
        """The longest input in tokens; 0 where there is no limit."""
        return self.architecture.n_ctx

    @property
    def device(self) -> torch.device:
        """Where the first of the parameters is."""
        return next((p.device for p in self.module.parameters()), torch.device("cpu"))

    @property
    def dtype(self) -> str:
        """The type of the first of the parameters, such as "float32"."""
        return str(next((p.dtype for p in self.module.parameters()), torch.float32)).removeprefix("torch.")

    def token_strings(self, inputs: Inputs) -> list[list[str]]:
        """The text of each row's real tokens."""
        return [list(row) for row in inputs.tokens]

    def __repr__(self) -> str:
        a = self.architecture
        if not a.sites:
            return f"Model {self.name!r}: any module, sites by path ({len(self.site_names)})"
        of = " of {0.n_heads} heads, d_model {0.d_model}"
        shape = " and ".join(f"{stack.n_layers} blocks" + (of.format(stack) if stack.n_heads else "") for stack in a.towers or (a,))
        parameters = sum(p.numel() for p in self.module.parameters())
        more = "".join(f", {name}" for name in self._places.bases)
        return f"Model {self.name!r}: {a.family}, {shape}, {parameters:,} parameters, {len(a.sites)} sites{more}"

    # inside

    def _expand(self, where: Where) -> list[Site]:
        sites = self._places.expand(where)
        self._prove_first(site.name for site in sites)
        return sites

    def _prove_first(self, names: Iterable[str]) -> None:
        """At the first use of the vocabulary hold its equations against the model; refuse what failed."""
        own = (self.locate(name).name if is_foreign(name) else name for name in names)
        used = [name for name in own if name in self.architecture.sites]
        # a hook of the user's may stand between two sites, which says nothing of either
        if (
            used
            and self._refuted is None
            and self.architecture.n_layers
            and not any(m._forward_hooks or m._forward_pre_hooks for m in self.module.modules())
        ):
            self._refuted = {site: identity for identity in first_use(self) if not identity.holds for site in identity.sites}
        for name in used:
            if self._refuted and name in self._refuted:
                raise SiteUnavailable(
                    f"{name!r} is not what it says in this model: {self._refuted[name]}; name a module's input or output instead, "
                    f"such as {str(self.architecture.sites[name].point)!r}"
                )

    def _writes(self, edits: Edits) -> list[Write]:
        writes: list[Write] = []
        given = [edits] if isinstance(edits, Edit | PerRow | str) or not isinstance(edits, Iterable) else edits
        for edit in given:
            if isinstance(edit, PerRow):
                n = len(edit.rows)
                writes += [replace(write, rows=slice(i, i + 1), of=n) for i, own in enumerate(edit.rows) for write in self._writes(own)]
                continue
            if not isinstance(edit, Edit):
                kinds = "Zero, Set, Mean, Patch, Swap, Add, Scale, Project, Clamp, Noise, Apply, Detach, GradRule or PerRow"
                raise InputError(f"{shown(edit)} is no edit: use sonde.{kinds}")
            if is_glob(edit.site.name):
                raise UnknownSite(f"{edit!r}: an edit names one site; make one edit for each of model.sites({edit.site.name!r})")
            writes.append(Write(Site(self.locate(edit.site.name).name, edit.site.select), edit))
        self._prove_first(write.site.name for write in writes)
        return writes
