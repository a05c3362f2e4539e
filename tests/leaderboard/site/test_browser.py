"""The site in a real browser, from a folder and from a server."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from leaderboard.site.render import render_site
from tests.leaderboard.site.browser import BROWSER, DRIVER, Browser, served
from tests.leaderboard.site.sites import EVIL, entrants

pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="no chromium with its driver here")
VIEWS = ["index.html", "granularity.html", "curves.html", "cost.html"]
EVIL_ID = next(entrant.id for entrant in entrants() if entrant.submission.name == EVIL)
PAGES = [*VIEWS, f"models/{EVIL_ID}.html"]
SORTERS = "#table-tiny-1-recall thead .dt-column-order"
NAMES = "#table-tiny-1-recall tbody th a"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "site"
    render_site(entrants(), folder)
    return folder


@pytest.fixture(scope="module", params=["file", "http"])
def base(site: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "file":
        yield f"{site.as_uri()}/"
    else:
        with served(site) as address:
            yield address


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    made = Browser(tmp_path_factory.mktemp("profile"))
    made.window(1400)
    yield made
    made.close()


@pytest.fixture(scope="module")
def board(site: Path) -> dict:
    (suite,) = json.loads((site / "data" / "standings.json").read_bytes())["suites"]
    return suite["boards"][1]


def state(browser: Browser) -> dict[str, list[str]]:
    return parse_qs(browser.run("return location.hash.slice(1)"))


def choose(browser: Browser, name: str, value: str) -> None:
    script = "const f = document.querySelector(`[name=${arguments[0]}]`); f.value = arguments[1];"
    script += "for (const kind of ['input', 'change']) f.dispatchEvent(new Event(kind, {bubbles: true}))"
    browser.run(script, name, value)


def sorter(browser: Browser, label: str) -> WebElement:
    return browser.driver.find_element(By.CSS_SELECTOR, f'{SORTERS}[aria-label^="{label}:"]')


def test_no_page_asks_anybody_else_or_complains(browser: Browser, base: str) -> None:
    browser.requests()
    browser.complaints()
    for page in PAGES:
        browser.open(base + page)
        assert browser.run("return document.querySelectorAll('h1').length") == 1
    asked = browser.requests()
    assert {f"{base}{page}" for page in PAGES} <= set(asked)
    assert any(address.endswith("chart.umd.min.js") for address in asked)
    assert [address for address in asked if not address.startswith((base, "data:"))] == []
    assert browser.complaints() == []


def test_hostile_words_are_words(browser: Browser, base: str) -> None:
    for page in PAGES:
        browser.open(base + page)
        assert browser.run("return typeof hit + document.images.length") == "undefined0"
        assert EVIL in browser.run("return document.body.textContent")
    browser.open(f"{base}granularity.html#draw={EVIL_ID}")
    assert browser.run("return Chart.getChart(document.querySelector('canvas')).data.datasets[0].label") == EVIL
    assert browser.complaints() == []


def test_tables_show_the_standings_in_their_order(browser: Browser, base: str, board: dict) -> None:
    browser.open(f"{base}index.html#board=recall")
    ranked = [row for row in board["rows"] if row["rank"]]
    assert browser.texts(NAMES) == [" ".join(row["name"].split()) for row in ranked]
    scores = browser.texts("#table-tiny-1-recall td.score")
    assert scores == [row["text"]["score"] for row in ranked]
    first = browser.texts("#table-tiny-1-recall tbody tr:first-child td:nth-child(4)")
    assert first == [ranked[0]["cells"][0]["span"]["text"]]
    assert browser.texts(".panel h2") == ["Recall in text"]


def test_sorting_is_in_the_address_and_comes_back(browser: Browser, base: str, board: dict) -> None:
    browser.open(f"{base}index.html#board=recall")
    ranked = [row for row in board["rows"] if row["rank"]]
    rising = [" ".join(row["name"].split()) for row in sorted(ranked, key=lambda row: row["score"])]
    sorter(browser, "score").click()
    browser.until(rising[::-1], lambda: browser.texts(NAMES))
    assert state(browser) == {"board": ["recall"], "sort": ["score.desc"]}
    sorter(browser, "score").click()
    browser.until(rising, lambda: browser.texts(NAMES))
    assert state(browser)["sort"] == ["score.asc"]
    browser.driver.refresh()
    assert browser.texts(NAMES) == rising
    assert browser.texts("#table-tiny-1-recall th[aria-sort=ascending]") == ["score"]
    sorter(browser, "Learning span, bytes, bpe-8192").click()
    browser.until(["learn-planted-bpe-8192.desc"], lambda: state(browser)["sort"])
    spans = {row["name"]: row["cells"][3]["span"]["value"] or 0 for row in ranked}
    browser.until(sorted(spans.values(), reverse=True), lambda: [spans[name] for name in browser.texts(NAMES)])


def test_filters_are_in_the_address_and_come_back(browser: Browser, base: str, board: dict) -> None:
    browser.open(f"{base}index.html#board=recall")
    choose(browser, "family", "recurrence")
    wanted = [row["name"] for row in board["rows"] if row["rank"] and row["family"] == "recurrence"]
    assert browser.texts(NAMES) == wanted
    unranked = [row for row in board["rows"] if not row["rank"]]
    choose(browser, "name", "f")
    names = [name for name in wanted if "f" in name.lower()]
    others = [row["name"] for row in unranked if "f" in row["name"].lower()]
    assert (browser.texts(NAMES), browser.texts("#board-tiny-1-recall .unranked tbody th a")) == (names, others)
    assert browser.texts(".count") == [f"{len(names) + len(others)} of {len(board['rows'])} rows"]
    choose(browser, "name", "")
    choose(browser, "granularity", "bpe-512")
    heads = browser.texts("#table-tiny-1-recall thead tr:nth-child(2) th .dt-column-title")
    assert heads == ["bpe-512", "learning"]
    assert state(browser) == {"board": ["recall"], "family": ["recurrence"], "granularity": ["bpe-512"]}
    browser.driver.refresh()
    assert browser.texts(NAMES) == wanted
    assert browser.texts("#table-tiny-1-recall thead tr:nth-child(2) th .dt-column-title") == ["bpe-512", "learning"]
    choose(browser, "tier", "rerun")
    assert browser.texts(NAMES) == ["Gru"]
    choose(browser, "size", "20000")
    assert browser.texts("#table-tiny-1-recall tbody td") == ["No row passes these filters."]
    browser.driver.find_element(By.CSS_SELECTOR, "button[type=reset]").click()
    assert state(browser) == {"board": ["recall"]}
    assert len(browser.texts(NAMES)) == sum(row["rank"] is not None for row in board["rows"])


def test_tabs_work_by_click_and_by_arrow_keys(browser: Browser, base: str) -> None:
    browser.open(f"{base}index.html")
    browser.driver.find_element(By.ID, "tab-tiny-1-text").click()
    assert (state(browser), browser.texts(".panel h2")) == ({"board": ["text"]}, ["Text"])
    browser.driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert (state(browser), browser.texts(".panel h2")) == ({}, ["Memory"])
    browser.driver.switch_to.active_element.send_keys(Keys.END)
    assert browser.texts("[role=tab][aria-selected=true]") == ["Text"]
    browser.driver.back()  # the address was replaced, not piled up
    assert browser.driver.current_url == "about:blank"


def test_the_keyboard_reaches_everything_and_one_sees_where_it_is(browser: Browser, base: str) -> None:
    browser.open(f"{base}index.html#board=recall")
    script = """const e = document.activeElement, s = getComputedStyle(e);
        const name = e.name || e.id || e.getAttribute('aria-label') || e.textContent;
        return [name, s.outlineStyle, parseFloat(s.outlineWidth)]"""
    reached = []
    for _ in range(24):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        name, style, width = browser.run(script)
        assert (style != "none" and width >= 1) or reached.count(name), name
        reached.append(name)
    wanted = ["Skip to the content", "Boards", "name", "family", "tier", "size", "granularity", "tab-tiny-1-recall"]
    assert [name for name in reached if name in wanted] == wanted
    assert any(name.startswith("score: Activate") for name in reached)
    names = sorted(browser.texts(NAMES), key=str.lower)
    sorter(browser, "model").send_keys(Keys.ENTER)
    browser.until(names, lambda: browser.texts(NAMES))
    assert state(browser)["sort"] == ["model.asc"]
    assert len(names) > 5


def test_it_is_readable_without_scripts(browser: Browser, base: str, board: dict) -> None:
    for page in VIEWS:
        browser.open(base + page, scripts=False)
        assert browser.run("return typeof State + typeof DataTable + typeof Chart") == "undefined" * 3
        tables = browser.run("return [...document.querySelectorAll('table')].map(t => t.checkVisibility())")
        assert tables
        assert all(tables), page
        assert browser.texts("form, fieldset, canvas") == []
        if page == "index.html":
            assert browser.texts(".panel h2") == ["Memory", "Recall in text", "Text"]
            ranked = [row for row in board["rows"] if row["rank"]]
            assert browser.texts("#table-tiny-1-recall td.score") == [row["text"]["score"] for row in ranked]
    assert all("ERR_BLOCKED_BY_CLIENT" in complaint for complaint in browser.complaints())


INK = """return [...document.querySelectorAll('canvas')].map(c => {
    const pen = new OffscreenCanvas(c.width, c.height).getContext('2d', {willReadFrequently: true});
    pen.drawImage(c, 0, 0);
    const d = pen.getImageData(0, 0, c.width, c.height).data;
    const found = new Map();
    for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 250) {
        const key = [d[i], d[i + 1], d[i + 2]].join(); found.set(key, (found.get(key) ?? 0) + 1);
    }
    return Object.fromEntries(found);
})"""


def test_charts_are_drawn_in_the_colours_of_the_scheme(browser: Browser, base: str) -> None:
    paints = {}
    for scheme in ("light", "dark"):
        browser.window(1400, scheme=scheme)
        for page in VIEWS[1:]:
            browser.open(base + page)
            found = browser.run(INK)
            assert found
            assert all(sum(ink.values()) > 500 for ink in found), (page, scheme)
            paints[page, scheme] = found[0]
    for page in VIEWS[1:]:
        assert max(paints[page, "light"], key=paints[page, "light"].get) != max(
            paints[page, "dark"], key=paints[page, "dark"].get
        )
    browser.window(1400, scheme="light")  # the page is still open: it follows
    assert browser.run(INK)[0].keys() & paints[VIEWS[-1], "light"].keys()
    assert browser.complaints() == []


def test_what_is_drawn_is_in_the_address_and_comes_back(browser: Browser, base: str) -> None:
    labels = "return Chart.getChart(document.querySelector('canvas')).data.datasets.map(s => s.label).filter(Boolean)"
    browser.open(f"{base}curves.html")
    assert len(browser.run(labels)) == 6
    choose(browser, "cell", "learn-planted-bpe-512")
    browser.driver.find_elements(By.CSS_SELECTOR, ".chooser input")[0].click()
    assert len(browser.run(labels)) == 5
    assert state(browser)["cell"] == ["learn-planted-bpe-512"]
    drawn = browser.run(labels)
    browser.driver.refresh()
    assert browser.run(labels) == drawn
    assert browser.texts(".cell h3") == ["learn planted at bpe-512"]
    browser.driver.find_element(By.CSS_SELECTOR, "[data-draw=all]").click()
    assert (state(browser)["draw"], len(browser.run(labels))) == (["all"], len(entrants()))
    browser.driver.find_element(By.CSS_SELECTOR, "[data-draw=none]").click()
    assert (state(browser)["draw"], browser.run(labels)) == (["none"], [])
    browser.open(f"{base}cost.html#board=text&cost=n_params")
    axis = "return Chart.getChart(document.querySelector('canvas')).options.scales.x.title.text"
    assert browser.run(axis) == "Parameters"
    assert browser.texts(".cell h3") == ["Text"]
    browser.open(f"{base}cost.html#board=nonsense&cost=__proto__")
    assert browser.texts(".cell h3") == ["Memory"]
    assert browser.complaints() == []


CONTRAST = """const rgb = name => {
        const e = document.createElement('i'); e.style.color = `var(${name})`; document.body.append(e);
        const found = getComputedStyle(e).color.match(/[0-9.]+/g).map(Number); e.remove(); return found.slice(0, 3);
    };
    const light = c => c.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
    return arguments[0].map(([a, b]) => {
        const [x, y] = [light(rgb(a)), light(rgb(b))].sort((p, q) => q - p); return (x + .05) / (y + .05);
    })"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_screens_scroll_tables_not_pages_and_text_has_contrast(
    browser: Browser, site: Path, scheme: str
) -> None:
    for width in (320, 360, 800):
        browser.window(width, scheme=scheme)
        for page in PAGES:
            browser.open(f"{site.as_uri()}/{page}")
            assert browser.run("return document.documentElement.scrollWidth") <= width, (page, width)
    text = [(ink, paper) for ink in ("--ink", "--soft", "--link", "--warn") for paper in ("--paper", "--band")]
    assert min(browser.run(CONTRAST, text)) >= 4.5
    lines = [(f"--c{i}", "--paper") for i in range(7)] + [("--edge", "--paper"), ("--mark", "--paper")]
    assert min(browser.run(CONTRAST, lines)) >= 2.0
    browser.window(1400)
