"""Balances, orders, and what was said of each command. One message is one transaction."""

import json
import sqlite3

from statuses import Refused

TABLES = """
CREATE TABLE IF NOT EXISTS players (player TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS balances (player TEXT, wallet TEXT, currency TEXT, minor INTEGER NOT NULL CHECK (minor >= 0),
    PRIMARY KEY (player, wallet, currency));
CREATE TABLE IF NOT EXISTS orders (game TEXT, external_id TEXT, player TEXT, wallet TEXT, currency TEXT, stake INTEGER,
    round INTEGER, is_open INTEGER, PRIMARY KEY (game, external_id));
-- What the same command is told for ever. A cancel that was refused for good is the tombstone of its bet.
CREATE TABLE IF NOT EXISTS replies (game TEXT, external_id TEXT, player TEXT, operation TEXT, data TEXT, reply TEXT,
    PRIMARY KEY (game, external_id, player, operation));
"""


# What a balance can hold, in minor units.
MOST = 2**63 - 1


class BetUnknown(Exception):
    """A result or cancel whose bet may still come."""


class Ledger:
    def __init__(self, path, games=(), max_bet=None, forgets_repeats=False):
        self.games, self.max_bet, self.forgets_repeats = games, max_bet, forgets_repeats
        self.db = sqlite3.connect(path, timeout=30)
        self.db.row_factory = sqlite3.Row
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.executescript(TABLES)

    def add(self, player, currency, minor):
        with self.db:
            self.db.execute("INSERT OR IGNORE INTO players VALUES (?)", (player,))
            self.pay((player, "default", currency), minor)

    def decide(self, request, gives_up=False):
        """The reply, committed."""
        with self.db:
            try:
                if request.operation == "balance.get":
                    return self.balance(request)
                return self.order(request, gives_up)
            except Refused as refused:
                return refused.status

    def balance(self, request):
        self.check_player(request)
        currency = request.body["currency"]
        minor = self.minor((request.player, request.wallet, currency))
        reply = {"balance": minor, "currency": currency, "playerId": request.player}
        return reply | {name: value for name, value in request.body.items() if name == "walletId"}

    def order(self, request, gives_up):
        is_bet = request.operation == "order.bet"
        if not is_bet:
            self.check_bet_of(request)
        earlier = self.reply(request, request.operation)
        if earlier and not (is_bet and self.forgets_repeats):
            return json.loads(earlier["reply"]) if earlier["data"] == request.data else Refused("400").status
        try:
            reply = self.bet(request) if is_bet else self.end(request, gives_up)
        except Refused as refused:
            if not refused.kept:
                raise
            reply = refused.status
        kept = (*request.key, request.player, request.operation, request.data, json.dumps(reply))
        self.db.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?, ?)", kept)
        return reply

    def bet(self, request):
        body = request.body
        account = (request.player, request.wallet, body["currency"])
        if self.find(request) and not self.forgets_repeats:
            raise Refused("400")
        self.check_game(request, kept=True)
        self.check_player(request, kept=True)
        if self.reply(request, "order.bet.cancel"):
            raise Refused("493", kept=True)
        if self.max_bet and body["amount"] > self.max_bet:
            raise Refused("491", kept=True)
        if (balance := self.minor(account)) < body["amount"]:
            raise Refused("492", kept=True, balance=balance)
        self.pay(account, -body["amount"])
        order = (*request.key, *account, body["amount"], body["round"], True)
        self.db.execute("INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?)", order)
        return {"code": "201"}

    def end(self, request, gives_up):
        """A result or a cancel."""
        self.check_game(request)
        self.check_player(request)
        body, order = request.body, self.find(request)
        if order is None:
            is_refused = self.reply(request, "order.bet") or self.reply(request, "order.bet.cancel")
            if not is_refused and not gives_up:
                raise BetUnknown
            raise Refused("493", kept=not is_refused and request.operation == "order.bet.cancel")
        if order["player"] != request.player or not order["is_open"]:
            raise Refused("493")
        if body.get("round", order["round"]) != order["round"]:
            raise Refused("494")
        paid = order["stake"] if request.operation == "order.bet.cancel" else body["amount"]
        account = (order["player"], order["wallet"], order["currency"])
        self.pay(account, 0 if body.get("result") == "lose" else paid)
        self.db.execute("UPDATE orders SET is_open = 0 WHERE game = ? AND external_id = ?", request.key)
        return {"code": "200"}

    def check_bet_of(self, request):
        """What a result or cancel names has to be what the player's bet says, whatever became of it."""
        bet = self.reply(request, "order.bet")
        said = json.loads(bet["data"]) if bet else request.body
        if any(request.body.get(name, said.get(name)) != said.get(name) for name in ("currency", "walletId")):
            raise Refused("400")

    def check_game(self, request, kept=False):
        if request.body["game"] not in self.games:
            raise Refused("496", kept)

    def check_player(self, request, kept=False):
        if not self.db.execute("SELECT 1 FROM players WHERE player = ?", (request.player,)).fetchone():
            raise Refused("495", kept)

    def find(self, request):
        return self.db.execute("SELECT * FROM orders WHERE game = ? AND external_id = ?", request.key).fetchone()

    def reply(self, request, operation):
        where = "game = ? AND external_id = ? AND player = ? AND operation = ?"
        key = (*request.key, request.player, operation)
        return self.db.execute(f"SELECT data, reply FROM replies WHERE {where}", key).fetchone()

    def minor(self, account):
        where = "player = ? AND wallet = ? AND currency = ?"
        row = self.db.execute(f"SELECT minor FROM balances WHERE {where}", account).fetchone()
        return row["minor"] if row else 0

    def pay(self, account, minor):
        balance = self.minor(account) + minor
        if balance > MOST:
            raise Refused("400")
        self.db.execute("INSERT OR REPLACE INTO balances VALUES (?, ?, ?, ?)", (*account, balance))
