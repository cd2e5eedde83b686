"""What to do about a delivery that waits for a person."""


def for_dead(event_id: str, handler: str) -> str:
    """What to do about one that won't be tried again."""
    return f"once the cause is mended: ecomlinx-hooks dead replay {event_id} --handler {handler}"


def for_uncertain(event_id: str, handler: str) -> str:
    """What to do about one of which nobody can say whether it took effect."""
    which = f"{event_id} --handler {handler}"
    return (
        "check whether it took effect; if it did:"
        f" ecomlinx-hooks dead resolve {which} --as succeeded,"
        f" if not: ecomlinx-hooks dead replay {which} --uncertain"
    )
