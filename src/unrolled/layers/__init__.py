"""Floor 5: layers. A cell over sequences, with depth, both directions and lengths;
torch's names; a look inside.
"""
