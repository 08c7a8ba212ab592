"""The C backend: emit (plan to text), build (text to library), call (library on tensors), headers."""
