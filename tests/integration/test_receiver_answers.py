"""What the receiver answers to each kind of request."""

from collections.abc import Callable, Sequence

import pytest
import redis

from core import signature
from core.events import EVENT_TYPES, event_id
from receiver.app import WEBHOOK_PATH
from tests.support.deliveries import OTHER_SECRET, SECRET, body_of, signed
from tests.support.kept import events_in
from tests.support.receivers import Sender

SIGNATURE = signature.HEADER


@pytest.mark.parametrize("event", EVENT_TYPES)
def test_accepts_every_documented_event(
    receiver: Sender, redis_client: "redis.Redis", event: str
) -> None:
    body = body_of(event)

    answer = receiver.deliver(body)

    assert answer.status == 202
    assert answer.json == {"status": "accepted", "id": event_id(body)}
    assert [arrival.id for arrival in events_in(redis_client)] == [event_id(body)]


def test_answers_a_repeated_body_as_a_duplicate(
    receiver: Sender, redis_client: "redis.Redis"
) -> None:
    body = body_of()
    receiver.deliver(body)

    answer = receiver.deliver(body)

    assert answer.status == 200
    assert answer.json == {"status": "duplicate", "id": event_id(body)}
    assert len(events_in(redis_client)) == 1


def test_takes_bodies_that_differ_in_one_byte_for_two_events(
    receiver: Sender, redis_client: "redis.Redis"
) -> None:
    body = body_of()

    answers = [receiver.deliver(body), receiver.deliver(body + b"\n")]

    assert [answer.status for answer in answers] == [202, 202]
    assert len(events_in(redis_client)) == 2


@pytest.mark.parametrize(
    "body",
    [
        body_of("order.teleported"),
        body_of("*"),
        body_of("événement.nouveau", id="ord_ü"),
        body_of("order.new", id="ord_1", name="नमस्ते 🪔"),
        b'{"event":"order.new","event":"order.shipped","data":{},"data":{"id":"ord_2"}}',
        b'{"event":"order.new","data":{}}',
        b'{"event":"order.new","created_at":"yesterday","data":{"id":7},"extra":[1e300]}',
        b' {"event" : "order.new" , "data" : {"note":"\\u0000"} } ',
    ],
)
def test_accepts_whatever_is_an_event(receiver: Sender, body: bytes) -> None:
    assert receiver.deliver(body).status == 202


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"hello",
        b"null",
        b"[]",
        b'"order.new"',
        b'{"event":"order.new","data":{}} trailing',
        b'{"event":"order.new","data":{"total":NaN}}',
        b'{"event":"order.new","data":{"total":1e400}}',
        b'{"event":"order.new","data":{"id":"ord_1"}',
        b'{"data":{}}',
        b'{"event":7,"data":{}}',
        b'{"event":"","data":{}}',
        b'{"event":"order\\u0000new","data":{}}',
        b'{"event":"' + b"n" * 201 + b'","data":{}}',
        b'{"event":"order.new"}',
        b'{"event":"order.new","data":null}',
        b'{"event":"order.new","data":[]}',
        b'{"event":"order.new","data":{"name":"\\ud800"}}',
        b"\xef\xbb\xbf" + b'{"event":"order.new","data":{}}',
        '{"event":"order.new","data":{"name":"Björn"}}'.encode("latin-1"),
        '{"event":"order.new","data":{}}'.encode("utf-16"),
        b'{"event":"order.new","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"event":"order.new","data":{"a":' * 5000 + b"1" + b"}}" * 5000,
        bytes(range(256)),
    ],
)
def test_keeps_an_authentic_body_that_is_no_event(
    receiver: Sender, redis_client: "redis.Redis", body: bytes
) -> None:
    first, second = receiver.deliver(body), receiver.deliver(body)

    assert [first.status, second.status] == [422, 422]
    assert first.error["code"] == "malformed"
    assert event_id(body) in first.error["message"]
    assert [arrival.raw for arrival in events_in(redis_client)] == [body]


BODY = body_of(id="ord_signed")
GOOD = signature.sign(BODY, SECRET)
DIGEST = GOOD.removeprefix("sha256=")


@pytest.mark.parametrize(
    "headers",
    [
        (),
        [(SIGNATURE, "")],
        [(SIGNATURE, "sha256=")],
        [(SIGNATURE, DIGEST)],
        [(SIGNATURE, f"sha1={DIGEST}")],
        [(SIGNATURE, f"SHA256={DIGEST}")],
        [(SIGNATURE, f"sha256={DIGEST[:-1]}")],
        [(SIGNATURE, f"sha256={DIGEST}0")],
        [(SIGNATURE, f"sha256={DIGEST[:-1]}x")],
        [(SIGNATURE, f"sha256= {DIGEST}")],
        [(SIGNATURE, "sha256=" + "é" * 64)],
        [(SIGNATURE, "sha256=" + "0" * 64)],
        [(SIGNATURE, f"{GOOD},{GOOD}")],
        [(SIGNATURE, signature.sign(BODY, OTHER_SECRET))],
        [(SIGNATURE, signature.sign(BODY, ""))],
        [(SIGNATURE, signature.sign(BODY + b" ", SECRET))],
        [(SIGNATURE, GOOD), (SIGNATURE, GOOD)],
        [(SIGNATURE, GOOD), (SIGNATURE, "sha256=" + "0" * 64)],
        [("X-EcomLinx-Signatures", GOOD)],
    ],
)
def test_refuses_what_is_not_signed_with_a_secret_of_ours(
    receiver: Sender, redis_client: "redis.Redis", headers: Sequence[tuple[str, str]]
) -> None:
    answer = receiver.post(BODY, headers)

    assert answer.status == 401
    assert answer.error["code"] == "unauthorized"
    assert redis_client.keys() == []


def test_tells_nobody_without_a_signature_what_has_been_seen(receiver: Sender) -> None:
    receiver.deliver(BODY)

    assert receiver.post(BODY).status == 401


def test_accepts_a_signature_in_upper_case_hex(receiver: Sender) -> None:
    assert receiver.post(BODY, {SIGNATURE.upper(): f"sha256={DIGEST.upper()}"}).status == 202


def test_accepts_either_of_two_secrets_while_they_are_rotated(
    start_receiver: Callable[..., Sender], redis_url: str
) -> None:
    receiver = start_receiver(
        redis_url=redis_url, ecomlinx_webhook_secrets=f"{OTHER_SECRET},{SECRET}"
    )

    statuses = [receiver.deliver(body_of(), secret).status for secret in (SECRET, OTHER_SECRET)]

    assert statuses == [202, 202]
    assert receiver.deliver(body_of(), "test-secret-three").status == 401


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin-1",
    ],
)
def test_reads_the_body_whatever_its_content_type(
    receiver: Sender, content_type: str | None
) -> None:
    body = body_of()
    headers = {SIGNATURE: signature.sign(body, SECRET)}
    if content_type is not None:
        headers["Content-Type"] = content_type

    assert receiver.post(body, headers).status == 202


@pytest.mark.parametrize(
    "encodings", [["gzip"], ["br"], ["GZIP"], ["identity, gzip"], ["gzip", "gzip"], ["x"]]
)
def test_refuses_a_compressed_body(
    receiver: Sender, redis_client: "redis.Redis", encodings: list[str]
) -> None:
    headers = [*signed(BODY).items(), *(("Content-Encoding", value) for value in encodings)]

    answer = receiver.post(BODY, headers)

    assert answer.status == 415
    assert answer.error["code"] == "unsupported_media_type"
    assert redis_client.keys() == []


@pytest.mark.parametrize("encoding", ["identity", " Identity "])
def test_accepts_a_body_that_says_it_is_not_compressed(receiver: Sender, encoding: str) -> None:
    body = body_of()

    assert receiver.post(body, {**signed(body), "Content-Encoding": encoding}).status == 202


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_allows_only_post_on_the_webhook_url(receiver: Sender, method: str) -> None:
    answer = receiver.send(method, WEBHOOK_PATH)

    assert answer.status == 405
    assert answer.headers["allow"] == "POST"
    assert answer.error["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_allows_only_reading_on_the_probes(receiver: Sender, path: str) -> None:
    answer = receiver.send("POST", path, body=b"{}")

    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert answer.error["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/hooks",
        "/hooks/ecomlinx/",
        "/hooks/ecomlinx/more",
        "//hooks/ecomlinx",
        "/Hooks/EcomLinx",
        "/hooks/../hooks/ecomlinx",
        "/metrics",
        "/docs",
        "/%00",
    ],
)
def test_knows_no_other_url(receiver: Sender, redis_client: "redis.Redis", path: str) -> None:
    answer = receiver.send("POST", path, signed(BODY), BODY)

    assert answer.status == 404
    assert answer.error["code"] == "not_found"
    assert redis_client.keys() == []


def test_takes_no_notice_of_a_query(receiver: Sender) -> None:
    body = body_of()

    assert receiver.send("POST", f"{WEBHOOK_PATH}?a=b", signed(body), body).status == 202


def test_does_not_say_what_it_runs_on(receiver: Sender) -> None:
    assert "server" not in receiver.deliver(body_of()).headers


def test_is_healthy_and_ready_while_redis_is_up(receiver: Sender) -> None:
    health, readiness = receiver.send("GET", "/healthz"), receiver.send("GET", "/readyz")

    assert (health.status, health.json) == (200, {"status": "ok"})
    assert (readiness.status, readiness.json) == (200, {"status": "ready", "accepting": "redis"})
