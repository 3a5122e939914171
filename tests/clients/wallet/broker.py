"""From the queues to the ledger and back: a reply is committed, then confirmed, and then its request is acked."""

import dataclasses
import logging
import time

import pika
from pika.exceptions import AMQPError, NackError, UnroutableError

import messages
import tokens
from ledger import BetUnknown
from statuses import Refused

PREFETCH = 200
TICK_S = 0.02


@dataclasses.dataclass
class Waiting:
    """A result or cancel without its bet. Its grace begins when all bets that lay in the queue before it are decided."""

    delivery: tuple
    request: messages.Request
    after_bets: int
    deadline: float | None = None


@dataclasses.dataclass
class Wallet:
    amqp: str
    party: str
    ledger: object
    currencies: list
    secret: bytes
    encode: object
    grace_s: float

    def serve(self):
        while True:
            try:
                with pika.BlockingConnection(pika.URLParameters(self.amqp)) as connection:
                    self.consume(connection)
            except AMQPError as error:
                logging.warning("connecting again: %r", error)
                time.sleep(1)

    def consume(self, connection):
        self.waiting, self.bets_decided = [], 0
        self.channel, self.replies = connection.channel(), connection.channel()
        self.replies.confirm_delivery()
        self.channel.exchange_declare("v1.0", "topic", durable=True)
        self.channel.exchange_declare("v1.0.status", "topic", durable=True)
        self.channel.queue_declare(f"v1.0.{self.party}.dead", durable=True)
        self.channel.basic_qos(prefetch_count=PREFETCH)
        for operation in messages.OPERATIONS:
            queue = f"v1.0.{self.party}.{operation}"
            self.channel.queue_declare(queue, durable=True)
            self.channel.queue_bind(queue, "v1.0", queue)
            self.channel.basic_consume(queue, lambda _, *delivery, operation=operation: self.take(operation, delivery))
        print("ready", flush=True)
        while True:
            connection.process_data_events(TICK_S)
            if self.waiting:
                self.look_after_the_waiting(connection)

    def take(self, operation, delivery):
        if not is_request(f"v1.0.{self.party}.{operation}", *delivery[:2]):
            self.park(delivery, "misrouted")
            self.channel.basic_ack(delivery[0].delivery_tag)
            return
        try:
            request = self.open(operation, delivery)
            self.answer(operation, delivery, self.ledger.decide(request, gives_up=not self.grace_s))
        except Refused as refused:
            self.answer(operation, delivery, refused.status)
        except BetUnknown:
            self.waiting.append(Waiting(delivery, request, self.bets_decided + self.bets_ready() + PREFETCH))
        except (ArithmeticError, LookupError, TypeError, ValueError):
            logging.exception("a fault")
            self.park(delivery, "fault")
            self.answer(operation, delivery, Refused("500").status)
        self.bets_decided += operation == "order.bet"

    def open(self, operation, delivery):
        _method, properties, message = delivery
        try:
            if not (properties.correlation_id or properties.message_id):
                raise Refused("400")
            body = messages.read(operation, message, self.currencies)
        except Refused:
            self.park(delivery, "malformed")
            raise
        player = tokens.player_of(self.secret, operation, body["playerId"], properties)
        return messages.Request(operation, player, body)

    def look_after_the_waiting(self, connection):
        new = [entry for entry in self.waiting if entry.deadline is None]
        is_empty = bool(new) and self.bets_ready() == 0
        connection.process_data_events(0)  # What was handed out before the queue was said to be empty.
        crowded = len(self.waiting) > PREFETCH / 2
        for entry in new:
            if is_empty or self.bets_decided >= entry.after_bets:
                entry.deadline = time.monotonic() + self.grace_s / (10 if crowded else 1)
        self.waiting = [entry for entry in self.waiting if not self.try_again(entry)]

    def try_again(self, entry):
        gives_up = entry.deadline is not None and time.monotonic() >= entry.deadline
        try:
            reply = self.ledger.decide(entry.request, gives_up)
        except BetUnknown:
            return False
        self.answer(entry.request.operation, entry.delivery, reply)
        return True

    def bets_ready(self):
        return self.channel.queue_declare(f"v1.0.{self.party}.order.bet", passive=True).method.message_count

    def park(self, delivery, reason):
        properties = pika.BasicProperties(headers={"x-purser-reason": reason}, delivery_mode=2)
        self.replies.basic_publish("", f"v1.0.{self.party}.dead", delivery[2], properties, mandatory=True)

    def answer(self, operation, delivery, reply):
        method, properties, _message = delivery
        to = properties.reply_to or ""
        is_own = to == "" or to.startswith("v1.0.")
        address = ("v1.0.status", f"v1.0.{self.party}.{operation}") if is_own else ("", to)
        # The broker returns what is sent to a direct reply-to, though it arrives.
        mandatory = not to.startswith("amq.rabbitmq.reply-to.")
        about = pika.BasicProperties(
            content_type="application/json",
            type=operation + (".balance" if "balance" in reply else ".status"),
            correlation_id=properties.correlation_id or properties.message_id,
            delivery_mode=properties.delivery_mode,
            headers={k: v for k, v in (properties.headers or {}).items() if k == "traceparent"},
        )
        try:
            self.replies.basic_publish(*address, self.encode(reply), about, mandatory)
        except (NackError, UnroutableError):
            logging.warning("nobody takes the reply to %s", about.correlation_id)
        self.channel.basic_ack(method.delivery_tag)


def is_request(queue, method, properties):
    """Whether it was sent to this very queue, in names that can be read."""
    headers = properties.headers or {}
    names = [*vars(properties).values(), *headers]
    elsewhere = [death for death in headers.get("x-death", []) if death["queue"] != queue]
    sent_here = method.exchange in ("", "v1.0") and method.routing_key == queue
    return sent_here and not elsewhere and not any(isinstance(name, bytes) for name in names)
