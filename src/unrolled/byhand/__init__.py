"""Nets worked by hand: every number of a small net, how it is made, and how the error changes with it."""

from .worked import Worked as Worked
from .worked import worked as worked
