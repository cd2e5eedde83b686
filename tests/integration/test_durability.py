import pytest

from core.durability import inspect, shortcomings
from tests.support.redis_server import RedisServer

DURABLE = {"redis_version": "6.2.14", "aof_enabled": 1, "maxmemory_policy": "noeviction"}


def test_a_durable_redis_has_no_shortcomings() -> None:
    assert shortcomings(DURABLE) == []


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        ({"redis_version": "6.0.16"}, "older than 6.2"),
        ({"redis_version": "5.0.7"}, "older than 6.2"),
        ({"aof_enabled": 0}, "appendonly is off"),
        ({"maxmemory": 1 << 30, "maxmemory_policy": "allkeys-lru"}, "allkeys-lru"),
    ],
)
def test_what_loses_events_is_named(difference: dict[str, object], words: str) -> None:
    (problem,) = shortcomings({**DURABLE, **difference})

    assert words in problem


def test_newer_versions_are_new_enough() -> None:
    for version in ("6.2.0", "7.4.1", "8.0.3", "10.0.0"):
        assert shortcomings({**DURABLE, "redis_version": version}) == []


def test_an_eviction_policy_without_a_limit_drops_nothing() -> None:
    assert shortcomings({**DURABLE, "maxmemory": 0, "maxmemory_policy": "volatile-lru"}) == []


def test_a_running_redis_is_asked(redis_server: RedisServer) -> None:
    with redis_server.client() as client:
        assert inspect(client) == []
        client.config_set("appendonly", "no")
        try:
            assert ["appendonly is off" in problem for problem in inspect(client)] == [True]
        finally:
            client.config_set("appendonly", "yes")
