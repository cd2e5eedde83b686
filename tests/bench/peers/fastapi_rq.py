"""FastAPI and RQ, as RQ's documentation enqueues: one job an event."""

import os

from fastapi import FastAPI
from redis import Redis
from rq import Queue
from signed import Body

app = FastAPI()
queue = Queue("events", connection=Redis.from_url(os.environ["REDIS_URL"]))


@app.post("/hooks/ecomlinx", status_code=202)
def receive(body: Body) -> dict[str, str]:
    """Keep an event, then answer; in a thread of FastAPI's, as the client of Redis blocks."""
    job = queue.enqueue("tasks.handle", body)
    return {"status": "accepted", "id": job.id}
