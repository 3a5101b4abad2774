"""`python -m keystead` is the program `keystead`."""

import sys

from keystead.cli import main

sys.exit(main())
