"""What a fresh interpreter costs."""

import subprocess
import sys

from bench.subjects.trial import Trial


def importing(code: str) -> Trial:
    """A fresh interpreter that runs one line."""
    return command("-c", code)


def command(*arguments: str) -> Trial:
    """A fresh interpreter with these arguments."""
    return Trial(lambda: subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL), children=True)
