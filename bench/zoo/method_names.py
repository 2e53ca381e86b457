"""Names of the methods that the zoo measures, in the order of its tables; the figure's colours go by it, too."""

from goodnet.pipeline.methods.names import NAMES

# A baseline that is here for comparison only.
FT_SAM = "ft-sam"
# The evidence that the repair begins with, and no repair: what the verdicts of many networks are worth, in less time.
AUDIT = "audit"
ZOO_NAMES = (*NAMES, FT_SAM, AUDIT)
