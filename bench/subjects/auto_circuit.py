"""auto-circuit, which wraps the modules of a HookedTransformer; its masks are 1 where an edge is ablated."""

from typing import Any

from bench.subjects import edges as e
from bench.subjects import workload as w
from bench.subjects.by_hand import ranking
from bench.subjects.trial import Stratum, Trial

LETTERS = "qkv"


def eap(device: str) -> Trial:
    """`mask_gradient_prune_scores` at masks of 0, the fast form of edge attribution patching; it descends, so the signs turn."""
    from auto_circuit.prune_algos.mask_gradient import mask_gradient_prune_scores

    model, loader = _patchable(device), _loader(e.EAP_PAIRS, device)

    def run() -> Any:
        return mask_gradient_prune_scores(model, loader, None, grad_function="logit", answer_function="avg_diff", mask_val=0.0)

    return Trial(run, lambda found: e.told(-_matrix(found)))


def exact_edges(device: str) -> Trial:
    """The loop of its ACDC with every edge put back: no function of its own does this."""
    import torch
    from auto_circuit.utils.ablation_activations import src_ablations
    from auto_circuit.utils.graph_utils import patch_mode, set_all_masks

    model = _patchable(device)
    clean, corrupt = e.pairs(e.EXACT_PAIRS, device)
    edges = _by_number(model)
    with torch.inference_mode():
        own, carried = src_ablations(model, clean), src_ablations(model, corrupt)
        _, ids, short, mask = model.input_to_embed(clean)
        _, cache = model.run_with_cache(clean)
    entered = [cache[f"blocks.{layer}.hook_resid_pre"].clone() for layer in range(w.LAYERS)]
    base = w.difference(model(clean)).detach()
    set_all_masks(model, val=0.0)

    def run(number: e.Edge) -> Any:
        edge = edges[number]
        layer = int(edge.dest.module_name.split(".")[1])
        with patch_mode(model, carried, curr_src_outs=own), torch.inference_mode():
            edge.patch_mask(model).data[edge.patch_idx] = 1.0
            logits = model(entered[layer], start_at_layer=layer, tokens=ids, shortformer_pos_embed=short, attention_mask=mask)
            edge.patch_mask(model).data[edge.patch_idx] = 0.0
        return (w.difference(logits) - base).mean()

    return Trial(run, e.told, strata=e.strata(e.TIMED), checked=lambda: [run(edge) for edge in e.checked()], note=e.note(e.TIMED))


def acdc(device: str) -> Trial:
    """`acdc_prune_scores` of a model that is told of some edges only."""
    from auto_circuit.prune_algos.ACDC import acdc_prune_scores

    model, loader = _patchable(device), _loader(e.EXACT_PAIRS, device)
    edges = _by_number(model)

    def run(numbers: tuple[e.Edge, ...]) -> Any:
        model.edges = [edges[number] for number in numbers]
        return acdc_prune_scores(model, loader, None, tao_exps=[0], tao_bases=[e.THRESHOLD])

    def decided() -> Any:
        dropped = _matrix(run(tuple(e.first_decisions()))).isfinite()
        return ~dropped

    return Trial(run, e.decided, strata=_together(), checked=decided, note=e.note(e.TIMED))


def _together() -> tuple[Stratum, ...]:
    """Edges of a block go into one call, in three of them; what a call does before its first decision the job does once."""
    calls, each = 3, e.TIMED // 3
    several = [Stratum(tuple(stratum.cells[i * each : (i + 1) * each] for i in range(calls)), stratum.of // each) for stratum in e.strata(e.TIMED)]
    return (*several, Stratum(((),), 1 - sum(of for _, of in several)))


def circuit_eval(device: str) -> Trial:
    """`run_circuits`, which ablates all edges but the ones of the greatest scores."""
    from auto_circuit.prune import run_circuits
    from auto_circuit.types import PatchType

    model, loader = _patchable(device), _loader(e.EVALUATED_PAIRS, device)
    counts, scores = e.counts(), _of_matrix(model, ranking(device))

    def run() -> Any:
        return run_circuits(model, loader, counts, scores, PatchType.TREE_PATCH)

    def answer(found: Any) -> dict[str, Any]:
        import torch

        logits = [next(iter(found[count].values())) for count in counts]
        return {"sizes": torch.stack([one[:, w.TARGET] - one[:, w.FOIL] for one in logits])}

    return Trial(run, answer)


def _patchable(device: str) -> Any:
    """The benchmark's weights in a HookedTransformer with every edge wrapped."""
    import torch
    from auto_circuit.utils.graph_utils import patchable_model
    from transformer_lens import HookedTransformer, HookedTransformerConfig
    from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights

    theirs = w.model(device)
    config = HookedTransformerConfig(
        n_layers=w.LAYERS, d_model=w.D_MODEL, n_ctx=theirs.config.n_positions, d_head=w.D_HEAD, n_heads=w.HEADS, d_mlp=w.D_MLP, d_vocab=w.VOCAB,
        act_fn="gelu_new", normalization_type="LN", eps=theirs.config.layer_norm_epsilon, device=device,
        use_attn_result=True, use_split_qkv_input=True, use_hook_mlp_in=True,
    )  # fmt: skip
    model = HookedTransformer(config)
    model.load_and_process_state_dict(
        convert_gpt2_weights(theirs, config), fold_ln=False, center_writing_weights=False, center_unembed=False, fold_value_biases=False
    )
    model = model.eval().requires_grad_(False)
    return patchable_model(model, factorized=True, slice_output="last_seq", separate_qkv=True, device=torch.device(device))


def _loader(rows: int, device: str) -> Any:
    import torch
    from auto_circuit.data import PromptDataLoader, PromptDataset

    clean, corrupt = e.pairs(rows, device)
    right, wrong = (torch.tensor([token], device=device) for token in (w.TARGET, w.FOIL))
    dataset = PromptDataset(list(clean), list(corrupt), [right] * rows, [wrong] * rows)
    return PromptDataLoader(dataset, seq_len=None, diverge_idx=0, batch_size=rows, shuffle=False)


def _modules() -> list[tuple[str, int, int]]:
    """Its receivers as modules: their name, the number of the first one, how many they are."""
    found = []
    for layer in range(w.LAYERS):
        first = layer * e.BLOCK
        found += [(f"blocks.{layer}.hook_{letter}_input", first + i * w.HEADS, w.HEADS) for i, letter in enumerate(LETTERS)]
        found.append((f"blocks.{layer}.hook_mlp_in", first + 3 * w.HEADS, 1))
    return [*found, (f"blocks.{w.LAYERS - 1}.hook_resid_post", e.RECEIVERS - 1, 1)]


def _matrix(scores: dict[str, Any]) -> Any:
    """Its scores, module by module (head, sender), as (sender, receiver)."""
    import torch

    found = torch.zeros(e.SENDERS, e.RECEIVERS)
    for name, first, n in _modules():
        part = scores[name].detach().view(n, -1)
        found[: part.shape[1], first : first + n] = part.T
    return found


def _of_matrix(model: Any, scores: Any) -> dict[str, Any]:
    """The way back."""
    empty = model.new_prune_scores()
    return {name: scores[: empty[name].shape[-1], first : first + n].T.reshape(empty[name].shape) for name, first, n in _modules()}


def _by_number(model: Any) -> dict[e.Edge, Any]:
    firsts = {name: first for name, first, _ in _modules()}
    return {e.Edge(edge.src.src_idx, firsts[edge.dest.module_name] + (edge.dest.head_idx or 0)): edge for edge in model.edges}
