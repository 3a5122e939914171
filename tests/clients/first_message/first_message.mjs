// A first message in JavaScript: a bet, or OPERATION BODY, asked again until there is a reply, and what it says.
//
// AMQP_URL, PARTY and TOKEN (the player's) come from the environment.

import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import amqp from "amqplib";

const patienceMs = 5_000;
const attempts = 5;

function newBet() {
  const bet = { amount: 100, currency: "EUR", game: "wallstroulette", round: 1 };
  return JSON.stringify({ ...bet, externalId: randomUUID(), playerId: "alice" });
}

async function ask(channel, operation, body) {
  channel.on("return", ({ fields }) => {
    console.error(`no queue takes ${fields.routingKey}: ${fields.replyText}`);
    process.exit(1);
  });
  const { queue } = await channel.assertQueue("", { exclusive: true });
  const replies = new EventEmitter();
  const take = ({ properties, content }) => replies.emit(properties.correlationId, content.toString());
  await channel.consume(queue, take, { noAck: true });
  const message = {
    contentType: "application/json",
    persistent: true,
    mandatory: true,
    correlationId: randomUUID(),
    replyTo: queue,
    timestamp: Math.floor(Date.now() / 1000),
    headers: { authorization: `Bearer ${process.env.TOKEN}` },
  };
  const key = `v1.0.${process.env.PARTY}.${operation}`;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const replied = once(replies, message.correlationId, { signal: AbortSignal.timeout(patienceMs) });
    channel.publish("v1.0", key, Buffer.from(body), message);
    try {
      const [, [reply]] = await Promise.all([channel.waitForConfirms(), replied]);
      return reply;
    } catch (error) {
      console.error(`again: ${error.message}`); // Not confirmed, or not answered in time.
    }
  }
  throw new Error("no reply");
}

const [operation, body] = process.argv.length === 4 ? process.argv.slice(2) : ["order.bet", newBet()];
const connection = await amqp.connect(process.env.AMQP_URL);
const reply = await ask(await connection.createConfirmChannel(), operation, body);
await connection.close();
console.log(reply);
process.exitCode = "error" in JSON.parse(reply) ? 1 : 0;
