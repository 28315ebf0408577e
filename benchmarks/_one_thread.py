"""Import this before numpy: one thread per tool, so that processor time compares them. Peers inherit it."""

import os

THREADS = 1
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = str(THREADS)
