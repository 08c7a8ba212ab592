"""`python -m unrolled`: the same as `unrolled`."""

import sys

from .cli import main

sys.exit(main())
