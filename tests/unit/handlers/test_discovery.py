"""Finding handlers, and saying by name what can't be loaded."""

import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import structlog

from handlers.discovery import ENTRY_POINT_GROUP, discover
from handlers.registry import HandlerError, Registry
from tests.conftest import SettingsFactory
from tests.unit.handlers.conftest import WriteModule

BUILTIN = [
    "builtin.alert-channel-error",
    "builtin.alert-inventory-out",
    "builtin.alert-listing-suppressed",
    "builtin.cancelled-orders",
    "builtin.failing-channels",
    "builtin.finished-syncs",
    "builtin.low-stock",
    "builtin.new-orders",
    "builtin.out-of-stock",
    "builtin.returns",
    "builtin.suppressed-listings",
]

HANDLER = """
from handlers import on

@on("order.new", name="{name}")
def handle(event, ctx):
    pass
"""


def _names(registry: Registry) -> list[str]:
    return [handler.name for handler in registry]


def _own(registry: Registry) -> list[str]:
    return [name for name in _names(registry) if name not in BUILTIN]


def test_our_own_handlers_are_found_the_way_every_plugin_is(settings: SettingsFactory) -> None:
    plugins = {plugin.name: plugin.module for plugin in entry_points(group=ENTRY_POINT_GROUP)}

    assert ENTRY_POINT_GROUP == "ecomlinx_hooks.handlers"
    assert plugins["builtin"] == "handlers.builtin"
    assert _names(discover(settings())) == BUILTIN


def test_of_our_own_handlers_only_those_that_tell_people_are_on(settings: SettingsFactory) -> None:
    enabled = [handler.name for handler in discover(settings()) if handler.enabled]

    assert enabled == BUILTIN[:3]


def test_our_own_handlers_are_switched_together(settings: SettingsFactory) -> None:
    on = discover(settings(handlers_enabled="builtin.*"))
    off = discover(settings(handlers_disabled="builtin.*"))

    assert all(handler.enabled for handler in on)
    assert not any(handler.enabled for handler in off)


def test_modules_are_found_in_the_current_folder(
    settings: SettingsFactory, write_module: WriteModule
) -> None:
    write_module("my_handlers", HANDLER.format(name="mine"))

    assert _own(discover(settings(handlers="my_handlers"))) == ["mine"]


def test_several_modules_may_be_named(settings: SettingsFactory, write_module: WriteModule) -> None:
    write_module("acme_one", HANDLER.format(name="one"))
    write_module("acme_two", HANDLER.format(name="two"))

    assert _own(discover(settings(handlers="acme_one, acme_two"))) == ["one", "two"]


def test_a_module_that_is_named_twice_is_loaded_once(
    settings: SettingsFactory, write_module: WriteModule
) -> None:
    write_module("my_handlers", HANDLER.format(name="mine"))

    assert _own(discover(settings(handlers="my_handlers,my_handlers,handlers.builtin"))) == ["mine"]


def test_a_package_brings_the_handlers_of_the_modules_that_it_imports(
    settings: SettingsFactory, write_module: WriteModule
) -> None:
    write_module("acme.__init__", "from acme import orders, stock")
    write_module("acme.orders", HANDLER.format(name="acme.orders"))
    write_module("acme.stock", HANDLER.format(name="acme.stock"))

    assert _own(discover(settings(handlers="acme"))) == ["acme.orders", "acme.stock"]


def test_nothing_in_the_current_folder_takes_the_place_of_a_library(
    settings: SettingsFactory, write_module: WriteModule
) -> None:
    write_module("my_handlers", "import colorsys, acme_helper\n" + HANDLER.format(name="mine"))
    write_module("acme_helper", "")
    write_module("colorsys", "raise RuntimeError('the wrong one')")
    sys.modules.pop("colorsys", None)

    assert _own(discover(settings(handlers="my_handlers"))) == ["mine"]


def test_without_handlers_of_its_own_the_current_folder_is_not_searched(
    settings: SettingsFactory, here: Path
) -> None:
    discover(settings())

    assert str(here) not in sys.path


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def broken(:", "SyntaxError: "),
    ],
)
def test_a_module_that_cannot_be_imported_is_named(
    settings: SettingsFactory, write_module: WriteModule, text: str, reason: str
) -> None:
    write_module("my_handlers", text)

    with pytest.raises(HandlerError) as refused:
        discover(settings(handlers="my_handlers"))

    assert str(refused.value).startswith(
        f"HANDLERS: module 'my_handlers' can't be imported: {reason}"
    )


def test_a_module_that_does_not_exist_is_named(settings: SettingsFactory) -> None:
    with pytest.raises(HandlerError, match="module 'no_such_handlers' can't be imported"):
        discover(settings(handlers="no_such_handlers"))


def test_a_module_that_ends_the_program_is_named_too(
    settings: SettingsFactory, write_module: WriteModule
) -> None:
    write_module("my_handlers", "raise SystemExit('not today')")

    with pytest.raises(HandlerError, match=r"'my_handlers' can't be imported: SystemExit: not to"):
        discover(settings(handlers="my_handlers"))


def test_a_module_without_handlers_is_named(
    settings: SettingsFactory, write_module: WriteModule
) -> None:
    write_module("my_handlers", "# I forgot")

    with pytest.raises(HandlerError) as refused:
        discover(settings(handlers="my_handlers"))

    assert str(refused.value) == "HANDLERS: module 'my_handlers' has no function with @on(...)"


def test_a_handler_that_is_declared_wrongly_is_named(
    settings: SettingsFactory, write_module: WriteModule
) -> None:
    write_module("my_handlers", HANDLER.format(name="mine").replace("event, ctx", "event"))

    with pytest.raises(HandlerError, match="handler 'mine' in my_handlers: a handler takes two"):
        discover(settings(handlers="my_handlers"))


def test_two_modules_with_a_handler_of_one_name_are_both_named(
    settings: SettingsFactory, write_module: WriteModule
) -> None:
    write_module("acme_one", HANDLER.format(name="mine"))
    write_module("acme_two", HANDLER.format(name="mine"))

    with pytest.raises(HandlerError, match="two handlers are named 'mine', in acme_one and in ac"):
        discover(settings(handlers="acme_one,acme_two"))


def test_two_handlers_of_one_name_in_one_module_are_refused(
    settings: SettingsFactory, write_module: WriteModule
) -> None:
    again = HANDLER.format(name="mine").replace("def handle", "def handle_again")
    write_module("my_handlers", HANDLER.format(name="mine") + again)

    with pytest.raises(HandlerError, match="two handlers are named 'mine'"):
        discover(settings(handlers="my_handlers"))


def test_a_plugin_that_cannot_be_imported_is_named(
    settings: SettingsFactory, write_module: WriteModule, here: Path
) -> None:
    write_module("acme_hooks", "1 / 0")
    metadata = here / "acme_hooks-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-hooks\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[ecomlinx_hooks.handlers]\nacme = acme_hooks\n")
    sys.path.append(str(here))

    with pytest.raises(HandlerError, match="plugin 'acme': module 'acme_hooks' can't be imported"):
        discover(settings())


def test_says_when_a_handler_waits_for_an_event_that_is_not_documented(
    settings: SettingsFactory, write_module: WriteModule
) -> None:
    write_module("my_handlers", HANDLER.format(name="mine").replace("order.new", "order.nwe"))

    with structlog.testing.capture_logs() as lines:
        discover(settings(handlers="my_handlers"))

    assert lines == [
        {
            "event": "handler_of_undocumented_event",
            "handler": "mine",
            "pattern": "order.nwe",
            "log_level": "warning",
        }
    ]
