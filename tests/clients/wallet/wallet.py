"""A wallet for the EGPP trading API over RabbitMQ, written from docs/INTEGRATING.md and schemas/v1.0 alone.

It is there to be judged by `purser conform wallet`: whoever reads those documents should come to the same answers.

    wallet.py DATABASE add PLAYER CURRENCY MINOR    a player who has money
    wallet.py DATABASE serve AMQP_URL PARTY GAME CURRENCY,… SECRET_FILE MAX_BET [forgets-repeats|impatient|unsteady]
"""

import pathlib
import signal
import sys

from broker import Wallet
from ledger import Ledger
from statuses import encode, encode_unsteadily

GRACE_S = 2


def serve(database, amqp, party, game, currencies, secret_file, max_bet, fault=None):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    Wallet(
        amqp,
        party,
        Ledger(database, [game], int(max_bet), forgets_repeats=fault == "forgets-repeats"),
        currencies.split(","),
        pathlib.Path(secret_file).read_bytes().strip(),
        encode_unsteadily if fault == "unsteady" else encode,
        0 if fault == "impatient" else GRACE_S,
    ).serve()


match sys.argv[1:]:
    case [database, "add", player, currency, minor]:
        Ledger(database).add(player, currency, int(minor))
    case [database, "serve", *rest]:
        serve(database, *rest)
    case _:
        sys.exit(__doc__)
