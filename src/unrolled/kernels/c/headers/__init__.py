"""The C that does not depend on the cell, as text for the kernels."""
