"""Ways to look at a graph. They read it, and nothing but the roof and a cell's print reads them."""
