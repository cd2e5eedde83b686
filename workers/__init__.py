"""The engine: runs handlers for events, records every outcome, decides what happens next."""
