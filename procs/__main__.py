"""`python -m procs` is `seawall`."""

import sys

from procs.cli.main import main

sys.exit(main())
