"""Where the pipeline says what it is doing, apart from what TensorFlow says of itself."""

import logging

log = logging.getLogger("goodnet")
