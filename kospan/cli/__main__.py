"""`python -m kospan.cli`."""

import sys

from kospan.cli import main

sys.exit(main())
