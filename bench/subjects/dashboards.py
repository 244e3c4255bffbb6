"""What dashboards cost, in one process: python -m bench.subjects.dashboards SUBJECT FOLDER, which prints one JSON line.

A random model of two layers and a TopK dictionary of 2,048 latents over 102,400 tokens, drawn as a word's frequency falls with its rank. The
unembedding is large enough that the peer's axis has no 185,000 ticks, which it has where logits stay below 0.3.
"""

import json
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

D, LATENTS, K, VOCAB, CONTEXT, SEQUENCES, SCALE = 256, 2048, 32, 8192, 128, 800, 50.0
SHOWN = 100
"""Latents of which the peer makes dashboards."""


def tokens() -> Tensor:
    """The text, sequence pos."""
    draw = torch.Generator().manual_seed(0)
    shares = 1 / torch.arange(1, VOCAB + 1).float()
    return torch.multinomial(shares, SEQUENCES * CONTEXT, replacement=True, generator=draw).view(SEQUENCES, CONTEXT)


def sonde(folder: Path) -> dict[str, Any]:
    """All latents: statistics, histograms, logits, examples, neighbours, correlated neurons."""
    from sonde import Model
    from sonde.dictionaries import Dictionary
    from sonde.features import collect
    from sonde.nn.transformer import Transformer, TransformerConfig

    torch.manual_seed(0)
    module = Transformer(TransformerConfig(n_layers=2, d_model=D, n_heads=4, d_vocab=VOCAB, n_ctx=CONTEXT, d_mlp=4 * D, tied=False))
    with torch.no_grad():
        next(module.get_submodule("unembed").parameters()).mul_(SCALE)
    model = Model(module.eval())
    directions = torch.nn.functional.normalize(torch.randn(LATENTS, D), dim=1)
    basis = Dictionary(directions, torch.zeros(LATENTS), directions, torch.zeros(D), "topk", k=K)
    rows, found = tokens(), {}
    model.run(rows[:2], read="blocks.0.resid_post", logits=False)  # what a first use proves is no part of a pass
    _imports()
    for kept, keep in (("examples", 0), ("all", 10**9)):
        found[kept] = _timed(lambda keep=keep, kept=kept: collect(model, "blocks.0.resid_post", basis, rows, folder / kept, keep=keep))
        sizes = {file.name: file.stat().st_size for file in (folder / kept).iterdir()}
        text = sum(sizes.pop(name) for name in ("tokens.parquet", "vocabulary.parquet", "artifact.json"))
        found[kept] |= {"latents": LATENTS, "bytes_of_latent": sum(sizes.values()) / LATENTS, "bytes_of_text": text}
    forward = _timed(lambda: [model.run(rows[i : i + 32], read="blocks.0.resid_post", logits=False) for i in range(0, SEQUENCES, 32)])
    return {**found, "forward": forward}


def sae_dashboard(folder: Path) -> dict[str, Any]:
    """Dashboards of some latents, as one HTML file."""
    warnings.filterwarnings("ignore")
    from sae_dashboard.data_writing_fns import save_feature_centric_vis
    from sae_dashboard.sae_vis_data import SaeVisConfig
    from sae_dashboard.sae_vis_runner import SaeVisRunner
    from sae_lens import HookedSAETransformer, TopKSAE, TopKSAEConfig
    from transformer_lens import HookedTransformerConfig

    torch.manual_seed(0)
    shape = {"n_layers": 2, "d_model": D, "n_heads": 4, "d_head": D // 4, "d_mlp": 4 * D, "d_vocab": VOCAB, "n_ctx": CONTEXT, "act_fn": "gelu"}
    model = HookedSAETransformer(HookedTransformerConfig(seed=0, **shape))
    model.unembed.W_U.data *= SCALE
    model.tokenizer = _Words()
    model.to_str_tokens = lambda ids, **_: [f"t{int(i)}" for i in torch.as_tensor(ids).flatten()]
    hook = "blocks.1.hook_resid_pre"
    sae = TopKSAE(TopKSAEConfig(d_in=D, d_sae=LATENTS, k=K, rescale_acts_by_decoder_norm=True))
    sae.cfg.metadata.hook_name = hook
    settings = SaeVisConfig(hook_point=hook, features=list(range(SHOWN)), minibatch_size_tokens=64, minibatch_size_features=256, verbose=False)
    rows, page = tokens(), folder / "page.html"

    def work() -> None:
        save_feature_centric_vis(SaeVisRunner(settings).run(encoder=sae, model=model, tokens=rows), str(page))

    return {"html": {**_timed(work), "latents": SHOWN, "bytes_of_latent": page.stat().st_size / SHOWN, "bytes_of_text": 0}}


class _Words:
    """The least that the peer asks of a tokenizer."""

    vocab: ClassVar = {f"t{i}": i for i in range(VOCAB)}
    vocab_size, padding_side = VOCAB, "right"
    bos_token = eos_token = pad_token = "t0"
    bos_token_id = eos_token_id = pad_token_id = 0

    def decode(self, ids: Any, **_: Any) -> str:
        return "".join(f"t{int(i)}" for i in (ids if hasattr(ids, "__iter__") else [ids]))

    def batch_decode(self, rows: Any, **_: Any) -> list[str]:
        return [self.decode(row) for row in rows]

    def convert_ids_to_tokens(self, ids: Any) -> list[str]:
        return [f"t{int(i)}" for i in ids]


def _imports() -> None:
    """Load what is loaded once per process: the peer's is loaded before its time begins, too."""
    for name in ("duckdb", "polars", "scipy.sparse"):
        import_module(name)


def _timed(work: Callable[[], object]) -> dict[str, float]:
    wall, processor = time.perf_counter(), time.process_time()
    with torch.no_grad():
        work()
    return {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - processor}


def main(subject: str, folder: str) -> None:
    """Do the job and print what it took."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    found = {"sonde": sonde, "sae-dashboard": sae_dashboard}[subject](Path(folder))
    print(json.dumps({**found, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


if __name__ == "__main__":
    main(*sys.argv[1:])
