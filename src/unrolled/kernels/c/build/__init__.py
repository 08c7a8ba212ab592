"""C text becomes a loaded library, kept from run to run."""
