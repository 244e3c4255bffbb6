"""The direct path to the logits alone: what a value adds to the residual stream, and through no later part.

With what every part reads of the stream detached, and every norm on the way held at its scale, a gradient goes along the skip connections only: a
value times it is the value's direct contribution (Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"), in whatever way a family
adds to its stream. Instead of the gradient, the parts that come after may be held at the values of another run: then the direct effect is exact.
"""

from typing import TYPE_CHECKING

from sonde.access.edits import Detach
from sonde.results import SiteUnavailable

if TYPE_CHECKING:
    from sonde.access.model import Model


def refuse_indirect(model: "Model") -> None:
    """Raise `SiteUnavailable` where the parts of a model do not add up to its logits, with the reason and the way out.

    Arguments:
        model: that is to be taken apart.
    """
    arch, way_out = model.architecture, "; sonde.patching asks what each part does there"
    if not arch.unembed or arch.law == "none" or not arch.sites:
        raise SiteUnavailable(f"direct contributions need a language model of a known family with its unembedding; {model.name} is {arch.family!r}")
    if arch.law == "post":
        raise SiteUnavailable(f"{model.name} ({arch.family}) norms its stream after every sum, so no part is added to what its logits read{way_out}")
    unknown = [name for name in norm_scales(model, whole=True) if name not in arch.sites]
    if unknown:
        raise SiteUnavailable(f"{arch.why_not(unknown[0])}; while it is not frozen, parts do not add up{way_out}")


def norm_scales(model: "Model", whole: bool = False) -> list[str]:
    """The norms between a part and the logits.

    Arguments:
        model: whose.
        whole: those that the family should have, too, but that have no scale.
    """
    arch = model.architecture
    kinds = ("attn.post_norm", "mlp.post_norm") if arch.law == "sandwich" else ()
    names = [f"blocks.{i}.{kind}.scale" for i in range(model.n_layers) for kind in kinds]
    names += ["final_norm.scale"] if arch.final else []
    return [name for name in names if name in arch.sites or (whole and "no norm" not in (arch.why_not(name) or ""))]


def direct_only(model: "Model") -> list[Detach]:
    """The edits under which gradients go along the direct path alone.

    Arguments:
        model: a transformer whose parts add to one stream.
    """
    read_by_parts = [f"blocks.{i}.{branch}.in" for i in range(model.n_layers) for branch in ("attn", "mlp")]
    return [Detach(site) for site in (*norm_scales(model), *(site for site in read_by_parts if site in model.architecture.sites))]


def parts_between(model: "Model", start: str, end: str = "logits") -> list[str]:
    """What later parts add to the stream on the way from one site to another: held at their values, only the direct path is left.

    Arguments:
        model: of a known family.
        start: the site that is changed; the part that it lies in is none of those between.
        end: the site where the change is looked for; likewise.
    """
    order = [name for name in model.architecture.sites if not name.startswith(("text.", "vision."))]
    own = {".".join([*name.split(".")[:3], "out"]) for name in (start, end) if ".attn." in name or ".mlp." in name}
    between = order[order.index(start) + 1 : order.index(end)]
    return [name for name in between if name.endswith((".attn.out", ".mlp.out")) and name not in own]
