"""The arithmetic that a file for the device may compute in; `export.conversion` says what each is."""

PRECISIONS = ("int8", "full_integer", "float16", "float32")
