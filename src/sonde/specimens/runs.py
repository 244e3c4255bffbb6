"""What the recipes share: a training that can be interrupted, and a log of what the model can do along the way."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from sonde.nn.training import Training


def updates(training: Training, out: Path, name: str, look: Callable[[], Mapping[str, float]], every: int = 500) -> Iterator[int]:
    """The numbers of the updates still to make; the loop's body makes them.

    Arguments:
        training: begun, or interrupted and found again in `out`.
        out: the checkpoint is kept there.
        name: of the specimen.
        look: what the model can do now; a line of the log, which is `training.notes["log"]`.
        every: updates between two lines, and two checkpoints.

    Yields:
        The number of the update to make next.

    Raises:
        LoadError: the checkpoint was made with other settings.
    """
    checkpoint = out / f"{name}-checkpoint"
    if checkpoint.exists():
        training.restore(checkpoint)
    notes = training.notes
    notes.setdefault("log", [])
    started = time.monotonic() - notes.get("seconds", 0.0)
    for step in training.remaining(checkpoint, every, label=name):
        yield step
        if training.step % every == 0 or training.step == training.config.steps:
            notes["seconds"] = round(time.monotonic() - started, 1)
            line = {"step": training.step, "seconds": notes["seconds"], **{key: round(value, 4) for key, value in look().items()}}
            notes["log"].append(line)
            print(json.dumps(line), flush=True)
