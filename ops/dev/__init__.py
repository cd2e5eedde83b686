"""The development stack: everything on one machine, with a local EcomLinx to play with."""
