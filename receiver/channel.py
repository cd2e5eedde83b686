"""One script in Redis, called again and again from the event loop."""

import hashlib
from collections.abc import Sequence

import hiredis
import redis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

Word = str | bytes | int


class ScriptChannel:
    """Calls a script over a connection of its own; one call at a time.

    It uses redis-py's connection and not its client, which takes twice as long for a call as all
    the rest of a commit.

    Args:
        url: Where Redis is.
        script: In Lua; it answers with a list of numbers.
    """

    def __init__(self, url: str, script: str) -> None:
        pool = redis.asyncio.ConnectionPool.from_url(
            url, socket_timeout=None, socket_connect_timeout=None, retry=Retry(NoBackoff(), 0)
        )
        self._connection = pool.make_connection()  # type: ignore[no-untyped-call]
        self._script = script
        self._digest = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()

    async def call(self, keys: Sequence[str], arguments: Sequence[Word]) -> list[int]:
        """Run the script; wait for as long as it takes, or until this is cancelled.

        Raises:
            redis.RedisError: Redis is away, or the script failed. A script whose connection breaks
                may have run, and is run once more.
        """
        words = (len(keys), *keys, *arguments)
        try:
            return await self._send("EVALSHA", self._digest, *words)
        except redis.exceptions.NoScriptError:
            return await self._send("EVAL", self._script, *words)

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.disconnect()

    async def _send(self, *words: Word) -> list[int]:
        packed = hiredis.pack_command(words)  # type: ignore[arg-type] # typed as one word
        try:
            return await self._exchange(packed)
        except redis.ConnectionError:
            # Most often, Redis has closed a connection that was idle, or was started anew.
            return await self._exchange(packed)

    async def _exchange(self, packed: bytes) -> list[int]:
        await self._connection.send_packed_command(packed, check_health=False)
        answer: list[int] = await self._connection.read_response()
        return answer
