"""Opens every page of the console in Chromium, has axe look at it, and does by hand what an operator would do."""

import base64
import shutil
import sys
from pathlib import Path

import axe_playwright_python
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from stage import Stage, token

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = {360: 800, 1280: 900}
PATIENCE_S = 20

RUN_AXE = """
const done = arguments[arguments.length - 1];
axe.run(document, { runOnly: arguments[0] }).then((found) => done(found.violations), (error) => done(String(error)));
"""


class Browser:
    def __init__(self, stage, pictures):
        options = webdriver.ChromeOptions()
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        self.driver.set_script_timeout(60)
        self.root, self.pictures, self.findings, self.looks = f"{stage.url}/console", pictures, [], 0

    def emulate(self, width, theme="light", script=True):
        cdp = self.driver.execute_cdp_cmd
        metrics = {"width": width, "height": WIDTHS[width], "deviceScaleFactor": 1, "mobile": False}
        cdp("Emulation.setDeviceMetricsOverride", metrics)
        cdp("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]})
        cdp("Emulation.setScriptExecutionDisabled", {"value": not script})

    def open(self, path):
        self.driver.get(self.root + path)

    def sign_in(self, role):
        self.driver.delete_all_cookies()
        self.open("/health")
        self.find("#token").send_keys(token(role), Keys.ENTER)
        self.until("signed in", lambda: "Health" in self.driver.title)

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def click(self, selector):
        self.find(selector).click()

    def text(self):
        return self.find("main").text

    def until(self, what, condition):
        # Between two pages there is neither of them.
        between = [StaleElementReferenceException, NoSuchElementException]
        WebDriverWait(self.driver, PATIENCE_S, ignored_exceptions=between).until(lambda _: condition(), f"pages: not {what}: {self.driver.title}")

    def note(self, finding):
        print(f"FOUND {finding}", file=sys.stderr)
        self.findings.append(finding)

    def expect(self, what, holds):
        if not holds:
            self.note(f"{self.driver.current_url}: not {what}")

    def look(self, name, has_axe=True):
        """axe, the page's width, the browser's own complaints, and a picture."""
        self.looks += 1
        width = self.driver.execute_script("return document.documentElement.scrollWidth - innerWidth")
        if width > 0:
            self.note(f"{name}: {width} pixels wider than its window")
        if has_axe:
            self.driver.execute_script(AXE)
            violations = self.driver.execute_async_script(RUN_AXE, TAGS)
            if isinstance(violations, str):
                self.note(f"{name}: axe failed: {violations}")
                violations = []
            for violation in violations:
                where = "; ".join(node["html"][:200] for node in violation["nodes"][:3])
                self.note(f"{name}: {violation['id']}: {violation['help']}: {where}")
        for line in self.driver.get_log("browser"):
            if line["level"] == "SEVERE" and "status of 4" not in line["message"]:
                self.note(f"{name}: {line['message']}")
        full = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]["height"]
        self.driver.set_window_size(1280, 900)
        shot = {"captureBeyondViewport": True, "clip": {"x": 0, "y": 0, "scale": 1, "height": min(full, 2600)}}
        shot["clip"]["width"] = self.driver.execute_script("return innerWidth")
        data = self.driver.execute_cdp_cmd("Page.captureScreenshot", shot)["data"]
        (self.pictures / f"{name}.png").write_bytes(base64.b64decode(data))


def pages(stage):
    letter = f"/parties/acme/dead-letters/letters/1?look={stage.letter}"
    return {
        "overview": "/",
        "search": "/search?q=round-1",
        "search-nothing": "/search?q=nobody",
        "player": "/parties/acme/players/alice",
        "new-player": "/new-player",
        "order": f"/orders/{stage.order}",
        "transaction": f"/transactions/{stage.void}",
        "journal": "/journal/9",
        "dead-letters": "/dead-letters?party=acme",
        "dead-group": "/dead-letters?party=acme&reason=malformed&error=unknown+field+why&queue=v1.0.acme.order.bet.cancel",
        "letter": letter,
        "voids": "/voids?party=acme",
        "approvals": "/approvals",
        "approval": f"/approvals/{stage.approval}",
        "audit": "/audit",
        "trail": "/trail?limit=10",
        "trail-of-second": "/trail?ledger=second",
        "health": "/health",
        "no-such-page": "/nothing",
    }


def look_at_everything(browser, stage):
    for theme in ("light", "dark"):
        for width in WIDTHS:
            browser.emulate(width, theme)
            browser.driver.delete_all_cookies()
            browser.open("/")
            browser.look(f"sign-in-{theme}-{width}")
            browser.sign_in("admin")
            for name, path in pages(stage).items():
                browser.open(path)
                browser.look(f"{name}-{theme}-{width}")
    browser.emulate(1280)
    for role in ("viewer", "operator", "approver"):
        browser.sign_in(role)
        for name, path in pages(stage).items():
            browser.open(path)
            browser.look(f"{name}-as-{role}")


def type_keys(browser):
    """By keyboard alone."""
    browser.emulate(1280)
    browser.sign_in("admin")
    body = browser.find("body")
    body.send_keys(Keys.TAB)
    browser.expect("on the link that skips", browser.driver.switch_to.active_element.get_attribute("class") == "skip")
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    browser.expect("at the content", browser.driver.current_url.endswith("#main"))
    for key, title in {"d": "Dead letters", "v": "Voids", "a": "Approvals", "u": "Audit", "t": "Trail", "h": "Health", "o": "Overview"}.items():
        browser.find("body").send_keys(key)
        browser.until(f"led to {title} by {key}", lambda: browser.driver.title.startswith(title))
    browser.find("body").send_keys("?")
    browser.until("told of keys", lambda: browser.find("#keys").is_displayed())
    browser.look("keys")
    browser.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    browser.until("rid of the keys", lambda: not browser.find("#keys").is_displayed())
    browser.find("body").send_keys("/")
    focused = browser.driver.switch_to.active_element
    browser.expect("in the search", focused.get_attribute("id") == "q")
    focused.send_keys("alice", Keys.ENTER)
    browser.until("found", lambda: "Search" in browser.driver.title)
    browser.expect("a player found", "alice" in browser.text())
    # Every stop of the tabulator can be seen.
    browser.open("/dead-letters?party=acme")
    for _ in range(30):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        outline = "return getComputedStyle(document.activeElement).outlineStyle + document.activeElement.tagName"
        shown = browser.driver.execute_script(outline)
        browser.expect(f"an outline round what has the focus ({shown})", not shown.startswith("none") or shown.endswith(("BODY", "MAIN")))


def act(browser, script):
    """Money, a plan, an approval and an audit, with and without JavaScript."""
    how = "script" if script else "no-script"
    browser.emulate(1280, script=script)
    browser.sign_in("operator")
    browser.open("/parties/acme/players/alice")
    browser.find("#deposits-amount").send_keys("75.00")
    browser.find("#deposits-reason").send_keys("by hand")
    browser.click("form[action$='/deposits'] button")
    browser.until("told that it waits", lambda: "waits for a second person" in browser.text())
    browser.look(f"deposit-waits-{how}", has_axe=script)
    browser.click(".notice a")
    browser.expect("its own request", "You asked for it" in browser.text())
    approval = browser.driver.current_url
    browser.sign_in("approver")
    browser.driver.get(approval)
    browser.click("form[action$='/approve'] button")
    browser.until("moved", lambda: "Approved: deposited 75.00 CHF" in browser.text())
    browser.look(f"approved-{how}", has_axe=script)
    browser.click("nav a[href$='dead-letters']")
    browser.click("form[action$='/plans'] button")
    browser.until("planned", lambda: "ready" in browser.text())
    browser.look(f"plan-{how}", has_axe=script)
    browser.click("form[action$='/run'] button")
    browser.until("put back", lambda: look_again(browser, script) and "State\ndone" in browser.text())
    browser.look(f"plan-done-{how}", has_axe=script)
    browser.open("/audit")
    browser.click("form[action$='audit'] button")
    browser.until("sound", lambda: look_again(browser, script) and "The ledger is sound." in browser.text())
    browser.look(f"audited-{how}", has_axe=script)


def look_without_a_ledger(browser, stage):
    """What could not be looked at is named."""
    stage.lose_a_ledger()
    browser.emulate(1280)
    browser.sign_in("admin")
    for theme in ("light", "dark"):
        for width in WIDTHS:
            browser.emulate(width, theme)
            for name, path in {"search": "/search?q=alice", "voids": "/voids", "approvals": "/approvals"}.items():
                browser.open(path)
                browser.expect("told of the ledger", "second could not be looked at" in browser.text())
                browser.look(f"{name}-away-{theme}-{width}")


def look_again(browser, script):
    """What goes on is refreshed by the script, else by whoever looks."""
    if not script:
        for link in browser.driver.find_elements(By.LINK_TEXT, "Look again"):
            link.click()
            break
    return True


def main():
    pictures = Path(sys.argv[1])
    pictures.mkdir(parents=True, exist_ok=True)
    with Stage() as stage:
        browser = Browser(stage, pictures)
        try:
            look_at_everything(browser, stage)
            type_keys(browser)
            act(browser, script=True)
            act(browser, script=False)
            look_without_a_ledger(browser, stage)
        finally:
            browser.driver.quit()
    print(f"{browser.looks} looks, pictures in {pictures}")
    print(f"{len(browser.findings)} findings", *browser.findings, sep="\n")
    sys.exit(1 if browser.findings else 0)


if __name__ == "__main__":
    main()
