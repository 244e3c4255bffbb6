"""The logit difference without one part of the stream at a time, the final norm formed anew each time."""

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.results import SiteUnavailable
from sonde.tasks import LogitDifference


def differences_without(model: Model, rows: list[list[int]], of: LogitDifference, names: list[str]) -> Float[Tensor, "part example"]:
    """The difference, before a cap, of each example's stream less what one part added to it.

    Arguments:
        model: whose parts add to one stream.
        rows: of token ids.
        of: targets and foils, and the position.
        names: the parts, as `direct_contributions` names them.

    Raises:
        SiteUnavailable: a family whose heads add nothing by themselves.
    """
    arch = model.architecture
    if arch.law == "sandwich":
        raise SiteUnavailable(
            f"{model.name} ({arch.family}) norms what its attention adds, so no head can be taken out of the stream: use norm='frozen'"
        )
    layers = range(model.n_layers)
    ends = [name for name in ("embed", "pos_embed") if name in names]
    inner = [f"blocks.{i}.{site}" for i in layers for site in ("attn.result", "attn.out", "mlp.out") if f"blocks.{i}.{site}" in arch.sites]
    last = f"blocks.{model.n_layers - 1}.resid_post"
    run = model.run(rows, read=[*ends, "blocks.0.resid_pre", *inner, last], logits=False)

    def at(site: str) -> Tensor:
        return run[f"{site}[pos={of.pos}]"].float()

    parts = {name: at("blocks.0.resid_pre" if name == "embeddings" else name) for name in names if name in ("embed", "pos_embed", "embeddings")}
    biases = torch.zeros_like(at(last))
    for i in layers:
        heads = at(f"blocks.{i}.attn.result")
        parts |= {f"head {i}.{head}": heads[:, head] for head in range(model.n_heads)}
        biases += at(f"blocks.{i}.attn.out") - heads.sum(1)
        if f"MLP {i}" in names:
            parts[f"MLP {i}"] = at(f"blocks.{i}.mlp.out")
    parts["attention biases"] = biases
    without = torch.stack([at(last) - parts[name] for name in names])
    return _difference(model, without.to(run[last].dtype), of).cpu()


def _difference(model: Model, stream: Float[Tensor, "part example d"], of: LogitDifference) -> Float[Tensor, "part example"]:
    n, cap = stream.shape[1], model.architecture.softcap
    targets, foils = (torch.as_tensor(ids).reshape(-1).expand(n) for ids in (of.targets, of.foils))
    tokens, places = torch.cat([targets, foils]).unique(return_inverse=True)
    with torch.no_grad():
        logits = model.read_out(model.final(stream), tokens).float()
    logits = torch.atanh(logits / cap) * cap if cap else logits
    rows = torch.arange(n)
    return logits[:, rows, places[:n]] - logits[:, rows, places[n:]]
