"""What Redis keeps after the receiver has answered."""

import redis

from core.events import Arrival
from core.queue import EVENTS_QUEUE, from_wire, open_queue


def jobs_in(client: "redis.Redis") -> list[list[Arrival]]:
    """The events of each job that waits for a worker, oldest job first."""
    found = []
    for job in open_queue(EVENTS_QUEUE, client).get_jobs():
        (wires,) = job.args
        items = [from_wire(wire) for wire in wires]
        found.append([item for item in items if isinstance(item, Arrival)])
    return found


def events_in(client: "redis.Redis") -> list[Arrival]:
    """Every event that waits for a worker, as often as it is there."""
    return [arrival for job in jobs_in(client) for arrival in job]
