"""What operators hold: the command line, and the development stack."""
