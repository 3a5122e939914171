"""Holds the interface documents to their specifications: OpenAPI 3.1 and AsyncAPI 3.0.

Usage: documents.py OPENAPI ASYNCAPI. Each validator has to refuse a spoilt document, too, or it says nothing.
"""

import copy
import json
import sys
import warnings

from openapi_spec_validator import validate as validate_openapi

warnings.filterwarnings("ignore", category=UserWarning)
from asyncapi3 import AsyncAPI3  # noqa: E402


def references(node):
    """Every reference of a document; those of a payload's schema are its own."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for name, value in node.items():
            if name != "schema":
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(document, reference):
    place = document
    for name in reference.removeprefix("#/").split("/"):
        place = place[name.replace("~1", "/").replace("~0", "~")]
    return place


def validate_asyncapi(document):
    AsyncAPI3.model_validate(document)
    for reference in references(document):
        resolve(document, reference)


def spoilt(document):
    """The document without its title, with another version, and with an operation that no specification knows."""
    without_title = copy.deepcopy(document)
    del without_title["info"]["title"]
    yield without_title
    if "asyncapi" in document:
        wrong_action, dangling = copy.deepcopy(document), copy.deepcopy(document)
        next(iter(wrong_action["operations"].values()))["action"] = "eat"
        next(iter(dangling["operations"].values()))["channel"]["$ref"] = "#/channels/none"
        yield from (wrong_action, dangling)
    else:
        without_responses = copy.deepcopy(document)
        next(iter(without_responses["paths"].values()))["get"] = {"parameters": [{"name": "x"}]}
        yield without_responses


def main():
    for path, validate in zip(sys.argv[1:], (validate_openapi, validate_asyncapi), strict=True):
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        validate(document)
        for wrong in spoilt(document):
            try:
                validate(wrong)
            except Exception:  # Each validator has errors of its own.
                continue
            sys.exit(f"{path}: a spoilt document was not refused")
        print(f"ok: {path}")


main()
