"""Each peer in an environment of its own, made from PyPI at its first use."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.jobs import PEERS

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "bench" / ".environments"


def versions() -> dict[str, dict[str, Any]]:
    """What is installed: `shared` by all peers, the `peers`, what is put `beside` one of them, and what it does `without`."""
    return tomllib.loads((ROOT / "bench" / "peers.toml").read_text(encoding="utf-8"))


def requirements(peer: str) -> list[str]:
    """What pip is asked for."""
    pinned = versions()
    wanted = pinned["shared"] | {peer: pinned["peers"][peer]} | pinned["beside"].get(peer, {})
    return [f"{name}=={version}" for name, version in wanted.items()]


def interpreter(subject: str) -> str:
    """The Python that runs a subject; a peer's environment is made where there is none for the pinned versions.

    Raises:
        BenchError: the environment cannot be made.
    """
    if subject not in PEERS:
        return sys.executable
    folder, wanted = FOLDER / subject, requirements(subject)
    python, receipt = folder / "bin" / "python", folder / "installed.txt"
    if receipt.is_file() and receipt.read_text(encoding="utf-8").split() == wanted:
        return str(python)
    print(f"{subject}: installing {', '.join(wanted)} (once, some minutes)", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    commands = [[sys.executable, "-m", "venv", str(folder)], [str(python), "-m", "pip", "install", "--quiet", *wanted]]
    if without := versions()["without"].get(subject, []):
        commands.append([str(python), "-m", "pip", "uninstall", "--quiet", "--yes", *without])
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip() or "no word of why").splitlines()[-1]
            raise BenchError(f"{subject} cannot be installed: {last}")
    receipt.write_text("\n".join(wanted), encoding="utf-8")
    return str(python)
