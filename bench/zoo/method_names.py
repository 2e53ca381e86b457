"""Names of the methods that the zoo measures, in the order of its tables; the figure's colours go by it, too."""

from goodnet.pipeline.methods.names import NAMES

# A baseline that is here for comparison only.
FT_SAM = "ft-sam"
ZOO_NAMES = (*NAMES, FT_SAM)
