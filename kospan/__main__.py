"""`python -m kospan`."""

import sys

from kospan.cli.main import main

sys.exit(main())
