"""SAELens, by its trainer's own step."""

from typing import Any

from bench.subjects import dictionaries as d
from bench.subjects.trial import Trial


def sae_topk_step(device: str) -> Trial:
    """`SAETrainer.step` of a TopK dictionary, with what it does by default."""
    from sae_lens import TopKTrainingSAE, TopKTrainingSAEConfig

    given = d.batches(d.TOPK_WIDTH)
    return _step(given, lambda: TopKTrainingSAE(TopKTrainingSAEConfig(d_in=d.TOPK_WIDTH, d_sae=d.TOPK_SIZE, k=d.K)))


def sae_l1_step(device: str) -> Trial:
    """`SAETrainer.step` of its standard dictionary, which is dense whatever is active."""
    import torch
    from sae_lens import StandardTrainingSAE, StandardTrainingSAEConfig

    torch.set_num_threads(d.L1_THREADS)
    given = d.batches(d.L1_WIDTH)
    return _step(given, lambda: StandardTrainingSAE(StandardTrainingSAEConfig(d_in=d.L1_WIDTH, d_sae=d.L1_SIZE, l1_coefficient=1.0)))


def sae_l1_dense_step(device: str) -> Trial:
    """The same."""
    return sae_l1_step(device)


def _step(given: list[Any], make: Any) -> Trial:
    import torch
    from sae_lens.config import SAETrainerConfig
    from sae_lens.training.sae_trainer import SAETrainer

    resident = d.resident_mb()
    torch.manual_seed(0)
    trainer = SAETrainer(SAETrainerConfig(total_training_samples=10**9, train_batch_size_samples=d.ROWS, lr_end=d.LR), make(), iter(()))
    return Trial(d.in_turn(given, trainer.step), resident_mb=resident)


def sae_pipeline(device: str) -> Trial:
    """`LanguageModelSAETrainingRunner` on a model of TransformerLens of the same sizes."""
    import sae_lens
    from datasets import Dataset
    from transformer_lens import HookedTransformer, HookedTransformerConfig

    rows = d.PROMPTS * d.CONTEXT
    sizes = {"n_layers": 2, "d_model": d.PIPELINE_WIDTH, "n_heads": 8, "d_head": d.PIPELINE_WIDTH // 8, "d_mlp": 4 * d.PIPELINE_WIDTH}
    model = HookedTransformer(HookedTransformerConfig(**sizes, d_vocab=d.VOCAB, n_ctx=d.CONTEXT, act_fn="gelu_new", seed=0))
    data = Dataset.from_dict({"input_ids": d.tokens().tolist()})
    resident = d.resident_mb()

    def run() -> None:
        config = sae_lens.LanguageModelSAERunnerConfig(
            sae=sae_lens.TopKTrainingSAEConfig(d_in=d.PIPELINE_WIDTH, d_sae=d.PIPELINE_SIZE, k=d.K), model_name="random",
            hook_name="blocks.0.hook_resid_post", dataset_path="none", is_dataset_tokenized=True, context_size=d.CONTEXT, prepend_bos=False,
            training_tokens=d.STEPS * rows, train_batch_size_tokens=rows, n_batches_in_buffer=64, store_batch_size_prompts=d.PROMPTS,
            streaming=False, device="cpu", n_checkpoints=0, logger=sae_lens.LoggingConfig(log_to_wandb=False), output_path=None,
            save_final_checkpoint=False, checkpoint_path=None,
        )  # fmt: skip
        sae_lens.LanguageModelSAETrainingRunner(config, override_dataset=data, override_model=model).run()

    return Trial(run, resident_mb=resident, note=f"{d.STEPS * rows:,} tokens; it has no smaller buffer than 64 contexts")
