"""FastAPI and Celery with Redis as its broker: one task an event."""

import os

from celery import Celery
from fastapi import FastAPI
from signed import Body

celery = Celery(broker=os.environ["REDIS_URL"])
celery.conf.task_ignore_result = True


@celery.task(name="tasks.handle")
def handle(body: str) -> None:
    """Handle an event; no worker runs here."""


app = FastAPI()


@app.post("/hooks/ecomlinx", status_code=202)
def receive(body: Body) -> dict[str, str]:
    """Keep an event, then answer; in a thread of FastAPI's, as the client of Redis blocks."""
    task = handle.delay(body.decode())
    return {"status": "accepted", "id": task.id}
