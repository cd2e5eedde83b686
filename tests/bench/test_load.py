"""What is sent to the systems that are compared."""

from core import signature
from core.events import Envelope, parse
from tests.bench import load, orders
from tests.support.deliveries import SECRET


def test_orders_are_well_formed_different_and_the_same_in_each_run() -> None:
    bodies = [orders.body(number) for number in range(500)]
    assert len(set(bodies)) == 500
    assert bodies == [orders.body(number) for number in range(500)]
    for body in bodies:
        found = parse(body)
        assert isinstance(found, Envelope)
        assert (found.type, found.entity) == ("order.new", f"order:{found.data['id']}")


def test_orders_have_about_400_bytes() -> None:
    sizes = [len(orders.body(number)) for number in range(500)]
    assert 380 <= sum(sizes) / len(sizes) <= 420


def test_a_record_is_a_signed_request_behind_its_length() -> None:
    record = load.record(60_001)
    length, request = int(record[:4]), record[4:]
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    headers = dict(line.split(b": ", 1) for line in lines)
    assert length == len(request)
    assert first == b"POST /hooks/ecomlinx HTTP/1.1"
    assert int(headers[b"Content-Length"]) == len(body)
    header = headers[signature.HEADER.encode()]
    assert signature.is_authentic(body, header, [SECRET.encode()])
