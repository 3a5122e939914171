"""Refusals, and how a reply becomes bytes."""

import itertools
import json

ERRORS = {
    "400": ("REQUEST_DATA_FORMAT", "Request parameters not as expected"),
    "401": ("UNAUTHORIZED", "Player token is missing or not valid"),
    "403": ("FORBIDDEN", "Player token is for another player"),
    "491": ("GAMING_LIMITS_REACHED", "Player spent max allowed money"),
    "492": ("OUT_OF_MONEY", "Player is out of money"),
    "493": ("TRANSACTION_NOT_FOUND", "Transaction not found"),
    "494": ("ROUND_NOT_FOUND", "Round not found"),
    "495": ("PLAYER_NOT_FOUND", "Player not found"),
    "496": ("GAME_NOT_FOUND", "Game not found"),
    "500": ("INTERNAL_SERVER_ERROR", "Server was unable to process the request"),
}


class Refused(Exception):
    def __init__(self, code, kept=False, **parameters):
        super().__init__(code)
        self.kept = kept  # Whether the same again is told the same for ever.
        self.status = dict(zip(("code", "error", "description"), (code, *ERRORS[code])))
        if parameters:
            self.status["parameters"] = [{name: str(value)} for name, value in parameters.items()]


def encode(reply):
    return json.dumps(reply, separators=(",", ":"), ensure_ascii=False).encode()


numbers = itertools.count()


def encode_unsteadily(reply):
    """The fault `unsteady`: the same words, with more blanks behind them each time."""
    return encode(reply) + b" " * (next(numbers) % 1000)
