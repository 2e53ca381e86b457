"""Sets what Python and the system must allow before TensorFlow and Keras are of use, when this is imported."""

import resource
import sys

# Under less address space TensorFlow neither starts nor ends.
_LEAST_ADDRESS_SPACE = 3 * 2**30
# Keras walks over a network by recursion, a call a layer: a chain of a thousand layers is deeper than Python's default.
RECURSION = 20_000

if 0 <= resource.getrlimit(resource.RLIMIT_AS)[0] < _LEAST_ADDRESS_SPACE:
    sys.exit("ulimit -v: too little address space for TensorFlow; expected at least 3145728 (3 GiB), or unlimited")
sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION))
