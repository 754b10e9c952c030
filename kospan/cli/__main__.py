"""`python -m kospan.cli`."""

import sys

from kospan.cli.main import main

sys.exit(main())
