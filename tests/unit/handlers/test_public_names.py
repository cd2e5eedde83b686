"""What authors of handlers may import."""

import handlers


def test_the_plugin_api_is_these_names_and_no_others() -> None:
    assert sorted(handlers.__all__) == [
        "ChannelEvent",
        "Context",
        "Event",
        "Fail",
        "InventoryEvent",
        "ListingEvent",
        "OrderEvent",
        "Retry",
        "ReturnEvent",
        "Skip",
        "SyncEvent",
        "on",
    ]
    assert all(hasattr(handlers, name) for name in handlers.__all__)
