"""Events taken a second, and how long their answers take, against web applications with a queue."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from statistics import median

from tests.bench import load, our_receiver, peer_env, web_peers
from tests.bench.bench import Bench
from tests.bench.rows import Row, Target, at_least, at_most, per_second, ratio_of_rounds
from tests.support.redis_server import RedisServer

Serving = Callable[[Bench, RedisServer], AbstractContextManager[int]]

OURS, OURS_ALWAYS = "ours", "ours, fsync always"
BARE = "bare uvicorn application"

_CONNECTIONS = (32, 128)

_TARGETS: Mapping[str, Target] = {
    BARE: at_least(0.4),
    "FastAPI + RQ": at_least(8),
    "FastAPI + Celery": at_least(10),
    "Fastify + BullMQ": at_least(1.3),
}
_P99_TO_P50 = at_most(4)


def measure(bench: Bench) -> list[Row]:
    """Compare rates with few and with many connections, and tell of the latencies with few."""
    peer_env.install(bench)
    requests = load.write_requests(bench)
    few, many = _CONNECTIONS
    answers = _answers(bench, requests, few)
    rows = [*_rates(answers, few), *_rates(_answers(bench, requests, many), many)]
    requests.path.unlink()
    return [*rows, *_latencies(answers, few)]


@contextmanager
def _our_receiver(bench: Bench, redis: RedisServer) -> Iterator[int]:
    with our_receiver.start(bench, redis) as (_, port):
        yield port


_SERVING: Mapping[str, tuple[str, Serving]] = {
    OURS: ("everysec", _our_receiver),
    OURS_ALWAYS: ("always", _our_receiver),
    BARE: ("everysec", partial(web_peers.uvicorn, module="bare")),
    "FastAPI + RQ": ("everysec", partial(web_peers.uvicorn, module="fastapi_rq")),
    "FastAPI + Celery": ("everysec", partial(web_peers.uvicorn, module="fastapi_celery")),
    "Fastify + BullMQ": ("everysec", partial(web_peers.node, program="fastify_bullmq.js")),
}


def _answers(
    bench: Bench, requests: load.Requests, connections: int
) -> dict[str, list[load.Answers]]:
    kept: dict[str, list[load.Answers]] = defaultdict(list)

    def rate(name: str) -> float:
        found = _measured(bench, requests, connections, *_SERVING[name])
        if name in (OURS, OURS_ALWAYS) and found.repeated:
            raise load.LoadError("too few events for so fast a receiver: some were duplicates")
        kept[name].append(found)
        return found.per_second

    bench.say(f"  {connections} connections")
    bench.take_turns({name: partial(rate, name) for name in _SERVING})
    return kept


def _measured(
    bench: Bench, requests: load.Requests, connections: int, appendfsync: str, serving: Serving
) -> load.Answers:
    # Both begin anew each time: nothing has been seen before, and no queue has grown long.
    with bench.redis(appendfsync=appendfsync) as redis:
        with redis.client() as client:
            # The faster a system is, the sooner Redis would begin to write its file anew.
            client.config_set("auto-aof-rewrite-percentage", 0)
        with serving(bench, redis) as port:
            return load.measure(port, requests, connections=connections)


def _rates(answers: Mapping[str, Sequence[load.Answers]], connections: int) -> list[Row]:
    rates = {name: [one.per_second for one in found] for name, found in answers.items()}
    what = f"ingest, {connections} connections"

    def row(ours: str, other: str, target: Target | None) -> Row:
        ratio = ratio_of_rounds(rates[ours], rates[other])
        mine, theirs = per_second(rates[ours]), per_second(rates[other])
        text = what if ours == OURS else f"{what}, fsync always"
        return Row(text, mine, other, theirs, ratio, target)

    against = [row(OURS, other, target) for other, target in _TARGETS.items()]
    return [*against, row(OURS_ALWAYS, BARE, None)]


def _latencies(answers: Mapping[str, Sequence[load.Answers]], connections: int) -> list[Row]:
    what, ours = f"answer, {connections} connections", _times(answers[OURS])
    spread = median(one.p99_ms / one.p50_ms for one in answers[OURS])
    others = [name for name in answers if name != OURS]
    return [
        Row(what, ours, "p99 : p50 of the same run", "", spread, _P99_TO_P50),
        *(Row(what, ours, name, _times(answers[name])) for name in others),
    ]


def _times(answers: Sequence[load.Answers]) -> str:
    p50 = median(one.p50_ms for one in answers)
    p99 = median(one.p99_ms for one in answers)
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"
