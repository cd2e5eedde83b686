// A BullMQ worker that keeps the records that our ledger keeps: one event a job, 50 jobs at once,
// one transaction a job, synced to disk. Arguments: URL of Redis, path of the SQLite file.

const { Worker } = require("bullmq");
const Database = require("better-sqlite3");
const Redis = require("ioredis");

const HANDLER = "do_nothing";
const WORKER = `bullmq-${process.pid}`;
const [redisUrl, ledgerPath] = process.argv.slice(2);

const ledger = new Database(ledgerPath);
ledger.pragma("journal_mode = WAL");
ledger.pragma("synchronous = FULL");

const insertEvent = ledger.prepare(
  `INSERT INTO event (id, day, type, entity, source, created_at, received_at, raw, malformed)
   VALUES (?, ?, ?, ?, 'webhook', ?, ?, ?, 0)`
);
const insertDelivery = ledger.prepare(
  `INSERT INTO delivery (event_number, handler, event_type, status, attempts, first_attempt_at, claimed_at, worker,
                         crashes, forgiven_attempts, finished_at)
   VALUES (?, '${HANDLER}', ?, 'succeeded', 1, ?, ?, '${WORKER}', 0, 0, ?)`
);
const insertAttempt = ledger.prepare(
  `INSERT INTO attempt (event_number, handler, number, started_at, duration_ms, result, worker,
                        api_calls)
   VALUES (?, '${HANDLER}', 1, ?, ?, 'succeeded', '${WORKER}', '[]')`
);

const record = ledger.transaction((job, body, startedAt, durationMs) => {
  const { id, raw, receivedAt } = job;
  const entity = `order:${body.data.id}`;
  const created = written(body.created_at);
  const day = created.slice(0, 10);
  const event = insertEvent.run(id, day, body.event, entity, created, written(receivedAt), raw);
  const number = event.lastInsertRowid;
  insertDelivery.run(number, body.event, startedAt, startedAt, written());
  insertAttempt.run(number, startedAt, durationMs);
});

// As SQLAlchemy writes times into SQLite.
function written(time = Date.now()) {
  return new Date(time).toISOString().replace("T", " ").replace("Z", "000");
}

async function doNothing() {}

async function handle(job) {
  const body = JSON.parse(job.data.raw);
  const startedAt = written();
  const began = performance.now();
  await doNothing(body);
  const event = { ...job.data, raw: Buffer.from(job.data.raw) };
  record(event, body, startedAt, performance.now() - began);
}

const connection = new Redis(redisUrl, { maxRetriesPerRequest: null });
new Worker("events", handle, { connection, concurrency: 50 });
