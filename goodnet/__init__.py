"""GoodNet: audits, repairs and exports Keras image classifiers that may be backdoored.

Importing it imports nothing else: what runs on a device has no TensorFlow.
"""

import os

__version__ = "0.1.0"

# In a checkout the packages stand beside this folder, so that `python -m pipeline.repair` works there: goodnet.data is
# ./data. Installed they stand in it.
_here = os.path.dirname(os.path.abspath(__file__))
if not os.path.isdir(os.path.join(_here, "export")):
    __path__.append(os.path.dirname(_here))
