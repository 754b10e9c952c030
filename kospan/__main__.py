"""`python -m kospan`."""

import sys

from kospan.cli import main

sys.exit(main())
