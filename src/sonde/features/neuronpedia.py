"""A feature database as the files that Neuronpedia imports.

    release.jsonl.gz  model.jsonl.gz  sourceset.jsonl.gz  source.jsonl.gz       one row each
    features/batch-N.jsonl.gz                                                   a row for each latent
    activations/batch-N.jsonl.gz                                                a row for each of its examples
    explanations/batch-N.jsonl.gz                                               a row for each of its descriptions

| of an example | among the strongest | in an interval |
| --- | --- | --- |
| `binMin`, `binMax` | -1, the latent's maximum | the interval's ends |
| `binContains` | -1 | the share of firings in it |

Numbers that are not known are left at the format's own nothing: empty lists, 0. Ids are hashes of what they name, so that the same database gives the
same files. The columns are those of Neuronpedia's published database schema and of its own exports. That schema knows only the scores of scorers that
are registered there: those of a description, and who wrote it, stand in words in its `notes`.
"""

import gzip
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from jaxtyping import Float
from torch import Tensor

from sonde.access.translation import foreign
from sonde.features.database.descriptions import HUMAN
from sonde.features.records import About, Description, Example, Histogram, Record
from sonde.jobs import track
from sonde.results import InputError, SondeError

LEVEL = 5  # of compression


class Database(Protocol):
    """What is read of a database."""

    @property
    def size(self) -> int:
        """How many latents there are."""
        ...

    def about(self) -> About:
        """What was collected."""
        ...

    def record(self, latent: int) -> Record:
        """Everything about one latent."""
        ...


@dataclass(frozen=True)
class Publication:
    """Under which names features are published.

    Arguments:
        model_id: Neuronpedia's name of the model, such as gpt2-small.
        source_set: of the dictionaries that belong together, such as res-jb.
        creator: who made them.
        release: the name of the publication.
        layer: of the site; told from the site's name by default.
        suffix: what tells dictionaries of one layer and set apart, such as 32k; may be empty.
        description: of the set, in words.
        creator_id: of an account there.
        hf_repository: where the weights are, if they are on the Hub.
        hf_folder: in that repository.
        explanation_type: of the descriptions that no person wrote, a way of explaining that is registered there; others are refused by its import.
        explanation_model: of the same, a model that is registered there.
    """

    model_id: str
    source_set: str
    creator: str
    release: str
    layer: int | None = None
    suffix: str = ""
    description: str = ""
    creator_id: str = ""
    hf_repository: str = ""
    hf_folder: str = ""
    explanation_type: str = ""
    explanation_model: str = ""

    def __post_init__(self) -> None:
        for name in ("model_id", "source_set", "creator", "release"):
            if not getattr(self, name).strip():
                raise InputError(f"{name} is empty: Neuronpedia's import needs it")
        if "__" in self.source_set or "-" in self.suffix:
            raise InputError(f"source_set={self.source_set!r} and suffix={self.suffix!r}: '__' and '-' separate the parts of a source's name there")


def export_neuronpedia(
    features: Database, folder: str | Path, publication: Publication, directions: Float[Tensor, "size width"] | None = None,
    latents: Sequence[int] | None = None, batch: int = 128, writes: str | None = None, *, progress: bool = False,
) -> Path:  # fmt: skip
    """Write what Neuronpedia imports.

    Arguments:
        features: the database.
        folder: a new one; below it come the model's and the source's.
        publication: the names.
        directions: of the latents, for steering there; see `sonde.bases.directions`.
        latents: which; all by default.
        batch: latents in a file.
        writes: the site at which the directions are added, if elsewhere than they are read, as a transcoder's are.
        progress: show it.

    Returns:
        The folder of the source.

    Raises:
        InputError: no layer in the site's name and none given; no such latents. SondeError: a folder that holds something, or can't be written.
    """
    about = features.about()
    chosen = list(range(features.size)) if latents is None else list(latents)
    if not chosen or min(chosen) < 0 or max(chosen) >= features.size:
        raise InputError(f"latents {chosen[:3]}...: there are latents 0 to {features.size - 1}")
    source = f"{_layer(publication, about)}-{publication.source_set}" + (f"__{publication.suffix}" if publication.suffix else "")
    place = Path(folder) / publication.model_id / source
    if place.exists() and any(place.iterdir()):
        raise SondeError(f"{place} holds something: choose another folder")
    created = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
    try:
        for name, row in _heads(publication, source, about, created).items():
            _write(place / f"{name}.jsonl.gz", [row])
        batches = [chosen[i : i + batch] for i in range(0, len(chosen), batch)]
        for number, part in enumerate(track(batches, "exporting", shown=progress)):
            records = [features.record(latent) for latent in part]
            common = {"modelId": publication.model_id, "layer": source, "creatorId": publication.creator_id, "createdAt": created}
            rows = [_feature(record, common, foreign(writes or about["site"]), directions) for record in records]
            _write(place / "features" / f"batch-{number}.jsonl.gz", rows)
            _write(place / "activations" / f"batch-{number}.jsonl.gz", [row for record in records for row in _activations(record, common)])
            explained = [_explanation(record["latent"], one, publication, common) for record in records for one in record["descriptions"]]
            _write(place / "explanations" / f"batch-{number}.jsonl.gz", explained)
    except OSError as error:
        raise SondeError(f"{place} can't be written: {error.strerror or error}") from error
    return place


def _layer(publication: Publication, about: About) -> int:
    if publication.layer is not None:
        return publication.layer
    found = re.match(r"blocks\.(\d+)\.", about["site"])
    if not found:
        raise InputError(f"no layer in the site's name {about['site']!r}: give the publication a layer")
    return int(found[1])


def _heads(publication: Publication, source: str, about: About, created: str) -> dict[str, dict[str, Any]]:
    """The four tables of one row."""
    p = publication
    by = {"creatorId": p.creator_id, "createdAt": created}
    return {
        "release": {"name": p.release, "description": p.release, "descriptionShort": p.release, "creatorName": p.creator,
                    "creatorNameShort": p.creator, "defaultSourceSetName": p.source_set, "urls": [], "visibility": "PUBLIC", **by},
        "model": {"id": p.model_id, "displayName": p.model_id, "displayNameShort": p.model_id, "instruct": p.model_id.endswith("-it"),
                  "defaultSourceSetName": p.source_set, "updatedAt": created, **by},
        "sourceset": {"modelId": p.model_id, "name": p.source_set, "description": p.description, "creatorName": p.creator,
                      "releaseName": p.release, "visibility": "PUBLIC", **by},
        "source": {"id": source, "modelId": p.model_id, "setName": p.source_set, "visibility": "PUBLIC", "num_prompts": about["sequences"],
                   "hfRepoId": p.hf_repository or None, "hfFolderId": p.hf_folder or None, "dataset": about["corpus"], **by},
    }  # fmt: skip


def _feature(record: Record, common: dict[str, Any], hook: str, directions: Tensor | None) -> dict[str, Any]:
    """One latent."""
    logits, statistics, near = record["logits"], record["statistics"], record["nearest"]
    vector = [] if directions is None else [round(float(value), 6) for value in directions[record["latent"]]]
    heights, values = _bars(record["histogram"])
    logit_heights, logit_values = _bars(logits["histogram"]) if logits else ([], [])
    return {
        **common, "index": str(record["latent"]), "maxActApprox": statistics.get("maximum") or 0, "hasVector": bool(vector), "vector": vector,
        "vectorLabel": None, "vectorDefaultSteerStrength": statistics.get("maximum") or 0, "hookName": hook if vector else None,
        "topkCosSimIndices": [one["latent"] for one in near], "topkCosSimValues": [one["cosine"] for one in near],
        "neuron_alignment_indices": [one["neuron"] for one in record["alignment"]],
        "neuron_alignment_values": [one["value"] for one in record["alignment"]],
        "neuron_alignment_l1": [one["other"] for one in record["alignment"]],
        "correlated_neurons_indices": [one["neuron"] for one in record["neurons"]],
        "correlated_neurons_pearson": [one["value"] for one in record["neurons"]],
        "correlated_neurons_l1": [one["other"] for one in record["neurons"]],
        "correlated_features_indices": [one["latent"] for one in record["correlated"]],
        "correlated_features_pearson": [one["correlation"] for one in record["correlated"]],
        "correlated_features_l1": [one["cosine"] for one in record["correlated"]],
        "pos_str": [one["token"] for one in logits["top"]] if logits else [],
        "pos_values": [one["value"] for one in logits["top"]] if logits else [],
        "neg_str": [one["token"] for one in logits["bottom"]] if logits else [],
        "neg_values": [one["value"] for one in logits["bottom"]] if logits else [],
        "frac_nonzero": statistics.get("density") or 0, "freq_hist_data_bar_heights": heights, "freq_hist_data_bar_values": values,
        "logits_hist_data_bar_heights": logit_heights, "logits_hist_data_bar_values": logit_values, "decoder_weights_dist": [],
    }  # fmt: skip


def _bars(histogram: Histogram) -> tuple[list[int], list[float]]:
    """Heights, and the middles of the bins."""
    counts = histogram["counts"]
    width = (histogram["high"] - histogram["low"]) / len(counts) if counts else 0.0
    return counts, [round(histogram["low"] + (i + 0.5) * width, 6) for i in range(len(counts))]


def _activations(record: Record, common: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The examples: the strongest, then those of the intervals that were not shown yet."""
    maximum = record["statistics"].get("maximum") or 0
    for example in record["strongest"]:
        yield _activation(record["latent"], example, common, (-1, maximum, -1))
    for interval in record["intervals"]:
        for example in interval["examples"]:
            if not example["again"]:
                yield _activation(record["latent"], example, common, (interval["low"], interval["high"], interval["share"]))


def _activation(latent: int, example: Example, common: dict[str, Any], bin_: tuple[float, float, float]) -> dict[str, Any]:
    values = [round(value, 4) for value in example["values"]]
    highest = max(values)
    return {
        **common, "id": _id(common, latent, example["sequence"], example["position"]), "index": str(latent), "tokens": example["tokens"],
        "values": values, "maxValue": highest, "maxValueTokenIndex": values.index(highest), "minValue": min(values),
        "binMin": bin_[0], "binMax": bin_[1], "binContains": bin_[2], "qualifyingTokenIndex": example["position"] - example["start"],
        "dfaValues": [], "dfaTargetIndex": None,
        "dfaMaxValue": None, "lossValues": [], "logitContributions": None, "dataIndex": None, "dataSource": None,
    }  # fmt: skip


def _explanation(latent: int, one: Description, publication: Publication, common: dict[str, Any]) -> dict[str, Any]:
    """What somebody says that a latent stands for."""
    named = one["author"] != HUMAN
    scores = (f"{name} {_told(value)} ({_told(one['controls'].get(name))} shuffled)" for name, value in one["scores"].items())
    return {
        "id": _id(common, latent, one["author"], one["text"]), "modelId": common["modelId"], "layer": common["layer"], "index": str(latent),
        "description": one["text"], "authorId": common["creatorId"], "createdAt": common["createdAt"],
        "typeName": (named and publication.explanation_type) or None, "explanationModelName": (named and publication.explanation_model) or None,
        "embedding": None, "notes": "; ".join(filter(None, [one["author"], *scores, one["note"]])),
    }  # fmt: skip


def _told(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"


def _id(common: dict[str, Any], *named: object) -> str:
    """Of the form that ids have there."""
    return "c" + hashlib.sha256(json.dumps([common["modelId"], common["layer"], *named]).encode()).hexdigest()[:24]


def _write(file: Path, rows: list[dict[str, Any]]) -> None:
    """In its place only when it is whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    part = file.with_name(file.name + ".part")
    part.write_bytes(gzip.compress(lines.encode(), LEVEL, mtime=0))
    os.replace(part, file)
