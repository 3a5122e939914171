"""What a body may be: JSON as docs/INTEGRATING.md has it, in the shape that schemas/v1.0 gives it."""

import dataclasses
import json
import pathlib
import re

import jsonschema
from referencing import Registry, Resource

from statuses import Refused

SCHEMAS = pathlib.Path(__file__).parents[3] / "schemas" / "v1.0"
OPERATIONS = ("order.bet", "order.bet.result", "order.bet.cancel", "balance.get")
MOST_BYTES = 64 * 1024


@dataclasses.dataclass(frozen=True)
class Request:
    operation: str
    player: str
    body: dict

    @property
    def key(self):
        return (self.body["game"], self.body["externalId"])

    @property
    def wallet(self):
        return self.body.get("walletId", "default")

    @property
    def data(self):
        """What has to be the same where it is asked again, whatever the token and the order of names."""
        data = {**self.body, "playerId": self.player, "walletId": self.wallet}
        if self.operation != "order.bet":
            del data["walletId"]  # It is the bet's, named or not.
        return json.dumps(data, sort_keys=True)


def pattern(_validator, expression, text, _schema):
    """Here `$` is the very end of a text; in Python's own patterns a line feed may follow."""
    if isinstance(text, str) and not re.search(re.sub(r"\$$", r"\\Z", expression), text):
        yield jsonschema.ValidationError("pattern")


def load(name):
    return json.loads((SCHEMAS / f"egpp-{name}.json").read_text())


Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": pattern})
registry = Resource.from_contents(load("definitions")) @ Registry()
validators = {name: Validator(load(f"{name}-req-queuing"), registry=registry) for name in OPERATIONS}


def refuse(number):
    raise ValueError(number)


def without_doubles(pairs):
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name given twice")
    return dict(pairs)


def read(operation, message, currencies):
    """The body of a message. Whatever is none is refused."""
    try:
        body = json.loads(
            message.decode(), object_pairs_hook=without_doubles, parse_float=refuse, parse_constant=refuse
        )
        json.dumps(body, ensure_ascii=False).encode()  # Half of a surrogate pair is no text.
    except (ValueError, RecursionError):
        raise Refused("400") from None
    if len(message) > MOST_BYTES or not validators[operation].is_valid(body):
        raise Refused("400")
    if body.get("currency", currencies[0]) not in currencies:
        raise Refused("400")
    return body
