"""`python -m ops` is `ecomlinx-hooks`."""

from ops.cli import main

main()
