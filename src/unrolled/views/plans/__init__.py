"""Texts of a plan: what a step does and in which order, and the gradients that follow from the equations."""
