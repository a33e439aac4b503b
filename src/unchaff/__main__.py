"""`python -m unchaff` does what `unchaff` does."""

import sys

from unchaff.cli.app import main

sys.exit(main())
