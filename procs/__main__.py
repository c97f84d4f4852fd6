"""`python -m procs` is `seawall`."""

import sys

from procs.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
