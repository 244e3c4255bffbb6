"""A small training loop that can be interrupted anywhere and resumed, giving the same weights as a run that never stopped.

AdamW (Loshchilov & Hutter 2019) with clipped gradients; the learning rate warms up linearly, stays constant, and falls linearly to
nothing over the last part of the run. What a step sees must depend on the step's number alone: then nothing else has to be kept
than weights, the optimiser's moments, the step and the caller's notes. They lie in safetensors and JSON.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from safetensors import SafetensorError
from safetensors.torch import load_file, load_model, save_file, save_model
from torch import Tensor, nn

from sonde.results import InputError, LoadError, SondeError


@dataclass(frozen=True)
class TrainingConfig:
    """How weights are updated."""

    steps: int
    """Updates in all."""
    lr: float = 4e-3
    """Highest learning rate."""
    betas: tuple[float, float] = (0.9, 0.98)
    """Memory of AdamW's first and second moment."""
    weight_decay: float = 0.1
    """Decay of linear maps; embeddings, biases and norms are left alone."""
    max_norm: float = 1.0
    """Gradients longer than this are shortened to it."""
    warmup_steps: int = 100
    """Updates over which the learning rate rises."""
    cooldown: float = 0.3
    """Share of all updates, the last ones, over which the learning rate falls to nothing."""

    def rate(self, step: int) -> float:
        """Learning rate of one update, counted from 0.

        >>> config = TrainingConfig(steps=100, lr=1.0, warmup_steps=10, cooldown=0.5)
        >>> [config.rate(step) for step in (0, 9, 40, 75, 99)]
        [0.1, 1.0, 1.0, 0.5, 0.02]
        """
        rising = (step + 1) / max(1, self.warmup_steps)
        falling = (self.steps - step) / (self.cooldown * self.steps) if self.cooldown else 1.0
        return self.lr * min(1.0, rising, falling)


class Training:
    """A model, its optimiser and the number of updates made: all that an interrupted run needs to go on.

    Arguments:
        model: trained in place.
        config: how.

    Example:
        ```python
        training = Training(model, TrainingConfig(steps=1000))
        for step in training.remaining(folder, every=200):
            training.update(loss(model, batch_of(step)))
        ```
    """

    def __init__(self, model: nn.Module, config: TrainingConfig) -> None:
        self.model, self.config, self.step = model, config, 0
        self.notes: dict[str, Any] = {}
        """Plain data of the caller, kept with the checkpoints (the stage of a curriculum, a log)."""
        decayed = {id(m.weight) for m in model.modules() if isinstance(m, nn.Linear | nn.Conv2d)}
        # a tied unembedding is an embedding
        decayed -= {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
        self._parameters = list(model.parameters())
        groups = [
            {"params": [p for p in self._parameters if id(p) in decayed], "weight_decay": config.weight_decay},
            {"params": [p for p in self._parameters if id(p) not in decayed], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW([group for group in groups if group["params"]], lr=config.lr, betas=config.betas, fused=True)

    def update(self, loss: Tensor) -> float:
        """Make one update.

        Arguments:
            loss: a scalar of the model's weights.

        Returns:
            Its value.

        Raises:
            InputError: the loss is not finite; the weights are left as they were.
        """
        value = loss.item()
        if not torch.isfinite(loss):
            raise InputError(f"the loss at step {self.step} is {value}: lower the learning rate ({self.config.lr}) or look at that step's data")
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.rate(self.step)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._parameters, self.config.max_norm)
        self.optimizer.step()
        self.step += 1
        return value

    def remaining(self, folder: Path | None = None, every: int = 500, label: str = "training") -> Iterator[int]:
        """The numbers of the updates still to make, with a progress bar.

        Arguments:
            folder: where a checkpoint is kept after every so many updates and at the end; None keeps none.
            every: updates between two checkpoints.
            label: stands before the bar.

        Yields:
            The number of the update to make next; the loop's body makes it.
        """
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
        with Progress(*columns, transient=True) as progress:
            bar = progress.add_task(label, total=self.config.steps, completed=self.step)
            while self.step < self.config.steps:
                yield self.step
                progress.update(bar, completed=self.step)
                if folder is not None and (self.step % every == 0 or self.step == self.config.steps):
                    self.save(folder)

    def save(self, folder: Path) -> None:
        """Write a checkpoint; an older one in the same folder is replaced only once the new one is whole.

        Arguments:
            folder: where.

        Raises:
            SondeError: it can't be written.
        """
        fresh = folder.with_name(folder.name + ".part")
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            fresh.mkdir(parents=True)
        except OSError as error:
            raise SondeError(f"the checkpoint {folder} can't be written ({error.strerror or error}): choose another folder") from None
        save_model(self.model, str(fresh / "model.safetensors"))
        moments = {
            f"{i}.{name}": value.contiguous() for i, p in enumerate(self._parameters) for name, value in self.optimizer.state.get(p, {}).items()
        }
        save_file(moments, fresh / "optimizer.safetensors")
        state = {"step": self.step, "config": asdict(self.config), "notes": self.notes}
        (fresh / "training.json").write_text(json.dumps(state, indent=2), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)

    def restore(self, folder: Path) -> None:
        """Go on from a checkpoint.

        Arguments:
            folder: written by `save`.

        Raises:
            LoadError: it can't be read, or was written under another configuration.
        """
        try:
            state = json.loads((folder / "training.json").read_text(encoding="utf-8"))
            load_model(self.model, str(folder / "model.safetensors"))
            moments = load_file(folder / "optimizer.safetensors")
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise LoadError(f"cannot resume from {folder} ({error}): remove it to start afresh") from error
        config = json.loads(json.dumps(asdict(self.config)))  # tuples become lists, as in the file
        if state["config"] != config:
            raise LoadError(f"the checkpoint in {folder} was made with {state['config']}, not {config}: use that configuration or another folder")
        for key, value in moments.items():
            index, name = key.split(".")
            self.optimizer.state[self._parameters[int(index)]][name] = value
        self.step, self.notes = state["step"], state["notes"]
