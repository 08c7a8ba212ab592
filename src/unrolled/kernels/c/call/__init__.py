"""A loaded library is called on tensors."""
