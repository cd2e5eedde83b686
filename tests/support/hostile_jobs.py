"""Jobs that somebody has written into Redis who isn't us."""

import pickle
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import redis

from core.jobs import DISPATCH, SEND_ALERT
from core.queue import EVENTS_QUEUE

#: What every trap leaves behind in the current folder, followed by the hostile job's name.
SPRUNG = "sprung-"

TRAP = "tests.support.traps.spring"


@dataclass(frozen=True)
class HostileJob:
    """A job in Redis, field by field as RQ would read it.

    Attributes:
        name: Tells it apart; its id, too, unless `id` says otherwise.
        data: What it calls.
        fields: Further fields, or others than a job of ours has; None leaves one out.
        id: What stands in the queue.
        key: What stands under the job's key instead of a hash, if anything.
    """

    name: str
    data: bytes
    fields: Mapping[str, str | bytes | None] = field(default_factory=dict)
    id: bytes = b""
    key: bytes | None = None

    @property
    def job_id(self) -> bytes:
        """Its id."""
        return self.id or self.name.encode()

    def write(self, client: "redis.Redis") -> None:
        """Put it into Redis, without queueing it."""
        key = b"rq:job:" + self.job_id
        if self.key is not None:
            client.set(key, self.key)
            return
        common: dict[str, str | bytes | None] = {
            "data": self.data,
            "origin": EVENTS_QUEUE,
            "status": "queued",
            "timeout": "60",
        }
        mapping: dict[Any, Any] = {
            name: value for name, value in {**common, **self.fields}.items() if value is not None
        }
        client.hset(key, mapping=mapping)

    def queue(self, client: "redis.Redis") -> None:
        """Put it into Redis, and its id into the queue of events."""
        self.write(client)
        client.rpush(f"rq:queue:{EVENTS_QUEUE}", self.job_id)


def call(function: object, *arguments: object, **keywords: object) -> bytes:
    """What a job's data says when it calls a function."""
    return orjson.dumps([function, None, list(arguments), keywords])


def poisoned_pickle(command: str) -> bytes:
    """Bytes that run a shell command when `pickle.loads` reads them."""
    return b"cos\nsystem\n(S'" + command.encode() + b"'\ntR."


def foreign_functions() -> Iterator[HostileJob]:
    """Jobs that name functions of others, or of ours that aren't meant."""
    for number, (function, *arguments) in enumerate(_CALLS):
        name = f"function-{number}"
        told = [str(a).replace("CANARY", SPRUNG + name) for a in arguments]
        yield HostileJob(name, call(function, *told))
    name = "function-list"
    yield HostileJob(name, call("subprocess.check_call", ["touch", SPRUNG + name]))
    yield HostileJob("no-name", call(None))
    yield HostileJob("name-is-a-list", call(["os.system"]))
    yield HostileJob("name-is-an-object", call({"os": "system"}))


_CALLS = (
    ("os.system", "touch CANARY"),
    ("posix.system", "touch CANARY"),
    ("os.popen", "touch CANARY"),
    ("subprocess.getoutput", "touch CANARY"),
    ("subprocess.os.system", "touch CANARY"),
    ("builtins.exec", "open('CANARY', 'w').close()"),
    ("builtins.eval", "open('CANARY', 'w').close()"),
    ("pathlib.Path.touch", "CANARY"),
    ("shutil.os.mkdir", "CANARY"),
    ("core.queue.redis.os.mkdir", "CANARY"),
    (TRAP, "CANARY"),
    ("workers.dispatch.bind", ""),
    ("workers.alerts.bind", ""),
    ("workers.dispatch.dispatch.__call__", ""),
    ("workers.processes.keep_running", "1", "1"),
    ("workers.dispatch.Dispatcher", "1", "1"),
    ("core.signals.stop_on_signals", "1"),
    ("os._exit", "3"),
    ("os.abort",),
    ("sys.exit",),
    ("",),
    (".",),
    ("workers",),
    (f" {DISPATCH}", ""),
    (f"{DISPATCH}\x00", ""),
)


def methods() -> Iterator[HostileJob]:
    """Jobs that call a method of an instance that they bring along."""
    for number, (function, instance, arguments) in enumerate(
        (
            (DISPATCH, "an instance", [[]]),
            (DISPATCH, {"workers.dispatch.dispatch": TRAP}, [[]]),
            ("__class__.__base__.__subclasses__", "text", []),
            ("format", "{0.__class__}", ["x"]),
        )
    ):
        data = orjson.dumps([function, instance, arguments, {}])
        yield HostileJob(f"method-{number}", data)


def callbacks(url: str) -> Iterator[HostileJob]:
    """Jobs that end well or badly, and want functions called or a URL requested thereafter.

    Args:
        url: Where nobody may call.
    """
    webhooks = [{"url": url, "job_status": s, "timeout": 1} for s in ("finished", "failed")]
    wanted: dict[str, str | bytes | None] = {
        **{f"{moment}_callback_name": TRAP for moment in ("success", "failure", "stopped")},
        **{f"{moment}_callback_timeout": "5" for moment in ("success", "failure", "stopped")},
        "webhooks": orjson.dumps(webhooks),
    }
    yield HostileJob("called-back-when-done", call(DISPATCH, []), wanted)
    yield HostileJob("called-back-when-failed", call("os.abort"), wanted)
    yield HostileJob("called-back-when-odd", call(DISPATCH, 5), wanted)
    yield HostileJob("unreadable-webhooks", call(DISPATCH, []), {"webhooks": b"\xff"})


def pickles() -> Iterator[HostileJob]:
    """Jobs that hope for a `pickle.loads`."""
    for name in ("data", "meta", "result", "exc_info"):
        poison = poisoned_pickle(f"touch {SPRUNG}pickled-{name}")
        yield HostileJob(f"pickled-{name}", call(DISPATCH, []), {name: poison})
    packed = zlib.compress(poisoned_pickle(f"touch {SPRUNG}packed"))
    yield HostileJob("packed", packed)
    yield HostileJob("pickled-call", pickle.dumps((DISPATCH, None, ([],), {})))


def dependents() -> Iterator[HostileJob]:
    """Jobs that are tied to others, to groups and to limits, or want to be repeated."""
    yield HostileJob(
        "dependent", call(DISPATCH, []), {"dependency_ids": b'["function-0", "no-such-job"]'}
    )
    yield HostileJob("old-dependent", call(DISPATCH, []), {"dependency_id": "function-0"})
    yield HostileJob("odd-dependent", call(DISPATCH, []), {"dependency_ids": b"[[1]]"})
    yield HostileJob("grouped", call(DISPATCH, []), {"group_id": "no-such-group"})
    yield HostileJob(
        "limited", call(DISPATCH, []), {"rate_limit_key": "x", "rate_limit_concurrency": "1"}
    )
    yield HostileJob(
        "repeated", call(DISPATCH, []), {"repeats_left": "9", "repeat_intervals": b"[0]"}
    )


def absurd_arguments() -> Iterator[HostileJob]:
    """Jobs that call our function with what ours never say."""
    for number, arguments in enumerate(_ABSURD):
        yield HostileJob(f"absurd-{number}", call(DISPATCH, *arguments))
    deep = b"[" * 50_000 + b"]" * 50_000
    head = b'["%b",null,' % DISPATCH.encode()
    yield HostileJob("deep", head + b"[" + deep + b"],{}]")
    yield HostileJob("rather-deep", head + b"[" * 1020 + b"]" * 1020 + b",{}]")
    yield HostileJob("huge-number", head + b"[" + b"9" * 5000 + b"],{}]")
    yield HostileJob("not-finite", head + b"[NaN],{}]")
    yield HostileJob("half-a-pair", head + b'[[{"id":"\\ud800"}]],{}]')
    yield HostileJob("keywords", call(DISPATCH, events=[]))
    yield HostileJob("more-keywords", call(DISPATCH, [], database="sqlite:///x"))
    yield HostileJob("arguments-are-text", orjson.dumps([DISPATCH, None, "[]", {}]))
    yield HostileJob("arguments-are-an-object", orjson.dumps([DISPATCH, None, {"events": []}, {}]))
    yield HostileJob("too-few-parts", orjson.dumps([DISPATCH]))
    yield HostileJob("too-many-parts", orjson.dumps([DISPATCH, None, [[]], {}, 5]))
    yield HostileJob("not-json", b"{")
    yield HostileJob("null", b"null")
    yield HostileJob("empty", b"")
    yield HostileJob("an-alert", call(SEND_ALERT, "no such fingerprint"))
    yield HostileJob("an-odd-alert", call(SEND_ALERT, {"fingerprint": 1}))


_WHOLE = {
    "id": "evt_00000000000000000000000000000000",
    "source": "webhook",
    "received_at": "2026-03-01T09:30:00+00:00",
    "body": "{}",
}

_ABSURD: tuple[tuple[object, ...], ...] = (
    (),
    (None,),
    (5,),
    ("evt_1",),
    ({"id": "evt_1"},),
    ([], []),
    ([None],),
    ([5],),
    (["evt_1"],),
    ([[]],),
    ([{}],),
    ([{"id": None}],),
    ([{"id": 5}],),
    ([{"id": ["evt_1"]}],),
    ([{"id": {"evt": 1}}],),
    ([{"id": ""}],),
    ([{"id": "evt_\x00"}],),
    ([{"id": "e" * 1_000_000}],),
    ([{"id": "evt_1", "handler": None}],),
    ([{"id": "evt_1", "handler": ["quick"]}],),
    ([{"id": "evt_1", "handler": {"a": 1}}],),
    ([{"id": "evt_1", "handler": 2**63}],),
    ([{"id": "evt_1", "handler": "h\x00"}],),
    ([{"id": f"evt_{number}"} for number in range(50_000)],),
    ([{"id": f"evt_{number}", "handler": "quick"} for number in range(50_000)],),
    ([{**_WHOLE, "body": 5}],),
    ([{**_WHOLE, "body": None}],),
    ([{**_WHOLE, "received_at": "yesterday"}],),
    ([{**_WHOLE, "received_at": "0001-01-01T00:00:00+23:59"}],),
    ([{**_WHOLE, "received_at": 5}],),
    ([{**_WHOLE, "source": "nobody"}],),
    ([{"id": "evt_1", "body": "{}"}],),
    ([{**{k: v for k, v in _WHOLE.items() if k != "body"}, "body_base64": "="}],),
)


def unreadable() -> Iterator[HostileJob]:
    """What stands where jobs stand, and can't be read as one."""
    for name, value in _ODD_FIELDS:
        yield HostileJob(f"odd-{name}", call(DISPATCH, []), {name: value})
    yield HostileJob("no-status", call(DISPATCH, []), {"status": None})
    yield HostileJob("no-origin", call(DISPATCH, []), {"origin": None})
    yield HostileJob("no-data", b"", {"data": None})
    yield HostileJob("a-string", b"", key=b"no hash")
    yield HostileJob("spaces-in-its-id", call(DISPATCH, []), id=b"not an id!")
    yield HostileJob("colons-in-its-id", call(DISPATCH, []), id=b"a:b:c")
    yield HostileJob("bytes-in-its-id", call(DISPATCH, []), id=b"\xff\xfe")
    yield HostileJob("unknown-field", call(DISPATCH, []), {"new": "x"})
    yield HostileJob("waiting-for-ever", call(5), {"retries_left": "3", "retry_intervals": b"[9]"})


_ODD_FIELDS: tuple[tuple[str, str | bytes], ...] = (
    ("status", "no such status"),
    ("status", b"\xff"),
    ("timeout", "for ever"),
    ("timeout", "99999999999999999999"),
    ("timeout", "-1"),
    ("ttl", "soon"),
    ("result_ttl", "99999999999999999999"),
    ("failure_ttl", "99999999999999999999"),
    ("retries_left", "x"),
    ("retries_left", "9" * 5000),
    ("number_of_retries", "x"),
    ("retry_intervals", b'"x"'),
    ("retry_intervals", b"{"),
    ("created_at", "yesterday"),
    ("enqueued_at", b"\xff"),
    ("started_at", "9" * 100),
    ("last_heartbeat", "x"),
    ("dependency_ids", b"\xff"),
    ("allow_dependency_failures", "x"),
    ("enqueue_at_front", "x"),
    ("repeats_left", "x"),
    ("repeat_intervals", b"\xff"),
    ("rate_limit_concurrency", "x"),
    ("group_id", b"\xff"),
    ("worker_name", b"\xff"),
    ("origin", b"\xff"),
    ("description", b"\xff"),
    ("success_callback_timeout", "x"),
    ("failure_callback_name", b"\xff"),
)


def all_of_them(url: str) -> list[HostileJob]:
    """Every hostile job, each with an id of its own."""
    groups = (
        foreign_functions(),
        methods(),
        callbacks(url),
        pickles(),
        dependents(),
        absurd_arguments(),
        unreadable(),
    )
    found = [job for group in groups for job in group]
    return [
        job if job.id else HostileJob(job.name, job.data, job.fields, b"job-%d" % number, job.key)
        for number, job in enumerate(found)
    ]
