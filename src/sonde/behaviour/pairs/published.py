"""What others have published on the same paradigms, read from their files and shown as theirs."""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path

from sonde.results import InputError

NAMES = {"ngram": "5-gram", "lstm": "LSTM", "txl": "Transformer-XL", "gpt2": "GPT-2"}
MODELS, HUMANS = "models_summary.jsonl", "human_validation_summary.csv"


@dataclass(frozen=True)
class Published:
    """A row of somebody else's table.

    Arguments:
        name: whose.
        accuracy: by paradigm, from 0 to 1.
        source: the file that it was read from.
    """

    name: str
    accuracy: dict[str, float]
    source: str


def published(folder: str | Path) -> list[Published]:
    """The authors' figures beside BLiMP's data: four models, and people.

    Arguments:
        folder: that holds `models_summary.jsonl` or `human_validation_summary.csv`, or both.

    Raises:
        InputError: neither file is there, or one is not of its form.
    """
    folder, found = Path(folder).expanduser(), []
    try:
        if (folder / MODELS).is_file():
            lines = [json.loads(line) for line in (folder / MODELS).read_text(encoding="utf-8").splitlines() if line.strip()]
            own = [line for line in lines if line["UID"] != "overall"]
            for key, name in NAMES.items():
                found.append(Published(f"{name} (authors)", {line["UID"]: float(line[key]) for line in own}, MODELS))
        if (folder / HUMANS).is_file():
            rows = csv.DictReader(io.StringIO((folder / HUMANS).read_text(encoding="utf-8")))
            found.append(Published("human (authors)", {row["Condition"]: float(row["total_mean"]) for row in rows}, HUMANS))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(f"the published figures in {folder} are not of their form ({type(error).__name__}: {error}): fetch them again") from None
    if not found:
        raise InputError(f"{folder} holds neither {MODELS} nor {HUMANS}: give the folder of BLiMP that holds them")
    return found
