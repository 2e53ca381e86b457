"""The arithmetic that a file for the device may compute in; `export.conversion` says what each is."""

PRECISIONS = ("int8", "full_integer", "float16", "float32")
# In place of one: whichever of `CANDIDATES` is measured to be the fastest.
FASTEST = "fastest"
CANDIDATES = ("int8", "full_integer", "float16")
