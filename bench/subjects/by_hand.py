"""GPT-2 block by block on its own modules, open at every edge: no library, and no hooks.

Shapes: sender s, receiver r, head h, row b, position t, width d, width of a head e.
"""

from typing import Any

from bench.subjects import edges as e
from bench.subjects import workload as w


class ByHand:
    """The model of the benchmark.

    Arguments:
        device: where it computes.
    """

    def __init__(self, device: str) -> None:
        self.model = w.model(device)
        self.body = self.model.transformer
        rows = self.model.lm_head.weight
        self.answer = rows[w.TARGET] - rows[w.FOIL]

    def embedded(self, ids: Any) -> Any:
        """What enters block 0."""
        import torch

        return self.body.wte(ids) + self.body.wpe(torch.arange(ids.shape[1], device=ids.device))

    def metric(self, x_btd: Any) -> Any:
        """The difference of two logits at the last position, for each row."""
        return self.body.ln_f(x_btd[:, -1]) @ self.answer

    def log_probabilities(self, x_btd: Any) -> Any:
        """Of every token at the last position, (b, vocabulary)."""
        return self.model.lm_head(self.body.ln_f(x_btd[:, -1])).log_softmax(-1)

    def attend(self, qkv_bti: Any) -> Any:
        """The heads' mixtures of values, (b, t, h, e), from queries, keys and values side by side."""
        from torch.nn.functional import scaled_dot_product_attention

        parts = (part.unflatten(-1, (w.HEADS, w.D_HEAD)).transpose(1, 2) for part in qkv_bti.split(w.D_MODEL, -1))
        return scaled_dot_product_attention(*parts, is_causal=True).transpose(1, 2)

    def heads(self, layer: int, z_bthe: Any) -> Any:
        """What each head adds to the residual stream, (h, b, t, d)."""
        import torch

        W_O = self.body.h[layer].attn.c_proj.weight.view(w.HEADS, w.D_HEAD, w.D_MODEL)
        return torch.einsum("bthe,hed->hbtd", z_bthe, W_O)

    def outputs(self, ids: Any) -> Any:
        """What each sender adds, (s, b, t, d)."""
        import torch

        x = self.embedded(ids)
        found = x.new_empty(e.SENDERS, *x.shape)
        found[0] = x
        with torch.no_grad():
            for layer, block in enumerate(self.body.h):
                n = 1 + layer * (w.HEADS + 1)
                z = self.attend(block.attn.c_attn(block.ln_1(x)))
                found[n : n + w.HEADS] = self.heads(layer, z)
                x = x + block.attn.c_proj(z.flatten(-2))
                found[n + w.HEADS] = block.mlp(block.ln_2(x))
                x = x + found[n + w.HEADS]
        return found

    def scores(self, x_btd: Any, carried_sbtd: Any, own_sbtd: Any = None) -> Any:
        """The change of each sender times the slope of the mean metric at each receiver's input, (s, r).

        Arguments:
            x_btd: what enters block 0; there the slopes are taken.
            carried_sbtd: what the senders add in the partners.
            own_sbtd: what they add in the clean prompts; where it is not given, these are what enters.
        """
        import torch

        x = x_btd.detach().requires_grad_()
        added = [x[None]]
        entered, projected = [], []  # what goes into each norm, and what the map behind it makes of it: a block's heads, then its MLP
        for layer, block in enumerate(self.body.h):
            entered.append(x)
            projected.append(block.attn.c_attn(block.ln_1(x)))
            z = self.attend(projected[-1])
            x = x + block.attn.c_proj(z.flatten(-2))
            entered.append(x)
            projected.append(block.mlp.c_fc(block.ln_2(x)))
            out = block.mlp.c_proj(block.mlp.act(projected[-1]))
            x = x + out
            if own_sbtd is None:
                added += [self.heads(layer, z.detach()), out[None]]
        *slopes, last = torch.autograd.grad(self.metric(x).mean(), [*projected, x])
        with torch.no_grad():
            change = carried_sbtd - (torch.cat(added) if own_sbtd is None else own_sbtd)
            found = x.new_zeros(e.SENDERS, e.RECEIVERS)
            for layer, block in enumerate(self.body.h):
                first, n = layer * e.BLOCK, 1 + layer * (w.HEADS + 1)
                W_QKV = block.attn.c_attn.weight.view(w.D_MODEL, 3 * w.HEADS, w.D_HEAD)
                wanted = torch.einsum("btre,dre->rbtd", slopes[2 * layer].unflatten(-1, (3 * w.HEADS, w.D_HEAD)), W_QKV)
                found[:n, first : first + 3 * w.HEADS] = _products(change[:n], _through(block.ln_1, entered[2 * layer], wanted))
                wanted = (slopes[2 * layer + 1] @ block.mlp.c_fc.weight.T)[None]
                n += w.HEADS
                found[:n, [first + 3 * w.HEADS]] = _products(change[:n], _through(block.ln_2, entered[2 * layer + 1], wanted))
            found[:, [-1]] = _products(change, last[None])
        return found

    def rewired(self, ids: Any, carried_sbtd: Any, kept_sr: Any) -> Any:
        """The last residual stream where each receiver reads the carried outputs of the senders that are not kept for it."""
        import torch

        x = self.embedded(ids)
        outputs = torch.empty_like(carried_sbtd)
        outputs[0] = x

        def read(start: int, stop: int, n: int) -> dict[int, Any]:
            """What those of some receivers read that do not read x."""
            some = [receiver for receiver in range(start, stop) if not kept_sr[:n, receiver].all()]
            changes = ((~kept_sr[:n, some]).T.to(x) @ (carried_sbtd[:n] - outputs[:n]).flatten(1)).view(-1, *x.shape) if some else ()
            return {receiver: x + change for receiver, change in zip(some, changes, strict=True)}

        with torch.no_grad():
            for layer, block in enumerate(self.body.h):
                first, n = layer * e.BLOCK, 1 + layer * (w.HEADS + 1)
                last = first + e.BLOCK - 1
                qkv = block.attn.c_attn(block.ln_1(x))
                for receiver, own in read(first, last, n).items():
                    part = slice((receiver - first) * w.D_HEAD, (receiver - first + 1) * w.D_HEAD)
                    qkv[..., part] = block.ln_1(own) @ block.attn.c_attn.weight[:, part] + block.attn.c_attn.bias[part]
                z = self.attend(qkv)
                outputs[n : n + w.HEADS] = self.heads(layer, z)
                x = x + block.attn.c_proj(z.flatten(-2))
                outputs[n + w.HEADS] = block.mlp(block.ln_2(read(last, last + 1, n + w.HEADS).get(last, x)))
                x = x + outputs[n + w.HEADS]
            return read(e.RECEIVERS - 1, e.RECEIVERS, e.SENDERS).get(e.RECEIVERS - 1, x)


def _through(norm: Any, x_btd: Any, slopes_rbtd: Any) -> Any:
    """Slopes behind a LayerNorm as slopes before it."""
    centred = x_btd - x_btd.mean(-1, keepdim=True)
    scale = (centred.square().mean(-1, keepdim=True) + norm.eps).rsqrt()
    unit, slopes = centred * scale, slopes_rbtd * norm.weight
    return (slopes - slopes.mean(-1, keepdim=True) - unit * (slopes * unit).mean(-1, keepdim=True)) * scale


def _products(change_sbtd: Any, slopes_rbtd: Any) -> Any:
    return change_sbtd.flatten(1) @ slopes_rbtd.flatten(1).T


def ranking(device: str) -> Any:
    """The scores by which the circuits' edges are ranked, (s, r)."""
    hand = ByHand(device)
    clean, corrupt = e.pairs(e.EVALUATED_PAIRS, device)
    return hand.scores(hand.embedded(clean), hand.outputs(corrupt))
