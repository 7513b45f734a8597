"""One command per paper: `python -m experiments.<method>`."""

import os

# LAPACK's threads wait actively and take the cores from XLA's, which do most of the work:
# with one of them a derivative of 1,000 x 257 takes 11 ms on two cores, else 19. It has to
# be said before SciPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
