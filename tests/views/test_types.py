"""The drawings' TypeScript is strictly typed."""

import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "web"


def test_the_sources_pass_the_type_checker() -> None:
    if not (WEB / "node_modules").is_dir() or not shutil.which("node"):
        pytest.skip("needs Node and web/node_modules: run npm ci in web/")
    checked = subprocess.run(["node", "node_modules/typescript/bin/tsc", "--noEmit"], cwd=WEB, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def test_the_lockfile_names_no_host() -> None:
    locked = (WEB / "package-lock.json").read_text(encoding="utf-8")
    assert "resolved" not in locked
    assert "registry" not in locked
