"""Webhook signatures."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.signature import PREFIX, is_authentic, sign

#: Test case 2 of RFC 4231.
KEY = "Jefe"
TEXT = b"what do ya want for nothing?"
SIGNATURE = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def test_signs_as_the_standard_says() -> None:
    assert sign(TEXT, KEY) == SIGNATURE


def test_accepts_what_the_standard_says() -> None:
    assert is_authentic(TEXT, SIGNATURE.encode(), [KEY.encode()])


@pytest.mark.parametrize("position", [0, 1, 2])
def test_accepts_a_signature_by_any_of_several_secrets(position: int) -> None:
    secrets = [b"test-secret-one", b"test-secret-two", b"test-secret-three"]

    header = sign(TEXT, secrets[position].decode())

    assert is_authentic(TEXT, header.encode(), secrets)


def test_accepts_hex_digits_of_either_case() -> None:
    header = "sha256=" + SIGNATURE.removeprefix("sha256=").upper()

    assert is_authentic(TEXT, header.encode(), [KEY.encode()])


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"sha256=",
        SIGNATURE.encode()[:-1],
        SIGNATURE.encode() + b"0",
        SIGNATURE.encode().removeprefix(b"sha256="),
        SIGNATURE.encode().replace(b"sha256", b"SHA256"),
        SIGNATURE.encode().replace(b"sha256", b"sha512"),
        b" " + SIGNATURE.encode(),
        b"sha256=" + b"\xff" * 64,
        b"sha256=" + b"0" * 64,
    ],
)
def test_refuses_every_other_header(header: bytes | None) -> None:
    assert not is_authentic(TEXT, header, [KEY.encode()])


def test_refuses_everything_without_a_secret() -> None:
    assert not is_authentic(TEXT, SIGNATURE.encode(), [])


@given(body=st.binary(), secret=st.text(min_size=1), header=st.none() | st.binary())
def test_never_raises(body: bytes, secret: str, header: bytes | None) -> None:
    key = secret.encode("utf-8", "surrogatepass")

    assert not is_authentic(body, header, [key])


@given(body=st.binary(), flipped=st.integers(min_value=0))
def test_a_body_that_differs_in_one_bit_is_not_authentic(body: bytes, flipped: int) -> None:
    header = sign(body + b"!", KEY).encode()
    changed = bytearray(body + b"!")
    position = flipped % (len(changed) * 8)
    changed[position // 8] ^= 1 << (position % 8)

    assert is_authentic(body + b"!", header, [KEY.encode()])
    assert not is_authentic(bytes(changed), header, [KEY.encode()])


@given(body=st.binary(), key=st.binary(), other=st.binary())
def test_another_key_makes_another_signature(body: bytes, key: bytes, other: bytes) -> None:
    """HMAC fills short keys up with zeros and hashes long ones: only so are two keys the same."""

    def as_used(secret: bytes) -> bytes:
        used = hashlib.sha256(secret).digest() if len(secret) > 64 else secret
        return used.ljust(64, b"\0")

    header = PREFIX + hmac.digest(other, body, "sha256").hex().encode()

    assert is_authentic(body, header, [key]) == (as_used(key) == as_used(other))


@given(
    at=st.integers(0, len(SIGNATURE) - 1),
    cut=st.integers(0, 4),
    put=st.binary(max_size=4) | st.sampled_from([b"0", b"F", b" ", b",", b"="]),
)
def test_a_header_that_differs_in_more_than_the_case_of_its_digits_is_refused(
    at: int, cut: int, put: bytes
) -> None:
    good = SIGNATURE.encode()
    header = good[:at] + put + good[at + cut :]
    is_the_same = header[:7] == PREFIX and header[7:].lower() == good[7:]

    assert is_authentic(TEXT, header, [KEY.encode()]) == is_the_same
