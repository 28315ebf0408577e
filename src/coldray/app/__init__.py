"""The command line: thin, no science."""

import os
import sys

if "numpy" not in sys.modules:
    # a command does with BLAS but products of small matrices, between which its threads spin; it reads this while it loads
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
