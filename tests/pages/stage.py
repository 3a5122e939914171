"""A Purser of its own for the pages to be driven against, with something of everything to look at."""

import base64
import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

VHOST = "purser-pages"
START_DEADLINE_S = 60
MARKUP = "<b>=1+1</b>\"'&"

# What the tests in Rust configure, too.
CONFIGURED = Path(__file__).resolve().parent.parent / "operators"


def token(role):
    return f"{role}-token-0123456789abcdef0123456789"


def wait_for(what, condition, deadline_s=START_DEADLINE_S):
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.1)
    raise SystemExit(f"pages: {what} did not come to pass within {deadline_s} s")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Stage:
    """Runs until it is closed."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="purser-pages-")
        management = urllib.parse.urlsplit(os.environ["PURSER_TEST_AMQP_MANAGEMENT_URL"])
        self.management = f"{management.scheme}://{management.hostname}:{management.port}/api"
        self.authorization = base64.b64encode(f"{management.username}:{management.password}".encode()).decode()
        self.manage("DELETE", f"/vhosts/{VHOST}", missing_is_fine=True)
        self.manage("PUT", f"/vhosts/{VHOST}")
        self.manage("PUT", f"/permissions/{VHOST}/guest", {"configure": ".*", "write": ".*", "read": ".*"})
        amqp = os.environ["PURSER_TEST_AMQP_URL"].rsplit("/", 1)[0] + f"/{VHOST}"
        folder = Path(self.folder.name)
        self.config = folder / "purser.toml"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        parties = (CONFIGURED / "parties.toml").read_text()
        self.config.write_text(
            f'[database]\nurl = "sqlite://{folder}/purser.db"\n[amqp]\nurl = "{amqp}"\nqueue_type = "classic"\n'
            f'[http]\nlisten = "127.0.0.1:{port}"\n'
            "[approvals]\nthreshold = { CHF = 5000, GBP = 5000 }\n"
            f'[ledgers.second]\nurl = "sqlite://{folder}/second.db"\n'
            + (CONFIGURED / "operators.toml").read_text()
            + parties.replace("[parties.zenith]", '[parties.zenith]\nledger = "second"')
        )
        self.log = folder / "log"
        self.serve()
        self.fill()
        return self

    def serve(self):
        with self.log.open("ab") as log:
            serve = [os.environ["PURSER"], "--config", str(self.config), "serve"]
            self.process = subprocess.Popen(serve, stderr=log, stdout=log, cwd=self.folder.name)
        wait_for("a ready Purser", lambda: self.is_ready())

    def stop(self):
        self.process.terminate()
        self.process.wait(START_DEADLINE_S)

    def lose_a_ledger(self):
        """The second ledger is somewhere else from now on, where nobody is."""
        self.stop()
        here = f"sqlite://{self.folder.name}/second.db"
        self.config.write_text(self.config.read_text().replace(here, "postgres://nobody@127.0.0.1:1/nothing"))
        self.serve()

    def __exit__(self, *_):
        self.stop()
        self.manage("DELETE", f"/vhosts/{VHOST}", missing_is_fine=True)
        self.folder.cleanup()

    def is_ready(self):
        if self.process.poll() is not None:
            raise SystemExit(f"pages: Purser has ended:\n{self.log.read_text()}")
        try:
            report = json.load(urllib.request.urlopen(self.url + "/readyz", timeout=10))
            # Where a party is not served, it is named.
            return "acme" not in report["broker"]
        except OSError:
            return False

    def manage(self, method, path, body=None, missing_is_fine=False):
        request = urllib.request.Request(self.management + path, method=method, data=json.dumps(body or {}).encode())
        request.add_header("authorization", f"Basic {self.authorization}")
        request.add_header("content-type", "application/json")
        try:
            return urllib.request.urlopen(request, timeout=30).read()
        except urllib.error.HTTPError as error:
            if not (missing_is_fine and error.code == 404):
                raise

    def publish(self, operation, correlation, body):
        self.manage(
            "POST",
            f"/exchanges/{VHOST}/v1.0/publish",
            {
                "routing_key": f"v1.0.acme.{operation}",
                "payload": json.dumps(body),
                "payload_encoding": "string",
                "properties": {"correlation_id": correlation, "delivery_mode": 2},
            },
        )

    def ask(self, path, body=None, role="admin"):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data)
        request.add_header("authorization", f"Bearer {token(role)}")
        request.add_header("content-type", "application/json")
        request.add_header("accept", "application/json")
        return json.loads(urllib.request.urlopen(request, timeout=30).read() or "null")

    def fill(self):
        """Two players, some orders, a void, a transfer that waits, and dead letters of two kinds."""
        players = "/admin/v1/parties/acme/players"
        alice = {"player": "alice", "username": "alice", "email": "alice@mail.example", "nickname": MARKUP}
        self.ask(players, alice)
        self.ask(players, {"player": "77", "currency": "GBP"})
        cash = {"currency": "CHF", "reason": "first deposit"}
        for number in range(3):
            self.ask(f"{players}/alice/deposits", {**cash, "amount": "40.00", "key": f"slip-{number}"})
        self.ask(f"{players}/77/deposits", {"amount": "10.00", "currency": "GBP", "key": "s", "reason": "first"})
        waits = {**cash, "amount": "250.00", "reason": "goodwill after ticket 4711"}
        self.approval = self.ask(f"{players}/alice/deposits", {**waits, "key": "big"}, role="operator")["id"]
        self.ask(f"{players}/alice/deposits", {**waits, "key": "bigger", "amount": "300.00"}, role="operator")
        order = {"currency": "CHF", "game": "wallstroulette", "round": 1, "playerId": "alice"}
        for number in range(12):
            self.publish("order.bet", f"bet-{number}", {**order, "amount": 125, "externalId": f"round-{number}"})
        self.publish("order.bet", "too-much", {**order, "amount": 99_000, "externalId": "too-much"})
        for number in range(6):
            result = {**order, "amount": 300, "externalId": f"round-{number}", "result": "win"}
            self.publish("order.bet.result", f"result-{number}", result)
        for number in range(3):
            self.publish("order.bet", f"broken-{number}", {"playerId": "alice", "amount": "a lot"})
        self.publish("order.bet.cancel", MARKUP, {"playerId": "alice", "why": MARKUP})
        self.void = self.queue_void()
        history = f"{players}/alice/history?limit=200"
        wait_for("a played round", lambda: len(self.ask(history)["items"]) >= 22)
        letters = "/admin/v1/parties/acme/dead-letters"
        wait_for("dead letters", lambda: self.ready("v1.0.acme.dead") == 4)
        self.letter = self.ask(letters)["taken_at"]
        found = self.ask("/admin/v1/search?q=round-1")["found"]
        self.order = next(hit["path"] for hit in found if "/orders/" in (hit["path"] or "")).rsplit("/", 1)[1]

    def ready(self, queue):
        request = urllib.request.Request(f"{self.management}/queues/{VHOST}/{queue}/get", method="POST")
        request.data = json.dumps({"count": 10, "ackmode": "ack_requeue_true", "encoding": "auto"}).encode()
        request.add_header("authorization", f"Basic {self.authorization}")
        request.add_header("content-type", "application/json")
        return len(json.loads(urllib.request.urlopen(request, timeout=30).read()))

    def queue_void(self):
        def call(method, params):
            return self.ask(f"/api/{method}", {"Id": None, "Method": method, "Params": params})["result"]

        def adjustment(kind, reference, amount, source):
            return {
                "flake_id": 9148077483121591870, "real_amount": amount, "bonus_amount": 0, "ring_fenced_amount": 0,
                "total_amount": amount, "user_id": 77, "bonus_game_type": "G", "cmscore_game_id": 2885,
                "regulated_game_id": 6403, "transaction_type_id": kind, "partner_transaction_id": reference,
                "partner_timestamp_utc": "2021-08-04T10:42:44.393Z", "partner_id": 100, "game_round_id": 1,
                "product_id": 0, "token": "private", "action_type_id": 1, "provider_region_id": 20,
                "allow_bonus": True, "allow_ring_fenced": True, "currency_id": 1,
                "bet365_transaction_id": 5000390220, "source_bet365_games_transaction_id": source,
            }  # fmt: skip

        staked = call("AdjustBalance", adjustment(2, "stake", "-1", 0))["bet365_games_transaction_id"]
        paid = call("AdjustBalance", adjustment(3, MARKUP, "2.5", staked))["bet365_games_transaction_id"]
        queued = {"transaction_type_id": 6, "source_bet365_games_transaction_id": paid}
        call("QueueManualVoidReturn", queued)
        return paid
