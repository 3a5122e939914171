"""A first message in Python: a bet, or OPERATION BODY, asked again until there is a reply, and what it says.

AMQP_URL, PARTY and TOKEN (the player's) come from the environment.
"""

import json
import os
import sys
import time
import uuid

import pika
from pika.exceptions import NackError, UnroutableError

PATIENCE_S = 5
ATTEMPTS = 5


def new_bet():
    bet = {"amount": 100, "currency": "EUR", "game": "wallstroulette", "round": 1}
    return json.dumps({**bet, "externalId": str(uuid.uuid4()), "playerId": "alice"})


def wait_for_reply(channel, queue, correlation_id):
    deadline = time.monotonic() + PATIENCE_S
    for _method, properties, body in channel.consume(queue, auto_ack=True, inactivity_timeout=0.1):
        if properties and properties.correlation_id == correlation_id:
            return body
        if time.monotonic() > deadline:
            return None


def ask(channel, operation, body):
    queue = channel.queue_declare("", exclusive=True).method.queue
    message = pika.BasicProperties(
        content_type="application/json",
        delivery_mode=pika.DeliveryMode.Persistent.value,
        correlation_id=str(uuid.uuid4()),
        reply_to=queue,
        timestamp=int(time.time()),
        headers={"authorization": "Bearer " + os.environ["TOKEN"]},
    )
    routing_key = f"v1.0.{os.environ['PARTY']}.{operation}"
    for _ in range(ATTEMPTS):
        try:  # With confirms this returns once the broker has the message.
            channel.basic_publish("v1.0", routing_key, body, message, mandatory=True)
        except NackError:
            continue
        except UnroutableError:
            sys.exit(f"no queue takes {routing_key}")
        if reply := wait_for_reply(channel, queue, message.correlation_id):
            return reply.decode()
    sys.exit("no reply")


def main():
    operation, body = sys.argv[1:] or ("order.bet", new_bet())
    with pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        reply = ask(channel, operation, body)
    print(reply)
    sys.exit("error" in json.loads(reply))


main()
