"""What the development stack uses where nothing is set."""

#: Known to everybody, and therefore good for nothing but a receiver on loopback.
DEV_SECRET = "for-local-development-only"  # noqa: S105

#: The local EcomLinx's key.
DEV_API_KEY = "local-development-key"
