// Fastify and BullMQ in one process: one job an event.

const { createHmac, timingSafeEqual } = require("node:crypto");
const { Queue } = require("bullmq");
const Fastify = require("fastify");
const Redis = require("ioredis");

const { PORT, REDIS_URL, WEBHOOK_SECRET } = process.env;

const queue = new Queue("events", {
  connection: new Redis(REDIS_URL, { maxRetriesPerRequest: null }),
});

function isAuthentic(body, header) {
  const expected = Buffer.from(
    "sha256=" + createHmac("sha256", WEBHOOK_SECRET).update(body).digest("hex"),
  );
  const claimed = Buffer.from(header ?? "");
  return claimed.length === expected.length && timingSafeEqual(claimed, expected);
}

const app = Fastify({ logger: false });
app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_, body, done) =>
  done(null, body),
);
app.post("/hooks/ecomlinx", async (request, reply) => {
  if (!isAuthentic(request.body, request.headers["x-ecomlinx-signature"])) {
    return reply.code(401).send({ error: "unauthorized" });
  }
  const job = await queue.add("event", { body: request.body.toString() });
  return reply.code(202).send({ status: "accepted", id: job.id });
});
app.listen({ port: Number(PORT), host: "127.0.0.1" });
