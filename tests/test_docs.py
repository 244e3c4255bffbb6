"""What the documents show runs: every python block of a page, in order, in one namespace."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page):
    """The code of a page, each block with the number of the line before it, so that a failure names its place."""
    text = page.read_text(encoding="utf-8")
    return [(text.count("\n", 0, found.start()) + 1, found[1]) for found in BLOCK.finditer(text)]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: str(page.relative_to(ROOT)))
def test_page(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__docs__"}
    for line, code in blocks(page):
        exec(compile("\n" * line + code, str(page), "exec"), namespace)


def test_the_commands_that_prove_something_are_there():
    """docs/trust.md names a test or a command for every claim."""
    text = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")
    named = set(re.findall(r"tests/[\w/.]+", text))
    assert len(named) > 10
    assert not [path for path in named if not (ROOT / path).exists()]
