"""Who the player is: the `sub` of a JWT, in the header `authorization` or in the place of `playerId`."""

import time

import jwt

from statuses import Refused

DAY_S = 24 * 60 * 60
LONGEST_PLAYER_ID = 20
OPTIONS = {"require": ["exp", "sub"], "verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}


def player_of(secret, operation, named, properties):
    """The player whom a message is about; `named` is what stands in its `playerId`."""
    header = (properties.headers or {}).get("authorization")
    scheme, _, in_header = str("Bearer " if header is None else header).partition(" ")
    in_body = named if len(named) > LONGEST_PLAYER_ID else ""
    tokens = [token.strip() for token in (in_header, in_body) if token]
    if scheme.lower() != "bearer" or not tokens:
        raise Refused("401")
    players = {subject(secret, token, operation, properties.timestamp) for token in tokens}
    if len(players if in_body else players | {named}) > 1:
        raise Refused("403")
    return players.pop()


def subject(secret, token, operation, timestamp):
    try:
        claims = jwt.decode(token, secret, ["HS256"], OPTIONS)
        ends, begins = float(claims["exp"]), float(claims.get("nbf", 0))
    except (jwt.PyJWTError, TypeError, ValueError):
        raise Refused("401") from None
    # A bet that queued through an outage is judged as of when it was sent.
    now = time.time()
    judged_at = timestamp if timestamp and now - DAY_S <= timestamp <= now else now
    expired = ends <= judged_at and operation in ("balance.get", "order.bet")
    if expired or begins > judged_at:
        raise Refused("401")
    return claims["sub"]
