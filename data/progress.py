"""Where it is said what is done with data that could be read in more than one way: what the commands' log shows."""

import logging

log = logging.getLogger("goodnet")
