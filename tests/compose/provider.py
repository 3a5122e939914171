"""A game provider that plays steadily until it is told to stop, and knows nothing of Purser but what its documents promise.

Bets, results and cancels, some of them twice, some results before their bets are answered. In its directory it writes

    replies   a line for each: milliseconds since 1970, milliseconds since the event was first sent, the event
    state     once a second: how many confirmed events are not answered, and for how many milliseconds the oldest of them
    wrong     answers to one event that differ, and refusals

and looks for `stop`. At the end everything that the broker confirmed must be answered, nothing be wrong, and the balances be
what the answers make of them; else the status is 1.
"""

import argparse
import json
import os
import queue
import random
import sys
import threading
import time
import uuid

import pika

CURRENCY, GAME, PARTY = "EUR", "wallstroulette", "demo"
STATUS_QUEUE = "steady.status"
HEARTBEAT_S = 6
CONNECT_S = 3
PREFETCH = 500
# Of a hundred bets: cancelled, settled without waiting for the bet's answer, said twice.
CANCELLED, OVERTAKING, TWICE = 10, 20, 10


def told():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--directory", required=True, help="where `replies` is written and `stop` is looked for")
    arguments.add_argument("--tokens", required=True, help="a file: a player and a token a line")
    arguments.add_argument("--rate", type=float, default=20, help="bets a second")
    arguments.add_argument("--deposit", type=int, required=True, help="what each player has at first, in minor units")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--patience", type=float, default=240, help="seconds for what is left at the end")
    arguments.add_argument("--nodes", nargs="+", required=True, help="URLs of the broker's nodes, in the order of liking")
    return arguments.parse_args()


def now_ms():
    return int(time.time() * 1000)


class Books:
    """What was sent and what was answered, by event: the operation and the order's id."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sent = {}
        self.confirmed = set()
        self.open = set()
        self.answers = {}
        self.copies = 0
        self.balances = {}

    def unanswered(self):
        with self.lock:
            return list(self.open)

    def note_confirm(self, event):
        with self.lock:
            self.confirmed.add(event)
            if event not in self.answers:
                self.open.add(event)

    def note_answer(self, event, body):
        """Whether it is the first, and what is wrong with it."""
        with self.lock:
            self.open.discard(event)
            is_new = event not in self.answers
            first = self.answers.setdefault(event, body)
            self.copies += not is_new
        wanted = "201" if event.startswith("order.bet:") else "200"
        if first != body:
            return is_new, f"answered {first} and {body}"
        if json.loads(body).get("code") != wanted:
            return is_new, f"answered {body}"
        return is_new, None

    def oldest_ms(self, now):
        return max((now - self.sent[event]["at"] for event in self.unanswered()), default=0)

    def moved(self, player):
        """What the answers say that a player has won or lost."""
        return sum(
            message["moves"]
            for event, message in self.sent.items()
            if message["player"] == player and event in self.answers
        )


class Line:
    """A connection that is opened again, to one node after another, until somebody wants no more."""

    def __init__(self, options, books):
        self.options, self.books = options, books
        self.stopping = threading.Event()
        self.at = 0

    def connect(self):
        while True:
            parameters = pika.URLParameters(self.options.nodes[self.at % len(self.options.nodes)])
            parameters.heartbeat, parameters.socket_timeout = HEARTBEAT_S, CONNECT_S
            parameters.stack_timeout, parameters.blocked_connection_timeout = CONNECT_S, 60
            try:
                return pika.BlockingConnection(parameters)
            except Exception as error:  # pika's own do not have one class
                self.complain(error)
                self.at += 1
                time.sleep(0.1)

    def complain(self, error):
        print(f"{time.strftime('%T')} {type(self).__name__}: {error!r}", file=sys.stderr, flush=True)

    def run(self):
        while not self.is_done():
            try:
                self.work(self.connect())
            except Exception as error:
                self.complain(error)
                self.at += 1


class Listener(Line):
    """Takes every reply from a durable queue, which outlives each node."""

    def __init__(self, options, books, answered):
        super().__init__(options, books)
        self.answered = answered
        self.replies = open(os.path.join(options.directory, "replies"), "a", buffering=1)
        self.wrong = open(os.path.join(options.directory, "wrong"), "a", buffering=1)

    def is_done(self):
        return self.stopping.is_set()

    def declare(self):
        """Before anything is sent: a reply that no queue takes is gone."""
        connection = self.connect()
        channel = connection.channel()
        channel.queue_declare(STATUS_QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        channel.queue_bind(STATUS_QUEUE, "v1.0.status", f"v1.0.{PARTY}.#")
        connection.close()

    def work(self, connection):
        channel = connection.channel()
        channel.basic_qos(prefetch_count=PREFETCH)
        for method, properties, body in channel.consume(STATUS_QUEUE, inactivity_timeout=0.5):
            if method is not None:
                self.note(properties.correlation_id, body.decode())
                channel.basic_ack(method.delivery_tag)
            if self.is_done():
                connection.close()
                return

    def note(self, event, body):
        if event.startswith("balance.get:"):
            self.books.balances[event.partition(":")[2]] = json.loads(body).get("balance")
            return
        is_new, complaint = self.books.note_answer(event, body)
        if is_new:
            self.replies.write(f"{now_ms()} {now_ms() - self.books.sent[event]['at']} {event}\n")
        if complaint is not None:
            self.wrong.write(f"{event}: {complaint}\n")
        if is_new and event.startswith("order.bet:"):
            self.answered.put(event)


class Publisher(Line):
    """Sends at its rate; what was not confirmed is sent again, word by word. It catches up with nothing."""

    def __init__(self, options, books, answered):
        super().__init__(options, books)
        self.answered = answered
        self.random = random.Random(options.seed)
        with open(options.tokens) as lines:
            self.tokens = dict(line.split() for line in lines)
        self.players = sorted(self.tokens)
        self.waiting = []
        self.later = {}

    def is_done(self):
        return self.stopping.is_set() and not self.waiting and not self.later

    def work(self, connection):
        channel = connection.channel()
        channel.confirm_delivery()
        due = time.monotonic()
        while not self.is_done():
            if not self.stopping.is_set() and time.monotonic() >= due:
                due = max(due, time.monotonic() - 1) + 1 / self.options.rate
                self.bet()
            self.settle_what_was_answered()
            while self.waiting:
                self.publish(channel, self.waiting[0])
                self.waiting.pop(0)
            connection.sleep(0.005)
        connection.close()

    def publish(self, channel, event):
        message = self.books.sent[event]
        properties = pika.BasicProperties(
            correlation_id=event, delivery_mode=2, content_type="application/json",
            headers={"authorization": "Bearer " + self.tokens[message["player"]]},
        )
        operation = event.partition(":")[0]
        channel.basic_publish("v1.0", f"v1.0.{PARTY}.{operation}", message["body"], properties, mandatory=True)
        self.books.note_confirm(event)

    def send(self, operation, player, moves, body):
        event = f"{operation}:{body['externalId']}"
        with self.books.lock:
            self.books.sent[event] = {"player": player, "moves": moves, "at": now_ms(), "body": json.dumps(body)}
        self.waiting.append(event)
        if self.random.randrange(100) < TWICE:
            self.waiting.append(event)
        return event

    def bet(self):
        player = self.random.choice(self.players)
        order = {"game": GAME, "externalId": str(uuid.UUID(int=self.random.getrandbits(128))), "playerId": player}
        terms = {"currency": CURRENCY, "round": 1}
        stake = self.random.randrange(1, 100)
        event = self.send("order.bet", player, -stake, {**order, **terms, "amount": stake})
        if self.random.randrange(100) < CANCELLED:
            self.later[event] = ("order.bet.cancel", player, stake, order)
            return
        result = self.random.choice(["win", "tie", "lose"])
        amount = {"win": 2 * stake, "tie": stake, "lose": 1}[result]
        moves = 0 if result == "lose" else amount
        settling = ("order.bet.result", player, moves, {**order, **terms, "result": result, "amount": amount})
        if self.random.randrange(100) < OVERTAKING:
            self.send(*settling)
        else:
            self.later[event] = settling

    def settle_what_was_answered(self):
        while not self.answered.empty():
            settling = self.later.pop(self.answered.get(), None)
            if settling is not None:
                self.send(*settling)

    def ask_for_balances(self):
        connection = self.connect()
        channel = connection.channel()
        channel.confirm_delivery()
        for player in self.players:
            properties = pika.BasicProperties(
                correlation_id=f"balance.get:{player}", headers={"authorization": "Bearer " + self.tokens[player]}
            )
            body = json.dumps({"currency": CURRENCY, "playerId": player})
            channel.basic_publish("", f"v1.0.{PARTY}.balance.get", body, properties, mandatory=True)
        connection.close()


def until(patience, is_so):
    deadline = time.monotonic() + patience
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.2)
    return is_so()


def write_state(options, books):
    """Whole or not at all, for whoever reads it meanwhile."""
    path = os.path.join(options.directory, "state")
    with open(path + ".new", "w") as state:
        state.write(f"{len(books.unanswered())} {books.oldest_ms(now_ms())}\n")
    os.replace(path + ".new", path)


def main():
    options, books, answered = told(), Books(), queue.Queue()
    listener, publisher = Listener(options, books, answered), Publisher(options, books, answered)
    listener.declare()
    threads = [threading.Thread(target=line.run, daemon=True) for line in (listener, publisher)]
    for thread in threads:
        thread.start()
    while not os.path.exists(os.path.join(options.directory, "stop")):
        write_state(options, books)
        time.sleep(1)
    publisher.stopping.set()
    wrong = []
    if not until(options.patience, lambda: publisher.is_done() and not books.unanswered()):
        left = books.unanswered()
        wrong.append(f"{len(left)} confirmed and not answered, such as {left[:3]}; {len(publisher.waiting)} not confirmed")
    with open(os.path.join(options.directory, "wrong")) as lines:
        wrong.extend(line.strip() for line in lines)
    publisher.ask_for_balances()
    until(30, lambda: len(books.balances) == len(publisher.players))
    for player in publisher.players:
        expected = options.deposit + books.moved(player)
        if books.balances.get(player) != expected:
            wrong.append(f"{player} has {books.balances.get(player)}, by the answers {expected}")
    listener.stopping.set()
    print(f"{len(books.confirmed)} events confirmed, {len(books.answers)} answered, {books.copies} of them again")
    for complaint in wrong[:20]:
        print(f"WRONG: {complaint}")
    sys.exit(1 if wrong else 0)


main()
