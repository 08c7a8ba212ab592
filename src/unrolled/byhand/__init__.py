"""Nets worked by hand: every number of a small net, how it is made, and what the error owes to it."""

from .worked import Worked as Worked
from .worked import worked as worked
