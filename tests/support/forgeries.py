"""Requests that look like webhooks of EcomLinx, and aren't."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import orjson

from core.events import event_id
from receiver.app import WEBHOOK_PATH
from tests.support.deliveries import OTHER_SECRET, SECRET
from tests.support.raw_http import chunk

SECRETS = (SECRET.encode(), OTHER_SECRET.encode())

Pairs = list[tuple[bytes, bytes]]
Change = Callable[[Random, bytes], bytes]

_HEADER = b"X-EcomLinx-Signature"


@dataclass(frozen=True, slots=True)
class Forgery:
    """The bytes of a request that must be refused, and the name of the trick."""

    trick: str
    request: bytes


def is_genuine(body: bytes, headers: Pairs) -> bool:
    """Tell, by what the documentation says alone, whether a request would be authentic."""
    values = [value.strip(b" \t") for name, value in headers if name.lower() == _HEADER.lower()]
    known = {b"sha256=" + _hex(secret, body) for secret in SECRETS}
    return len(values) == 1 and values[0][:7] + values[0][7:].lower() in known


def sign(body: bytes, key: bytes = SECRETS[0], digest: str = "sha256") -> bytes:
    """A signature's hex digits."""
    return hmac.digest(key, body, digest).hex().encode()


def _hex(key: bytes, body: bytes) -> bytes:
    return sign(body, key)


def genuine_body(random: Random) -> bytes:
    """A body as EcomLinx might send it."""
    data = {
        "id": f"ord_{random.randrange(10**9)}",
        "total": random.choice([499.5, 1e3, 0, 12.340]),
        "name": random.choice(["Zoë", "नमस्ते", 'a "quoted" name', "\u0000", "plain"]),
        "items": [{"sku": "BLUE-TEE-M", "quantity": random.randrange(9)}] * random.randrange(5),
    }
    body = {"event": "order.new", "created_at": "2026-03-01T09:30:00Z", "data": data}
    return orjson.dumps(body) if random.random() < 0.8 else json.dumps(body, indent=1).encode()


# What becomes of a body under the signature that it had before.


def _flip(random: Random, body: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(random.choice([1, 1, 1, 2, 8])):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _insert(random: Random, body: bytes) -> bytes:
    at = random.randrange(len(body) + 1)
    return body[:at] + random.choice([b" ", b"\0", b"\n", b"0", random.randbytes(3)]) + body[at:]


def _delete(random: Random, body: bytes) -> bytes:
    at = random.randrange(len(body))
    return body[:at] + body[at + random.randint(1, 4) :]


def _truncate(random: Random, body: bytes) -> bytes:
    return body[: random.randrange(len(body))]


def _extend(random: Random, body: bytes) -> bytes:
    more = (b"\n", b"\r\n", b" ", b"\0", b"}", b",{}", body, b"\x80" + b"\0" * 55)
    return random.choice([body + m for m in more] + [m + body for m in (b" ", b"\xef\xbb\xbf")])


def _swap(random: Random, body: bytes) -> bytes:
    at, to = sorted(random.sample(range(len(body)), 2))
    changed = bytearray(body)
    changed[at], changed[to] = changed[to], changed[at]
    return bytes(changed)


def _encode_anew(random: Random, body: bytes) -> bytes:
    text, value = body.decode(), json.loads(body)
    return random.choice(
        [
            json.dumps(value).encode(),
            json.dumps(value, sort_keys=True, separators=(",", ":")).encode(),
            json.dumps(value, ensure_ascii=False, indent=2).encode(),
            json.dumps({**value, "event": "order.cancelled"}).encode(),
            text.encode("utf-16"),
            text.encode("utf-8-sig"),
            text.encode("latin-1", "replace"),
            body.upper(),
            body.replace(b"\n", b"\r\n"),
            base64.b64encode(body),
            body.hex().encode(),
        ]
    )


_BODIES: tuple[Change, ...] = (_flip, _insert, _delete, _truncate, _extend, _swap, _encode_anew)


# What becomes of a signature over a body that stays as it is.


def _wrong_digit(random: Random, good: bytes) -> bytes:
    at = random.randrange(7, len(good))
    return good[:at] + random.choice([b"0", b"f", b"g", b"\xc3", b"-", b"%"]) + good[at + 1 :]


def _wrong_length(random: Random, good: bytes) -> bytes:
    cut = random.randrange(len(good))
    return random.choice([good[:cut], good + good[7 : 8 + cut], good + b"0" * 4096, good[cut:]])


def _wrong_prefix(random: Random, good: bytes) -> bytes:
    digits = good[7:]
    prefixes = (b"", b"SHA256=", b"Sha256=", b"sha256:", b"sha256", b"sha-256=", b"sha512=")
    more = (b"sha1=", b"hmac-sha256=", b"v1=", b"sha256==", b"sha256=sha256=", b"sha256=0x")
    return random.choice(prefixes + more) + digits


def _wrapped(random: Random, good: bytes) -> bytes:
    digits = good[7:]
    spaced = (b"sha256= " + digits, b"sha256 =" + digits, b" ".join([good[:40], good[40:]]))
    listed = (good + b"," + good, good + b", sha256=" + b"0" * 64, good + b";t=1", b"," + good)
    quoted = (b'"' + good + b'"', b"sha256=" + b'"' + digits + b'"', b"<" + good + b">")
    escaped = (digits.replace(b"a", b"%61"), digits.translate(_FULLWIDTH))
    return random.choice(spaced + listed + quoted + tuple(b"sha256=" + e for e in escaped))


#: Digits that some languages' parsers take for others; here one byte of such an encoding.
_FULLWIDTH = bytes.maketrans(b"0123456789", bytes(range(0xB0, 0xBA)))


def _other_encoding(random: Random, good: bytes) -> bytes:
    raw = bytes.fromhex(good[7:].decode())
    forms = (base64.b64encode(raw), base64.b32encode(raw), base64.urlsafe_b64encode(raw), raw[::-1])
    safe = [form if form.isascii() else form.hex().encode() for form in forms]
    return b"sha256=" + random.choice(safe)


def _shuffled(random: Random, good: bytes) -> bytes:
    digits = list(good[7:])
    random.shuffle(digits)
    return b"sha256=" + random.choice([bytes(digits), good[7:][::-1], b"0" * 64, b"f" * 64])


_SIGNATURES: tuple[Change, ...] = (
    _wrong_digit,
    _wrong_length,
    _wrong_prefix,
    _wrapped,
    _other_encoding,
    _shuffled,
)


# Signatures that are right in another way.


def _other_key(random: Random, body: bytes) -> bytes:
    secret = random.choice(SECRETS)
    keys = (
        b"",
        b"secret",
        b"\0",
        b"null",
        b"None",
        secret.upper(),
        secret[::-1],
        secret[:-1],
        secret + b"\n",
        b" " + secret,
        b'"' + secret + b'"',
        b",".join(SECRETS),
        b"".join(SECRETS),
        secret.hex().encode(),
        base64.b64encode(secret),
        hashlib.sha256(secret).digest(),
        b"**********",
        random.randbytes(random.randint(1, 80)),
    )
    return b"sha256=" + sign(body, random.choice(keys))


def _other_digest(random: Random, body: bytes) -> bytes:
    secret = random.choice(SECRETS)
    kind = random.choice(["sha1", "md5", "sha224", "sha384", "sha512", "sha3_256", "blake2s"])
    digits = (
        sign(body, secret, kind),
        sign(body, secret, kind)[:64],
        sign(body, body[:64]),
        sign(secret, body),
        hashlib.sha256(body).hexdigest().encode(),
        hashlib.sha256(secret + body).hexdigest().encode(),
        hashlib.sha256(body + secret).hexdigest().encode(),
    )
    return b"sha256=" + random.choice(digits)


def _other_text(random: Random, body: bytes) -> bytes:
    texts = (
        b"",
        b"{}",
        genuine_body(random),
        body.hex().encode(),
        base64.b64encode(body),
        body + b"\n",
        orjson.dumps(json.loads(body)["data"]),
        b"1767225600." + body,
        b"POST" + WEBHOOK_PATH.encode() + body,
        event_id(body).encode(),
        hashlib.sha256(body).digest(),
        hashlib.sha256(body).hexdigest().encode(),
        b"sha256=" + sign(body),
    )
    return b"sha256=" + sign(random.choice(texts), random.choice(SECRETS))


_CLAIMS: tuple[Change, ...] = (_other_key, _other_digest, _other_text)


# Headers.


def _odd_headers(random: Random, good: bytes) -> Pairs:
    bad = b"sha256=" + b"0" * 64
    other_names = (
        b"X-EcomLinx-Signature-256",
        b"X_EcomLinx_Signature",
        b"X-EcomLinx_Signature",
        b"X-EcomLinx-Signatur",
        b"XX-EcomLinx-Signature",
        b"X-Hub-Signature-256",
        b"Signature",
        b"Authorization",
        b"Cookie",
        b"X-Forwarded-X-EcomLinx-Signature",
        b"X-HTTP-Method-Override",
    )
    return random.choice(
        [
            [],
            [(_HEADER, b"")],
            [(_HEADER, bad), (_HEADER, good)],
            [(_HEADER, good), (_HEADER, bad)],
            [(_HEADER, good), (_HEADER, good)],
            [(_HEADER.lower(), good), (_HEADER.upper(), good)],
            [(_HEADER, good), (_HEADER, b"")],
            [(random.choice(other_names), good)],
            [(random.choice(other_names), good), (_HEADER, bad)],
            [(b"X-Secret", SECRETS[0]), (_HEADER, bad)],
        ]
    )


_COMMON: tuple[Pairs, ...] = (
    [],
    [(b"Content-Type", b"application/json")],
    [(b"Content-Type", b"application/x-www-form-urlencoded")],
    [(b"Content-Type", b"\xff"), (b"Accept", b"*/*")],
    [(b"Content-Encoding", b"identity")],
    [(b"X-Forwarded-For", b"127.0.0.1"), (b"X-Real-IP", b"127.0.0.1")],
    [(b"X-Original-URL", b"/healthz"), (b"X-HTTP-Method-Override", b"PUT")],
)


def forge(random: Random) -> Forgery:
    """A complete request whose one fault is its signature."""
    while True:
        body, headers, trick = _draw(random)
        if not is_genuine(body, headers):
            break
    headers = [*random.choice(_COMMON), *headers]
    random.shuffle(headers)
    return Forgery(trick, _compose(random, body, headers))


def _draw(random: Random) -> tuple[bytes, Pairs, str]:
    body = genuine_body(random)
    good = b"sha256=" + sign(body, random.choice(SECRETS))
    kind = random.randrange(10)
    if kind < 5:
        change = random.choice(_BODIES)
        return change(random, body), [(_HEADER, good)], change.__name__
    if kind < 7:
        change = random.choice(_SIGNATURES)
        return body, [(_HEADER, change(random, good))], change.__name__
    if kind < 9:
        change = random.choice(_CLAIMS)
        return body, [(_HEADER, change(random, body))], change.__name__
    return body, _odd_headers(random, good), "_odd_headers"


def _compose(random: Random, body: bytes, headers: Pairs) -> bytes:
    if random.random() < 0.2:
        framed = [(b"Transfer-Encoding", b"chunked")]
        return head(pairs=[*headers, *framed]) + _chunks(random, body)
    return head(pairs=[*headers, (b"Content-Length", b"%d" % len(body))]) + body


def _chunks(random: Random, body: bytes) -> bytes:
    cut = random.randint(0, len(body))
    parts = [part for part in (body[:cut], body[cut:]) if part]
    return b"".join(map(chunk, parts)) + chunk(b"")


def head(start: bytes = b"POST " + WEBHOOK_PATH.encode(), *, pairs: Pairs) -> bytes:
    """A request's first lines, the empty one included."""
    lines = [start + b" HTTP/1.1", b"Host: yourapp.com", *(b"%b: %b" % pair for pair in pairs)]
    return b"\r\n".join(lines) + b"\r\n\r\n"


# Requests whose body is signed as it should be, but that come in a way that must not be taken.

_PATH = WEBHOOK_PATH.encode()

_STARTS: Sequence[bytes] = (
    *(
        verb + b" " + _PATH
        for verb in (b"GET", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT")
    ),
    *(verb + b" " + _PATH for verb in (b"post", b"Post", b"POSTS", b"P\0ST", b"", b"QUERY")),
    *(
        b"POST " + path
        for path in (
            _PATH + b"/",
            _PATH + b"//",
            b"/" + _PATH,
            _PATH.upper(),
            _PATH[:-1],
            _PATH + b"%00",
            _PATH + b";a=b",
            _PATH + b"/..",
            _PATH + b"/../ecomlinx",
            b"/hooks/./ecomlinx",
            b"/hooks%2Fecomlinx/",
            _PATH + b" HTTP/1.1 x",
            _PATH + b"\xff",
            b"/",
            b"*",
            b"/healthz",
            b"/readyz",
            b"/console",
            b"/metrics",
        )
    ),
)


def break_rules(random: Random) -> Forgery:
    """A request with a good signature that breaks another rule; send it on its own connection."""
    body = genuine_body(random)
    signature = (_HEADER, b"sha256=" + sign(body))
    length = (b"Content-Length", b"%d" % len(body))
    trick = random.choice([_other_start, _false_length, _false_chunks, _encoded, _odd_lines])
    return Forgery(trick.__name__, trick(random, body, signature, length))


def _alone(pairs: Pairs, start: bytes = b"POST " + _PATH) -> bytes:
    """The head of a request whose connection ends with its answer."""
    return head(start, pairs=[(b"Connection", b"close"), *pairs])


def _other_start(
    random: Random, body: bytes, signature: tuple[bytes, bytes], length: tuple[bytes, bytes]
) -> bytes:
    return _alone([signature, length], random.choice(_STARTS)) + body


def _false_length(
    random: Random, body: bytes, signature: tuple[bytes, bytes], length: tuple[bytes, bytes]
) -> bytes:
    size = len(body)
    values = (
        b"%d" % (size - 1),
        b"%d" % (size - random.randint(1, size)),
        b"%d" % (size + random.randint(1, 9)),
        b"-%d" % size,
        b"0x%x" % size,
        b"%d.0" % size,
        b"%de0" % size,
        b"%d,%d" % (size, size),
        b"9" * 30,
        b"",
        b"\xb2",
        b"chunked",
    )
    false = (b"Content-Length", random.choice(values))
    return _alone(random.choice([[signature, false], [false, signature, length]])) + body


def _false_chunks(
    random: Random, body: bytes, signature: tuple[bytes, bytes], length: tuple[bytes, bytes]
) -> bytes:
    coding = (b"Transfer-Encoding", b"chunked")
    framed = (
        ([signature, coding], b"%x\r\n" % (len(body) + 1) + body + b"\r\n0\r\n\r\n"),
        ([signature, coding], b"%x\r\n" % (len(body) - 1) + body + b"\r\n0\r\n\r\n"),
        ([signature, coding], b"-%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"),
        ([signature, coding], b"0x%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"),
        ([signature, coding], b"f" * 17 + b"\r\n" + body + b"\r\n0\r\n\r\n"),
        ([signature, coding], chunk(body)),
        ([signature, coding], chunk(body) + chunk(b" ") + chunk(b"")),
        ([signature, coding], body),
        ([signature, coding, length], body),
        ([signature, (b"Transfer-Encoding", b"chunked, identity")], chunk(body) + chunk(b"")),
        ([signature, (b"Transfer-Encoding", b"xchunked")], chunk(body) + chunk(b"")),
        ([signature, (b"Transfer-Encoding", b"gzip")], body),
        ([signature], body),
    )
    pairs, content = random.choice(framed)
    return _alone(pairs) + content


def _encoded(
    random: Random, body: bytes, signature: tuple[bytes, bytes], length: tuple[bytes, bytes]
) -> bytes:
    codings = (b"gzip", b"deflate", b"br", b"zstd", b"identity, gzip", b"x", b"", b"\xff")
    coding = (b"Content-Encoding", random.choice(codings))
    return _alone([coding, signature, length]) + body


def _odd_lines(
    random: Random, body: bytes, signature: tuple[bytes, bytes], length: tuple[bytes, bytes]
) -> bytes:
    name, value = signature
    lines = (
        b"%b : %b" % signature,
        b"%b\0: %b" % signature,
        b"%b:\0%b" % signature,
        b"%b: %b\0" % signature,
        b"%b: sha256=\r\n %b" % (name, value[7:]),
        b"%b %b" % signature,
        b"%b: %b\r%b: x" % (name, value, name),
        b"%b: x\n%b: %b" % (name, name, value + b"0"),
        b" %b: %b" % signature,
        b"\x00" * 10,
        b"X-Long: " + b"x" * 200_000,
    )
    start = b"POST %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" % _PATH
    return start + random.choice(lines) + b"\r\n%b: %b\r\n\r\n" % length + body
