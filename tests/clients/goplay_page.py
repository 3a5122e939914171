"""The GoPlay sign-in page in a real browser: at a phone's size, by keyboard alone, and without a complaint of its own
security policy.

usage: goplay_page.py BASE_URL

Expects the players and clients that scripts/clients sets up.
"""

import base64
import hashlib
import http.server
import secrets
import sys
import threading
import urllib.parse

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

CLIENT = "vip-shop"
REDIRECT = "http://127.0.0.1:9000/callback"
PLAYER, PASSWORD = "alice", "correct horse battery staple"
PHONE = (320, 640)
DEADLINE_S = 30


class Partner(http.server.BaseHTTPRequestHandler):
    """The partner's site: a page with a link, and the redirect URI."""

    address = ""
    landed = []

    def do_GET(self):
        if self.path.startswith("/callback"):
            Partner.landed.append(dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query)))
        body = f"<!doctype html><title>partner</title><a id=go href='{Partner.address.replace('&', '&amp;')}'>sign in</a>"
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


def authorization(base, state):
    challenge = base64.urlsafe_b64encode(hashlib.sha256(secrets.token_bytes(32)).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": REDIRECT,
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return f"{base}/oauth/authorize?{urllib.parse.urlencode(query)}"


def browser():
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.add_experimental_option(
        "mobileEmulation", {"deviceMetrics": {"width": PHONE[0], "height": PHONE[1], "pixelRatio": 2.0, "touch": True}}
    )
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path="/usr/bin/chromedriver")
    options.binary_location = "/usr/bin/chromium"
    return webdriver.Chrome(options=options, service=service)


def wait(driver, what):
    WebDriverWait(driver, DEADLINE_S).until(what)


def open_page(driver, base, state):
    """Comes from the partner's site, by a link: the cookie must survive a visit from elsewhere."""
    Partner.address = authorization(base, state)
    driver.get("http://localhost:9000/")
    driver.find_element(By.ID, "go").click()
    wait(driver, lambda d: d.find_elements(By.ID, "username"))


def press(driver, *keys):
    webdriver.ActionChains(driver).send_keys(*keys).perform()


def focused(driver):
    return driver.switch_to.active_element


def check_layout(driver):
    width = driver.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1] == PHONE[0], f"scrolls sideways: {width}"
    for field in driver.find_elements(By.CSS_SELECTOR, "input:not([type=hidden])"):
        label = driver.find_elements(By.CSS_SELECTOR, f"label[for={field.get_attribute('id')}]")
        assert len(label) == 1 and label[0].text, field.get_attribute("name")
        assert float(field.value_of_css_property("font-size").removesuffix("px")) >= 16, "a phone would zoom in"
    for control in driver.find_elements(By.CSS_SELECTOR, "input:not([type=hidden]), button"):
        assert control.size["height"] >= 44, f"too small for a finger: {control.size}"
    assert driver.find_element(By.CSS_SELECTOR, "main strong").text == CLIENT
    styled = driver.find_element(By.TAG_NAME, "main").value_of_css_property("max-width")
    assert styled != "none", "the policy keeps the style out"


def check_focus_order(driver):
    order = [focused(driver).get_attribute("name")]
    for _ in range(3):
        press(driver, Keys.TAB)
        order.append(focused(driver).get_attribute("value") or focused(driver).get_attribute("name"))
        assert focused(driver).value_of_css_property("outline-style") != "none", "the focus is not to be seen"
    assert order == ["username", "password", "allow", "deny"], order
    for _ in range(3):
        webdriver.ActionChains(driver).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()
    assert focused(driver).get_attribute("name") == "username"


def check_console(driver):
    # The status of a page that is shown again is no complaint.
    lines = [line["message"] for line in driver.get_log("browser")]
    complaints = [line for line in lines if "status of 40" not in line]
    assert not complaints, complaints


def landed(driver, state):
    wait(driver, lambda _: Partner.landed)
    query = Partner.landed.pop()
    assert query.pop("state") == state, query
    check_console(driver)
    return query


def main(base):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 9000), Partner)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    driver = browser()
    try:
        open_page(driver, base, "one")
        check_layout(driver)
        check_focus_order(driver)
        press(driver, PLAYER, Keys.TAB, "wrong", Keys.ENTER)
        wait(driver, lambda d: d.find_elements(By.ID, "problem"))
        check_layout(driver)
        name = driver.find_element(By.ID, "username")
        assert name.get_attribute("value") == PLAYER, "the name need not be typed again"
        assert focused(driver).get_attribute("name") == "password", "the cursor is where something is to be typed"
        press(driver, PASSWORD, Keys.ENTER)
        assert set(landed(driver, "one")) == {"code"}, "Enter allows"
        print("goplay_page: allowed by keyboard alone: ok")

        open_page(driver, base, "two")
        press(driver, Keys.TAB, Keys.TAB, Keys.TAB, Keys.SPACE)
        assert landed(driver, "two")["error"] == "access_denied"
        print("goplay_page: denied by keyboard alone, without a password: ok")

        driver.get(f"{base}/oauth/authorize?client_id=nobody")
        assert "does not work" in driver.find_element(By.TAG_NAME, "h1").text
        check_console(driver)
        print("goplay_page: told on a page: ok")
    finally:
        driver.quit()
        server.shutdown()


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))
