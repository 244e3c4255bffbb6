"""What must stay light does: it is what `sonde --help` and every short script pay for."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["sonde", "sonde.cli", "sonde.results", "sonde.results.hashing", "sonde.results.document"])
@pytest.mark.parametrize("heavy", ["torch", "transformers", "polars"])
def test_light_modules(module, heavy):
    code = f"import sys, {module}; sys.exit('{heavy}' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0, f"import {module} imports {heavy}"


def test_help_is_light():
    code = "import sys\nfrom sonde.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0


def test_loading_a_specimen_imports_neither_transformers_nor_the_compiler():
    code = "import sys, sonde; sonde.load('specimen:words'); sys.exit(not sys.modules.keys().isdisjoint(('transformers', 'torch._dynamo')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_has_a_home():
    import sonde

    for name in sonde.__all__:
        assert getattr(sonde, name) is not None
