"""The ledger: the database's record of every event, delivery, attempt, step and alert."""
