"""A worker: one subject that sets up one job and then does it as often as it is told.

python -m bench.subjects MODULE

Every line on standard input is a request, every line on standard output its reply, both JSON. Whatever libraries print goes to standard error.

| request | reply |
| --- | --- |
| `{"do": "set up", "function": ..., "device": ..., "distribution": ...}` | what `bench.subjects.trial.Trial` says of it, and its version |
| `{"do": "answer", "file": ...}` | `{}`, with the numbers in that file |
| `{"do": "compare", "file": ...}` | `{"difference": ..., "compared": ...}`: the largest difference from the numbers in that file |
| `{"do": "run", "afresh": ...}` | what one repeat costs, see `bench.subjects.costs`; `afresh` lets the peak begin anew |
| `{"do": "rate"}` | `{"gflop_per_s": ...}` |

What goes wrong is replied as `{"error": ...}`.
"""

import json
import os
import sys
from importlib import import_module, metadata
from typing import Any

from bench.subjects.costs import gflop_per_s, sampled, timed
from bench.subjects.trial import Trial, nothing


class Worker:
    """Answers requests about one subject."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.device = "cpu"
        self.trial = Trial(nothing)

    def reply(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply to one request."""
        do = request["do"]
        if do == "set up":
            return self._set_up(request)
        if do == "answer":
            _save(self._answer(), request["file"])
            return {}
        if do == "compare":
            return _compared(self._answer(), request["file"])
        if do == "run":
            if self.trial.strata:
                return sampled(self.trial.run, self.trial.strata, self.device)
            given = self._before()
            return timed(lambda: self.trial.run(*given), self.device, self.trial.children, request["afresh"])
        if do == "rate":
            return {"gflop_per_s": gflop_per_s(self.device)}
        raise ValueError(f"no such request: {do!r}")

    def _set_up(self, request: dict[str, Any]) -> dict[str, Any]:
        self.device = request["device"]
        self.trial = getattr(import_module(self.module), request["function"])(self.device)
        try:
            version = metadata.version(request["distribution"])
        except metadata.PackageNotFoundError:
            version = "not installed"
        known = {"version": version, "note": self.trial.note, "times": self.trial.times, "answers": self.trial.answer is not None}
        known |= {"score": self.trial.score} if self.trial.score is not None else {}
        return known | ({"resident_mb": self.trial.resident_mb} if self.trial.resident_mb else {})

    def _before(self) -> tuple[Any, ...]:
        given = self.trial.before()
        return () if given is None else (given,)

    def _answer(self) -> dict[str, Any]:
        found = self.trial.checked() if self.trial.checked else self.trial.run(*self._before())
        assert self.trial.answer is not None
        return self.trial.answer(found)


def _save(answer: dict[str, Any], file: str) -> None:
    from safetensors.torch import save_file

    # clones: parts of one tensor are stored as tensors of their own
    save_file({name: value.detach().cpu().clone().contiguous() for name, value in answer.items()}, file)


def _compared(answer: dict[str, Any], file: str) -> dict[str, Any]:
    """Largest absolute difference over what both have; axes may be packed otherwise, the order of the entries is the same."""
    from safetensors import safe_open

    with safe_open(file, framework="pt") as truth:
        both = sorted(set(truth.keys()) & set(answer))
        differences = [(answer[name].detach().cpu().flatten() - truth.get_tensor(name).flatten()).abs().max().item() for name in both]
    if not both:
        raise ValueError("nothing to compare: no number of this subject has the name of a plain one")
    return {"difference": max(differences), "compared": len(both)}


def main(module: str) -> None:
    """Answer until the requests end."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(module)
    for line in sys.stdin:
        try:
            reply = worker.reply(json.loads(line))
        except Exception as error:
            told = str(error).strip().splitlines()
            reply = {"error": f"{type(error).__name__}: {told[0] if told else ''}"}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
