"""Secrets are masked in whatever is written down."""

import orjson
import pytest

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
