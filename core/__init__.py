"""Shared ground: settings, logging, event identity, ledger, queue contract, EcomLinx API client."""
