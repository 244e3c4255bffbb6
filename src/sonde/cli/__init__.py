"""The command line: one thin file per command; importing it imports neither torch nor any method.

A mistake of the user is one clear line on standard error and exit code 2, never a traceback.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import sonde
from sonde.cli import (
    attribute,
    behaviour,
    circuit,
    dictionary,
    explain,
    features,
    influence,
    lens,
    models,
    patch,
    probe,
    specimens,
    superposition,
    tasks,
    vision,
    weights,
)
from sonde.results import SondeError

COMMANDS = (
    explain,
    attribute,
    behaviour,
    probe,
    lens,
    weights,
    patch,
    circuit,
    dictionary,
    features,
    superposition,
    influence,
    vision,
    models,
    specimens,
    tasks,
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    parser = _Parser(prog="sonde", description="Explains neural networks, and proves each explanation.")
    parser.add_argument("--version", action="version", version=f"sonde {sonde.__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    chosen = parser.parse_args(arguments)
    # torch's threads spin while they wait for one another; where other programs want the cores too, a small model is then many times slower
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        code = int(chosen.run(chosen))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # whoever read our output has seen enough (`| head`); what is left must not be written when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SondeError as error:
        print(f"sonde {chosen.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"sonde {chosen.command}: interrupted", file=sys.stderr)
        return 130
