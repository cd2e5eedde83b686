"""Secrets are masked in whatever is written down."""

from collections.abc import Callable
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.redaction import MASK, MIN_SECRET_CHARS, Redactor


def test_masks_every_occurrence_of_every_secret() -> None:
    redact = Redactor(["test-secret-one", "test-secret-two"])

    masked = redact("test-secret-one, test-secret-two; again test-secret-one.")

    assert masked == f"{MASK}, {MASK}; again {MASK}."


def test_leaves_other_text_alone() -> None:
    assert Redactor(["test-secret-one"])("test-secret-on") == "test-secret-on"


@pytest.mark.parametrize("order", [1, -1])
def test_masks_a_secret_that_contains_another_as_a_whole(order: int) -> None:
    redact = Redactor(["test-secret", "test-secret-and-more"][::order])

    assert redact("test-secret-and-more") == MASK


def test_takes_no_notice_of_what_is_too_short_to_be_a_secret() -> None:
    short = "x" * (MIN_SECRET_CHARS - 1)

    assert Redactor(["", short])(f"a {short} b") == f"a {short} b"


@pytest.mark.parametrize("secret", ['with"quote', "with\\backslash", "with\ttab", "with-ünïcode"])
def test_masks_a_secret_within_json_too(secret: str) -> None:
    written = orjson.dumps({"error": f"cannot log in with {secret}!"}).decode()

    assert (
        Redactor([secret])(written)
        == orjson.dumps({"error": f"cannot log in with {MASK}!"}).decode()
    )


@pytest.mark.parametrize("secret", ["with\\backslash", "with\ttab", "with'quote"])
def test_masks_a_secret_within_a_python_value_too(secret: str) -> None:
    assert secret not in Redactor([secret])(repr({"password": secret}))
    assert MASK in Redactor([secret])(repr({"password": secret}))


def _in_json(text: str) -> str:
    return orjson.dumps({"error": text}).decode()


def _in_python(text: str) -> str:
    return repr({"error": text})


def _in_an_exception(text: str) -> str:
    return str(KeyError(text))


WAYS_OF_QUOTING = (_in_json, _in_python, _in_an_exception)


@given(
    secret=st.text(
        st.sampled_from("a1'\"\\\n\té/ %") | st.characters(exclude_categories=["Cs"]),
        min_size=MIN_SECRET_CHARS,
        max_size=12,
    ),
    before=st.sampled_from(["", "'", '"', 'it\'s "so" ']),
    quoted=st.lists(st.sampled_from(WAYS_OF_QUOTING), max_size=3),
)
def test_masks_a_secret_however_often_the_text_around_it_is_quoted(
    secret: str, before: str, quoted: list[Callable[[str], str]]
) -> None:
    text, masked = f"{before}<{secret}>", f"{before}<{MASK}>"
    for quote_once in quoted:
        text, masked = quote_once(text), quote_once(masked)

    # Quotes that the secret holds decide how what stands around it is quoted.
    assert _bare(Redactor([secret])(text)) == _bare(masked)


def _bare(text: str) -> str:
    return text.translate(dict.fromkeys(map(ord, "'\"\\")))


@pytest.mark.parametrize("safe", ["", "/"])
def test_masks_a_secret_within_a_url_too(safe: str) -> None:
    secret = "p@ss/word?"  # noqa: S105

    masked = Redactor([secret])(f"https://me:{quote(secret, safe=safe)}@host/")

    assert masked == f"https://me:{MASK}@host/"
