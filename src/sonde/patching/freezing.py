"""What is held at its unpatched value while a change travels from a sender to the receivers, so that it takes the asked paths only.

A frozen part still writes, but what it wrote in the unpatched run: no path goes through it. The sender's own parts stay free: of a head's queries
the head that they belong to, of an MLP's neurons its output.
"""

from collections.abc import Sequence
from typing import Literal

from sonde.access import Model, Site
from sonde.access.sites import Choice
from sonde.results import InputError, SiteUnavailable, shown

Frozen = Literal["none", "heads", "heads+mlps"]
KINDS: dict[Frozen, tuple[str, ...]] = {"none": (), "heads": ("attn.z",), "heads+mlps": ("attn.z", "mlp.out")}


def frozen_sites(model: Model, senders: Sequence[Site], frozen: Frozen | Sequence[str | Site], positions: Choice | None, norm: str) -> list[Site]:
    """The sites that are held while some senders are patched.

    Arguments:
        model: the model.
        senders: patched together.
        frozen: "heads", "heads+mlps", "none", or the sites themselves, which may be globs.
        positions: where they are held; `None` for all positions.
        norm: "live", or "frozen": the scales of all norms behind the senders are held, too.

    Raises:
        InputError: an unknown kind. SiteUnavailable: heads are meant, and the model has none that are known; a sender of which it is not known
            which parts are its own.
    """
    if isinstance(frozen, str):
        if frozen not in KINDS:
            raise InputError(f"frozen={shown(frozen)}: use {', '.join(map(repr, KINDS))}, or a list of sites")
        if KINDS[frozen] and "blocks.0.attn.z" not in model.architecture.sites:
            why = model.architecture.why_not("blocks.0.attn.z") or f"{model.name} has no stack of blocks whose heads sonde knows"
            raise SiteUnavailable(f"{why}: give frozen= the sites to be held, or 'none'")
        held = [site for kind in KINDS[frozen] for i in _behind(model, senders) for site in _others(model, i, kind, senders)]
    else:
        held = [site for one in frozen for site in (model.sites(one) if isinstance(one, str) and "*" in one else [Site.parse(one)])]
    if positions is not None:
        held = [site.at(pos=positions) for site in held]
    if norm == "frozen":
        first = min(model.locate(sender.name).block for sender in senders)
        held += [site for site in model.sites() if site.name.endswith("norm.scale") and model.locate(site.name).block >= first]
    return held


def _behind(model: Model, senders: Sequence[Site]) -> range:
    """The blocks that can feel the senders."""
    return range(max(0, min(model.locate(sender.name).block for sender in senders)), model.n_layers)


def _others(model: Model, i: int, kind: str, senders: Sequence[Site]) -> list[Site]:
    """A part of block i, without what belongs to the senders."""
    site = Site(f"blocks.{i}.{kind}")
    if site.name not in model.architecture.sites:
        return []
    own = [sender for sender in senders if _branch(model, sender) == f"blocks.{i}.{kind.partition('.')[0]}"]
    if not own:
        return [site]
    if kind == "mlp.out":
        return []
    theirs = {head for sender in own for head in _heads(model, sender)}
    others = tuple(head for head in range(model.n_heads) if head not in theirs)
    return [site.at(head=others)] if others else []


def _branch(model: Model, sender: Site) -> str:
    """The branch of a block that a sender is in, such as `blocks.3.attn`."""
    spec = model.locate(sender.name)
    name = (spec.base or spec).name
    if name not in model.architecture.sites:
        raise SiteUnavailable(f"{str(sender)!r} is a place by path, of which it is not known what is its own: give frozen= the sites to be held")
    return ".".join(name.split(".")[:3])


def _heads(model: Model, sender: Site) -> Sequence[int]:
    """The heads that a sender inside attention belongs to."""
    chosen, group = dict(sender.select), model.n_heads // model.architecture.n_kv_heads
    every = range(model.n_heads)
    if "head" in chosen:
        return _entries(chosen["head"], every)
    if "kv_head" in chosen:
        return [head for shared in _entries(chosen["kv_head"], range(len(every) // group)) for head in every[shared * group : (shared + 1) * group]]
    return every


def _entries(index: object, every: range) -> Sequence[int]:
    if isinstance(index, slice):
        return every[index]
    if isinstance(index, tuple):
        return [every[i] for i in index]
    assert isinstance(index, int)
    return [every[index]]
