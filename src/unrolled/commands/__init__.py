"""The commands that print something, one file each; `cli.py` reads the options and calls them."""
