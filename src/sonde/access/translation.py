"""TransformerLens' names for places, translated into sonde's, so that its users' code and papers can be followed.

They are those of its `HookedTransformer`: `blocks.3.attn.hook_z`, `hook_embed`, `ln_final.hook_normalized`. Where sonde's tensor of that meaning
differs in something, a warning says in what; where there is none, the name is refused with the reason.
"""

import re
import warnings
from typing import TYPE_CHECKING

from torch import nn

from sonde.results import SiteUnavailable, UnknownSite

if TYPE_CHECKING:
    from sonde.access.architectures import Architecture

_HOOK = re.compile(r"(blocks\.[^.]+\.)?((?:\w+\.)?hook_[\w*?]+)")

NAMES = {
    "hook_embed": "embed",
    "hook_pos_embed": "pos_embed",
    "ln_final.hook_scale": "final_norm.scale",
    "ln_final.hook_normalized": "final_norm",
}
IN_BLOCK = {
    "hook_resid_pre": "resid_pre",
    "hook_resid_mid": "resid_mid",
    "hook_resid_post": "resid_post",
    "hook_attn_out": "attn.out",
    "hook_mlp_out": "mlp.out",
    "ln1.hook_scale": "attn.norm.scale",
    "ln1.hook_normalized": "attn.in",
    "ln1_post.hook_scale": "attn.post_norm.scale",
    "ln2.hook_scale": "mlp.norm.scale",
    "ln2.hook_normalized": "mlp.in",
    "ln2_post.hook_scale": "mlp.post_norm.scale",
    "attn.hook_q": "attn.q",
    "attn.hook_k": "attn.k",
    "attn.hook_v": "attn.v",
    "attn.hook_rot_q": "attn.q_rot",
    "attn.hook_rot_k": "attn.k_rot",
    "attn.hook_attn_scores": "attn.scores",
    "attn.hook_pattern": "attn.pattern",
    "attn.hook_z": "attn.z",
    "attn.hook_result": "attn.result",
    "mlp.hook_pre": "mlp.pre",  # in a gated MLP the gate
    "mlp.hook_pre_linear": "mlp.pre",  # only in a gated MLP
    "mlp.hook_post": "mlp.post",
}
REFUSED = {
    "hook_attn_in": "sonde keeps no copy of the stream for each head: use 'resid_pre', or edit 'attn.q', 'attn.k' and 'attn.v' by head",
    "hook_q_input": "sonde keeps no copy of the stream for each head: edit 'attn.q' by head",
    "hook_k_input": "sonde keeps no copy of the stream for each head: edit 'attn.k' by head",
    "hook_v_input": "sonde keeps no copy of the stream for each head: edit 'attn.v' by head",
    "hook_mlp_in": "the MLP has no copy of the stream of its own: use 'resid_mid', or 'mlp.in' for what it reads after its norm",
    "hook_tokens": "token ids are inputs: give other ones to run",
}


def is_foreign(name: str) -> bool:
    """Whether a name, or a glob, is one of TransformerLens'.

    Arguments:
        name: of a site.

    >>> is_foreign("blocks.3.attn.hook_z"), is_foreign("blocks.3.attn.z")
    (True, False)
    """
    return _HOOK.fullmatch(name) is not None


def translated(name: str, module: nn.Module, architecture: "Architecture") -> str:
    """Sonde's name for a place that TransformerLens names; warns where the two tensors differ.

    Arguments:
        name: TransformerLens'.
        module: the network.
        architecture: it says whether the MLPs are gated, which norms there are, how the stream is updated.

    Raises:
        SiteUnavailable: there is no such tensor here. UnknownSite: TransformerLens has no such name.
    """
    found = _HOOK.fullmatch(name)
    assert found is not None
    block, hook = found[1] or "", found[2]
    gated, law = any(site.endswith(".mlp.gate") for site in architecture.sites), architecture.law
    if hook in REFUSED:
        raise SiteUnavailable(f"{name!r} of TransformerLens has no counterpart: {REFUSED[hook]}")
    own = (IN_BLOCK if block else NAMES).get(hook)
    if own is None:
        raise UnknownSite(f"{name!r} is no name that sonde knows of TransformerLens; print model.sites() for sonde's own")
    if law == "none":
        raise SiteUnavailable(f"{name!r}: {type(module).__name__} is no known family, so its sites are module paths with ':in' or ':out'")
    if law == "post":
        raise SiteUnavailable(
            f"{name!r}: TransformerLens cuts the stream of a post-norm model at other places; use the names that model.sites() lists"
        )
    if hook == "mlp.hook_pre_linear" and not gated:
        raise SiteUnavailable(f"{name!r} is the linear branch of a gated MLP, and the MLPs of this model are not gated; use '{block}mlp.pre'")
    site = block + ("mlp.gate" if hook == "mlp.hook_pre" and gated else own)
    if difference := _difference(hook, site, module, architecture):
        warnings.warn(f"{name!r} is read as {site!r}: {difference}", stacklevel=3)
    return site


def foreign(site: str) -> str:
    """TransformerLens' name of one of sonde's places; the place's own where it has none.

    Arguments:
        site: sonde's name.

    >>> foreign("blocks.3.attn.z"), foreign("layer3.0:out")
    ('blocks.3.attn.hook_z', 'layer3.0:out')
    """
    found = re.fullmatch(r"(blocks\.\d+\.)?(.*)", site)
    assert found is not None
    names = {own: hook for hook, own in reversed((IN_BLOCK if found[1] else NAMES).items())}  # of two names for one place the first
    return (found[1] or "") + names.get(found[2], found[2])


def foreign_names(architecture: "Architecture") -> list[str]:
    """TransformerLens' names for the sites of an architecture.

    Arguments:
        architecture: whose.
    """
    sites, blocks = architecture.sites, range(architecture.n_layers)
    known = [*NAMES.items(), *((f"blocks.{i}.{hook}", f"blocks.{i}.{own}") for i in blocks for hook, own in IN_BLOCK.items())]
    gated = "blocks.0.mlp.gate" in sites
    return [hook for hook, own in known if own in sites and (gated or not hook.endswith("hook_pre_linear"))]


def _difference(hook: str, site: str, module: nn.Module, architecture: "Architecture") -> str:
    """In what sonde's tensor differs from TransformerLens'; empty where it does not."""
    if hook in ("hook_attn_out", "hook_mlp_out") and architecture.law == "sandwich":
        return "what is added to the residual stream, after the norm; TransformerLens' bridge gives what comes before it"
    if hook == "attn.hook_attn_scores":
        return "hidden keys keep the mask's own lowest number, not -inf, and an edit never shows them"
    if hook.endswith("hook_scale"):
        return "without TransformerLens' last axis of length one"
    if hook.endswith("hook_normalized"):
        scale = {"final_norm": "final_norm.scale"}.get(site, site.removesuffix("in") + "norm.scale")
        spec = architecture.sites.get(scale)
        if spec is not None and not isinstance(module.get_submodule(spec.point.module), nn.LayerNorm):
            return "the norm's output, with its weight, which TransformerLens multiplies with after this place in an RMSNorm"
    return ""
