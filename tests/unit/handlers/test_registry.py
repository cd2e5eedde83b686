"""Which handlers there are, and which of them an event is for."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from core.events import Arrival, Envelope, Source, event_id, parse
from handlers import Event, OrderEvent, on
from handlers.events import typed
from handlers.registry import (
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT_SECONDS,
    Handler,
    HandlerError,
    Registry,
    declared_in,
)
from tests.support.deliveries import body_of


def do_nothing(event: Event, ctx: object) -> None:
    """Serve as a handler."""


def _handler(name: str, *patterns: str, **options: Any) -> Handler:
    return Handler(name, patterns or ("*",), do_nothing, module="acme.handlers", **options)


def _event(name: str = "order.new", **data: Any) -> Event:
    raw = body_of(name, **data)
    parsed = parse(raw)
    assert isinstance(parsed, Envelope)
    arrival = Arrival(event_id(raw), raw, datetime(2026, 3, 1, tzinfo=UTC), Source.WEBHOOK)
    return typed(arrival, parsed)


def _names(registry: Registry, event: Event) -> list[str]:
    return [handler.name for handler in registry.matching(event)]


def _enabled(registry: Registry) -> list[str]:
    return [handler.name for handler in registry if handler.enabled]


def _declare(function: Callable[..., Any], *patterns: Any, **options: Any) -> Handler:
    """Declare a function, and return what was declared."""
    on(*patterns, **options)(function)
    return declared_in(__name__)[-1]


def test_a_declared_handler_has_defaults() -> None:
    def announce(event: OrderEvent, ctx: object) -> None: ...

    handler = _declare(announce, "order.new")

    assert handler == Handler(
        name="announce",
        patterns=("order.new",),
        function=announce,
        module=__name__,
        retries=DEFAULT_RETRIES,
        timeout=DEFAULT_TIMEOUT_SECONDS,
        where=None,
        enabled=True,
    )
    assert DEFAULT_RETRIES + 1 == 8  # attempts, as the documentation says


def test_a_declared_function_stays_a_function() -> None:
    @on("order.new")
    def announce(event: OrderEvent, ctx: object) -> str:
        return f"announced {event.type} with {ctx}"

    assert announce(_event(), None) == "announced order.new with None"  # type: ignore[arg-type]


def test_everything_about_a_handler_can_be_said() -> None:
    def only_amazon(event: OrderEvent) -> bool:
        return event.data.channel == "amazon"

    def announce(event: OrderEvent, ctx: object) -> None: ...

    handler = _declare(
        announce,
        "order.new",
        "order.sh*",
        name="acme.announce",
        where=only_amazon,
        retries=0,
        timeout=0.5,
        enabled=False,
    )

    assert handler == Handler(
        name="acme.announce",
        patterns=("order.new", "order.sh*"),
        function=announce,
        module=__name__,
        retries=0,
        timeout=0.5,
        where=only_amazon,
        enabled=False,
    )


def test_a_handler_that_is_declared_again_takes_the_place_of_the_first() -> None:
    def declare(retries: int) -> Handler:
        def reloaded(event: Event, ctx: object) -> None: ...

        return _declare(reloaded, "order.new", retries=retries)

    first, second = declare(1), declare(2)

    assert first not in declared_in(__name__)
    assert second in declared_in(__name__)


def test_a_package_has_the_handlers_of_its_modules_but_not_of_its_namesakes() -> None:
    package, _, module = __name__.rpartition(".")

    assert set(declared_in(__name__)) <= set(declared_in(package))
    assert declared_in(f"{package}.{module[:-1]}") == []


async def wait(event: Event, ctx: object) -> None: ...


def one_argument(event: Event) -> None: ...


def three_arguments(event: Event, ctx: object, more: object) -> None: ...


def keyword_only(event: Event, *, ctx: object) -> None: ...


@pytest.mark.parametrize(
    ("function", "patterns", "options", "message"),
    [
        (do_nothing, (), {}, "name at least one event, as in @on('order.new')"),
        (do_nothing, ("",), {}, "name at least one event"),
        (do_nothing, ("order.new", None), {}, "name at least one event"),
        (do_nothing, ("*",), {"name": "a b"}, "a name has 1 to 100 letters, digits"),
        (do_nothing, ("*",), {"name": "-dash-first"}, "a name has 1 to 100 letters"),
        (do_nothing, ("*",), {"name": "_private"}, "and begins with a letter or a digit"),
        (do_nothing, ("*",), {"name": "n" * 101}, "a name has 1 to 100 letters"),
        (do_nothing, ("*",), {"retries": -1}, "retries must be 0 or more"),
        (do_nothing, ("*",), {"timeout": 0}, "timeout must be more than 0 seconds"),
        (do_nothing, ("*",), {"timeout": float("nan")}, "timeout must be more than 0 seconds"),
        (wait, ("*",), {}, "a handler is a plain function, not an async one"),
        (one_argument, ("*",), {}, "a handler takes two arguments, (event, ctx)"),
        (three_arguments, ("*",), {}, "a handler takes two arguments, (event, ctx)"),
        (keyword_only, ("*",), {}, "a handler takes two arguments, (event, ctx)"),
    ],
)
def test_an_impossible_handler_is_refused_by_name(
    function: Callable[..., Any], patterns: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    before = declared_in(__name__)

    with pytest.raises(HandlerError) as refused:
        on(*patterns, **options)(function)

    assert message in str(refused.value)
    assert repr(options.get("name", function.__name__)) in str(refused.value)
    assert __name__ in str(refused.value)
    assert declared_in(__name__) == before


def test_a_handler_may_have_optional_arguments() -> None:
    def announce(event: Event, ctx: object, loudly: bool = False) -> None: ...

    assert _declare(announce, "*").function is announce


@pytest.mark.parametrize(
    ("pattern", "event_type", "fits"),
    [
        ("order.new", "order.new", True),
        ("order.new", "order.news", False),
        ("order.new", "Order.New", False),
        ("order.*", "order.new", True),
        ("order.*", "order.", True),
        ("order.*", "preorder.new", False),
        ("*.new", "order.new", True),
        ("*", "order.new", True),
        ("*", "something else", True),
        ("order.?ew", "order.new", True),
        ("order.[!n]*", "order.shipped", True),
        ("order.[!n]*", "order.new", False),
    ],
)
def test_patterns_are_names_or_globs(pattern: str, event_type: str, fits: bool) -> None:
    assert _handler("h", pattern).matches(event_type) is fits


def test_one_fitting_pattern_is_enough() -> None:
    handler = _handler("h", "order.new", "inventory.*")

    assert handler.matches("inventory.low")
    assert not handler.matches("order.shipped")


def test_an_event_goes_to_every_handler_that_it_fits_in_the_order_of_their_names() -> None:
    registry = Registry(
        [_handler("c", "*"), _handler("a", "order.*"), _handler("b", "inventory.*")]
    )

    assert _names(registry, _event("order.new")) == ["a", "c"]
    assert _names(registry, _event("sync.completed")) == ["c"]


def test_a_predicate_decides_about_each_event() -> None:
    def only_amazon(event: OrderEvent) -> bool:
        return event.data.channel == "amazon"

    registry = Registry([_handler("h", "order.*", where=only_amazon)])

    assert _names(registry, _event(id="ord_1", channel="amazon")) == ["h"]
    assert _names(registry, _event(id="ord_1", channel="flipkart")) == []


def test_a_predicate_that_fails_lets_the_event_through_to_where_its_error_shows() -> None:
    def broken(event: Event) -> bool:
        raise KeyError(event.id)

    assert _names(Registry([_handler("h", "*", where=broken)]), _event()) == ["h"]


def test_handlers_that_are_off_get_nothing_but_are_known() -> None:
    registry = Registry([_handler("h", "*", enabled=False)])

    assert _names(registry, _event()) == []
    assert [handler.name for handler in registry] == ["h"]
    assert registry.get("h") is not None


def test_an_unknown_handler_is_none() -> None:
    assert Registry([_handler("h")]).get("other") is None


def test_two_handlers_of_one_name_are_refused_with_both_places() -> None:
    one = _handler("restock")
    other = Handler("restock", ("*",), do_nothing, module="shop.handlers")

    with pytest.raises(HandlerError) as refused:
        Registry([one, other])

    assert str(refused.value) == (
        "two handlers are named 'restock', in acme.handlers and in shop.handlers:"
        " give one of them another name="
    )


HANDLERS = ("acme.a", "acme.b", "shop.c")


@pytest.mark.parametrize(
    ("enable", "disable", "enabled"),
    [
        ((), (), []),
        (("acme.a",), (), ["acme.a"]),
        (("acme.*",), (), ["acme.a", "acme.b"]),
        (("*",), (), ["acme.a", "acme.b", "shop.c"]),
        (("acme.a", "shop.*"), (), ["acme.a", "shop.c"]),
        (("*",), ("acme.*",), ["shop.c"]),
        (("acme.a",), ("*",), []),
    ],
)
def test_settings_switch_handlers_on_and_off(
    enable: tuple[str, ...], disable: tuple[str, ...], enabled: list[str]
) -> None:
    handlers = [_handler(name, enabled=False) for name in HANDLERS]

    assert _enabled(Registry(handlers, enable=enable, disable=disable)) == enabled


def test_handlers_that_are_on_can_be_switched_off() -> None:
    registry = Registry([_handler(name) for name in HANDLERS], disable=["acme.b"])

    assert _enabled(registry) == ["acme.a", "shop.c"]


@pytest.mark.parametrize("option", ["enable", "disable"])
def test_settings_may_not_name_what_does_not_exist(option: str) -> None:
    handlers = [_handler(name) for name in HANDLERS]

    with pytest.raises(HandlerError) as refused:
        Registry(handlers, **{option: ["acme.a", "acme.x*"]})

    assert str(refused.value) == (
        f"HANDLERS_{option.upper()}D: no handler is named 'acme.x*';"
        " there are: acme.a, acme.b, shop.c"
    )


def test_names_of_events_are_remembered_but_not_without_end() -> None:
    registry = Registry([_handler("h", "*")])

    for number in range(2000):
        registry.matching(_event(f"made.up.{number}"))

    assert len(registry._by_type) == 1000
    assert _names(registry, _event("made.up.1999")) == ["h"]
