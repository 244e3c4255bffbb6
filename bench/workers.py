"""The measuring side of a worker: starts a subject in its environment, asks, and reads the reply."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

from bench.environments import ROOT, interpreter
from bench.errors import BenchError
from bench.jobs import PEERS, SUBJECTS

# one thread, nothing from the network, nothing on the terminal
QUIET = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
    "MPLBACKEND": "agg",
    "PYTHONHASHSEED": "0",  # auto-circuit walks sets of strings
}


class Worker:
    """A subject in a process of its own.

    Arguments:
        subject: its name.
        command: what starts it.
    """

    def __init__(self, subject: str, command: list[str]):
        self.subject = subject
        environment = {**os.environ, **QUIET}
        if subject in PEERS:
            environment.pop("PYTHONPATH", None)  # what is set for sonde is not for them
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def send(self, **request: Any) -> None:
        """Ask without waiting for the reply."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the missing reply tells of it
            print(json.dumps(request), file=self._process.stdin, flush=True)

    def receive(self) -> dict[str, Any]:
        """The reply to the oldest request without one.

        Raises:
            BenchError: the subject failed, or its process ended.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchError(f"{self.subject}: its process ended (exit code {self._process.wait()})")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise BenchError(f"{self.subject}: {reply['error']}")
        return reply

    def ask(self, **request: Any) -> dict[str, Any]:
        """Ask, and wait for the reply."""
        self.send(**request)
        return self.receive()

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        self._process.terminate()
        self._process.wait()


@contextlib.contextmanager
def worker(subject: str) -> Iterator[Worker]:
    """A subject's worker, ended on leaving; raises `BenchError` where its environment cannot be made."""
    module, _ = SUBJECTS[subject]
    started = Worker(subject, [interpreter(subject), "-m", "bench.subjects", f"bench.subjects.{module}"])
    try:
        yield started
    finally:
        started.close()
