"""Makes completions and man pages in a folder, laid out as under `share/` of an installation."""

import sys
from pathlib import Path

from share.make import make

if len(sys.argv) != 2:
    sys.exit("usage: python -m share FOLDER")
make(Path(sys.argv[1]))
