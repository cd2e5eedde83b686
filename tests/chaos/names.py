"""What the handlers of a run are called."""

NOTE = "chaos.note"
STEP = "chaos.adjust-in-step"
BARE = "chaos.adjust"
TROUBLE = "chaos.trouble"

#: The handlers that change stock.
ADJUSTERS = frozenset({STEP, BARE})
