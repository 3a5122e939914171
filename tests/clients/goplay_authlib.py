"""The GoPlay partner API as a partner would use it: with Authlib, which knows nothing of Purser.

usage: goplay_authlib.py BASE_URL

Expects the players, clients and balances that scripts/clients sets up.
"""

import html.parser
import secrets
import sys

import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session

CLIENT = "vip-shop"
SECRET = "s+cr%et: 1&2=3"
REDIRECT = "http://127.0.0.1:9000/callback"
PLAYER, PASSWORD = "alice", "correct horse battery staple"


class Form(html.parser.HTMLParser):
    """The hidden fields of the sign-in page."""

    def __init__(self, page):
        super().__init__()
        self.fields = {}
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "input" and attrs.get("type") == "hidden":
            self.fields[attrs["name"]] = attrs["value"]


def session(base, auth_method):
    return OAuth2Session(
        CLIENT,
        SECRET,
        token_endpoint_auth_method=auth_method,
        redirect_uri=REDIRECT,
        scope="profile vip",
        code_challenge_method="S256",
        token_endpoint=f"{base}/oauth/token",
        revocation_endpoint_auth_method=auth_method,
    )


def sign_in(base, address):
    """What a browser does with the authorization address: answers with where it lands."""
    browser = requests.Session()
    page = browser.get(address)
    assert page.status_code == 200, page.text
    fields = Form(page.text).fields
    fields.update(username=PLAYER, password=PASSWORD, decision="allow")
    landed = browser.post(f"{base}/oauth/authorize", data=fields, allow_redirects=False)
    assert landed.status_code == 303, landed.text
    return landed.headers["location"]


def dance(base, auth_method):
    client = session(base, auth_method)
    verifier = secrets.token_urlsafe(48)
    address, _state = client.create_authorization_url(f"{base}/oauth/authorize", code_verifier=verifier)
    landed = sign_in(base, address)
    # Authlib checks the state, and raises whatever error comes back.
    token = client.fetch_token(authorization_response=landed, code_verifier=verifier)
    assert token["token_type"] == "Bearer" and token["expires_in"] == 3600, token
    assert token["scope"] == "profile vip", token

    profile = client.get(f"{base}/partner/1/profile").json()
    assert profile["success"] is True and profile["nickname"] == "Ali", profile

    first = token["refresh_token"]
    refreshed = client.refresh_token(refresh_token=first)
    assert refreshed["refresh_token"] != first and refreshed["access_token"] != token["access_token"]
    assert client.get(f"{base}/partner/1/profile").status_code == 200
    return client, first, verifier, landed


def refused(error, work):
    try:
        work()
    except OAuthError as raised:
        assert raised.error == error, raised
    else:
        raise AssertionError(f"{error} was expected")


def main(base):
    for auth_method in ("client_secret_basic", "client_secret_post"):
        client, first, verifier, landed = dance(base, auth_method)
        access = client.token["access_token"]

        # A second use of the first refresh token ends the whole family.
        refused("invalid_grant", lambda: client.refresh_token(refresh_token=first))
        gone = requests.get(f"{base}/partner/1/profile", params={"access_token": access})
        assert gone.status_code == 401 and gone.json()["success"] is False, gone.text

        other = session(base, auth_method)
        refused("invalid_grant", lambda: other.fetch_token(authorization_response=landed, code_verifier=verifier))

        client, *_ = dance(base, auth_method)
        revoked = client.revoke_token(f"{base}/oauth/revoke", token=client.token["refresh_token"])
        assert revoked.status_code == 200, revoked.text
        assert requests.get(
            f"{base}/partner/1/profile", params={"access_token": client.token["access_token"]}
        ).status_code == 401
        print(f"goplay_authlib: {auth_method}: ok")

    client, *_ = dance(base, "client_secret_basic")
    key = {"Idempotency-Key": secrets.token_hex(8)}
    before = client.get(f"{base}/partner/1/profile").json()
    answers = [client.post(f"{base}/partner/1/vip", data={"level": "standard"}, headers=key).json() for _ in range(3)]
    after = client.get(f"{base}/partner/1/profile").json()
    if before["vip"] is None:
        assert all(answer["success"] for answer in answers), answers
        assert before["goplay_token"] - after["goplay_token"] == 10, (before, after)
    assert after["vip"] == "standard", after
    print("goplay_authlib: vip: ok")


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))
