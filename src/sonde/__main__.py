"""`python -m sonde`: the command line."""

import sys

from sonde.cli import main

sys.exit(main())
