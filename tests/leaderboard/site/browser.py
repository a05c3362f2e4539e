"""A browser without a window, and what it says of a page: requests, complaints, geometry."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urldefrag

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
SWITCHES = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
SWITCHES += ["--disable-background-networking", "--disable-component-update"]


class Quiet(SimpleHTTPRequestHandler):
    """Says nothing of each request."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder's address on a server of its own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


class Browser:
    """Chromium with an empty profile."""

    def __init__(self, profile: Path) -> None:
        options = ChromeOptions()
        options.binary_location = BROWSER or ""
        for switch in [*SWITCHES, f"--user-data-dir={profile}"]:
            options.add_argument(switch)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = Chrome(options, Service(DRIVER))

    def open(self, address: str, scripts: bool = True) -> None:
        """Load it anew, even where only the part after # differs; without `scripts`, none of its scripts is loaded."""
        self.driver.get("about:blank")
        self.tell("Network.setBlockedURLs", urls=[] if scripts else ["*.js"])
        self.driver.get(address)
        loaded = "return document.readyState + ' ' + location.href.startsWith(arguments[0])"
        self.until("complete true", lambda: self.run(loaded, urldefrag(address).url))

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script in the page returns."""
        return self.driver.execute_script(script, *arguments)

    def tell(self, command: str, **options: Any) -> Any:
        """A command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(command, options)

    def window(self, width: int, height: int = 900, scheme: str = "light") -> None:
        """Size and colour scheme of what follows."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.tell("Emulation.setDeviceMetricsOverride", **size)
        self.tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def complaints(self) -> list[str]:
        """Errors, warnings and violations of the policy since it was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Addresses asked for since it was last asked."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]
        return [address for address in asked if address != "about:blank"]

    def texts(self, selector: str) -> list[str]:
        """What is visible of each element, spaces joined."""
        script = (
            "return [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility()).map(e => e.innerText)"
        )
        return [" ".join(text.split()) for text in self.run(script, selector)]

    def until(self, value: Any, seen: Callable[[], Any]) -> None:
        """Wait until a page that answers a click a moment later shows `value`; after 5 seconds say what it shows."""
        end = time.monotonic() + 5
        while seen() != value and time.monotonic() < end:
            time.sleep(0.02)
        assert seen() == value

    def close(self) -> None:
        """End it."""
        self.driver.quit()
