// Queues the events that stand, one a line in JSON, on standard input. Argument: URL of Redis.

const fs = require("fs");
const { Queue } = require("bullmq");
const Redis = require("ioredis");

async function main() {
  const connection = new Redis(process.argv[2], { maxRetriesPerRequest: null });
  const queue = new Queue("events", { connection });
  const events = fs.readFileSync(0, "utf8").trim().split("\n").map(JSON.parse);
  await queue.addBulk(events.map((data) => ({ name: "event", data, opts: { jobId: data.id } })));
  await queue.close();
  connection.disconnect();
}

main();
