"""A headless Chromium of the system, driven by Selenium."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import ActionChains, Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.support.servers import require

_TIMEOUT = 20
"""A page of Flower is there within one."""

_START_TIMEOUT = 60
"""Flower and its workers, on a machine that has other work."""

_FLAGS = (
    "--headless=new",
    "--window-size=1600,700",
    # Everything that would look for hosts elsewhere is off.
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"),
    *("--no-first-run", "--disable-gpu", "--disable-dev-shm-usage"),
)

_TEXTS = """
const found = [...document.querySelectorAll(arguments[0])].filter((each) => each.getClientRects().length);
return found.map((each) => each.innerText.trim());
"""


class Browser:
    """One window."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, url: str, *, user: str = "", password: str = "") -> None:
        """Go to an address, with a name and a password where they are given; the window remembers them."""
        scheme, _, rest = url.partition("://")
        self.driver.get(f"{scheme}://{quote(user)}:{quote(password)}@{rest}" if user else url)

    def log_in(self, flower: str, password: str, *, names: Collection[str]) -> None:
        """Open Flower again and again until it runs and knows these workers."""
        deadline = time.monotonic() + _START_TIMEOUT
        while True:
            with suppress(WebDriverException):  # nothing listens yet
                self.open(f"{flower}/workers", user="ocrfarm", password=password)
                shown = self.text.replace("\n", "")  # long names are broken
                if all(name in shown for name in names):
                    return
            assert time.monotonic() < deadline, f"Flower does not show {names}"
            time.sleep(0.5)

    def wait_for(self, *texts: str) -> str:
        """Wait until the page shows all these texts, and give all that it shows."""
        wait = WebDriverWait(self.driver, _TIMEOUT)
        wait.until(lambda _: all(text in self.text for text in texts), f"{texts} did not come")
        return self.text

    def type_into(self, selector: str, text: str) -> None:
        """Put text into a field."""
        field = self.driver.find_element(By.CSS_SELECTOR, selector)
        field.clear()
        field.send_keys(text)

    def click(self, selector: str) -> None:
        """Click on the first element of its kind."""
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, wherever the focus is."""
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def texts(self, selector: str) -> list[str]:
        """Give the text of each element of a kind that is shown, all at one moment."""
        found: list[str] = self.run_script(_TEXTS, selector)
        return found

    def run_script(self, script: str, *arguments: object) -> Any:
        """Run a script in the page, and give what it returns."""
        return self.driver.execute_script(script, *arguments)

    def wait_until(self, done: Callable[[], object], what: str) -> None:
        """Wait until something is so."""
        WebDriverWait(self.driver, _TIMEOUT).until(lambda _: done(), f"{what} did not come about")

    def rows(self, selector: str) -> list[str]:
        """Give the text of each row of a table."""
        return [row.text for row in self.driver.find_elements(By.CSS_SELECTOR, f"{selector} tbody tr")]

    @property
    def text(self) -> str:
        """All that the page shows."""
        return self.driver.find_element(By.TAG_NAME, "body").text

    def console_errors(self) -> list[str]:
        """Give what the page's scripts complained of."""
        log: list[dict[str, str]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in log if entry["level"] == "SEVERE"]

    def requests(self) -> list[str]:
        """Give every address that was asked for, where the browser was started to keep them."""
        log: list[dict[str, str]] = self.driver.get_log("performance")  # type: ignore[no-untyped-call]
        events = [json.loads(entry["message"])["message"] for entry in log]
        return [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]


@contextmanager
def run_chromium(*, log_requests: bool = False) -> Iterator[Browser]:
    """Give a browser; skip at home and fail in CI where there is none."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    require(program and driver, "Chromium is missing: type `CI=true scripts/install`, or install chromium-driver")
    options = ChromeOptions()
    options.binary_location = str(program)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"} | ({"performance": "ALL"} if log_requests else {}))
    with tempfile.TemporaryDirectory(prefix="ocrfarm-browser-") as folder:
        root = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's own sandbox refuses root
        for flag in (*_FLAGS, f"--user-data-dir={folder}", *root):
            options.add_argument(flag)
        window = Chrome(options, ChromeService(str(driver)))
        try:
            yield Browser(window)
        finally:
            window.quit()
