"""What the README installs is pinned: an unpinned package would change under us, and an unpinned torch brings gigabytes."""

import re
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]


def name(requirement):
    """The normal form of a requirement's name."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def test_every_dependency_is_pinned():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    assert "torch==2.13.0" in lines
    asked = {name(requirement) for requirement in metadata.requires("sonde")}
    assert asked <= {name(line) for line in lines}


def test_the_readme_has_two_commands():
    commands = re.findall(r"^```sh\n(.*)\n```$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(commands) == 2
    assert all("-c constraints.txt" in command for command in commands)
    assert "sonde explain" in commands[0] and "pytest" in commands[1]
