"""The atlas on every screen: dark and light mode, phone, touch, keyboard, and accessibility checks by axe-core."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow  # a real Chromium

VIEWS = (
    "map", "shortcuts", "differences", "coverage", "units", "communities", "graphs", "directions", "vocabulary",
    "dreams", "trust",
)  # fmt: skip
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.mark.parametrize("kind", ["light", "dark", "phone", "blind"])
def test_axe_finds_nothing(reader, axe, kind):
    options = {"bypass_csp": True, "color_scheme": "dark" if kind == "dark" else "light"}
    if kind == "phone":
        options |= PHONE
    at = reader(40, blind=kind == "blind", options=options, failing=("vocabulary",))
    at.page.evaluate(axe)
    found = {}

    def look(place, part="document"):
        result = at.page.evaluate(f"axe.run({part}, {{ resultTypes: ['violations'] }})")
        assert result["passes"]
        found[place] = [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in result["violations"]]

    at.page.keyboard.press("j")
    look("text")
    if kind == "phone":
        at.page.tap("[data-part=queue]")
        look("list")
        at.page.tap("[data-part=view]")
    for view in VIEWS if kind in ("light", "dark") else ("map", "coverage"):
        at.show(view)
        look(view, "'#view'")
    at.page.keyboard.press("?")
    look("help")
    assert {place: problems for place, problems in found.items() if problems} == {}


def test_a_phone_sees_one_part_at_a_time_and_nothing_is_too_wide(reader):
    at = reader(120, options=PHONE, texts=["w" * 400, "word " * 300])
    for view in VIEWS:
        at.show(view)
        assert at.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert at.page.evaluate("document.getElementById('view').scrollWidth") <= 390
        assert not at.page.locator("#queue").is_visible()
    at.show("map")
    at.page.tap("[data-part=queue]")
    assert not at.page.locator("#view").is_visible()
    at.page.locator(".list-row").nth(2).tap()
    assert at.page.locator("#the-text").is_visible()
    assert at.page.evaluate("document.getElementById('panel').scrollWidth") <= 390
    for each in at.page.locator("#phone-bar button").all():
        assert each.bounding_box()["height"] >= 44


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_map_is_drawn(reader, scheme):
    at = reader(200, options={"color_scheme": scheme})
    colours = at.page.evaluate(
        """() => {
             const canvas = document.querySelector('.plot canvas');
             const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
             const seen = new Set();
             for (let k = 0; k < data.length; k += 4)
               if (data[k + 3]) seen.add(`${data[k]},${data[k + 1]},${data[k + 2]}`);
             return seen.size;
           }"""
    )
    assert colours > 50


def test_everything_can_be_reached_by_keyboard(reader):
    at = reader(60)
    at.page.focus("#tab-map")
    for view in VIEWS[1:]:
        at.page.keyboard.press("ArrowRight")
        assert at.page.evaluate("document.activeElement.dataset.view") == view
        assert at.page.locator(f"#view-{view}").is_visible()
    at.page.keyboard.press("]")
    assert at.page.locator("#view-map").is_visible()
    at.page.keyboard.press("]")
    at.page.keyboard.press("]")
    assert at.page.locator("#view-differences").is_visible()
    at.page.keyboard.press("[")
    seen = set()
    for _ in range(12):
        at.page.keyboard.press("Tab")
        seen.add(at.page.evaluate("document.activeElement.dataset.token ?? document.activeElement.id"))
    assert "shortcut-kind" in seen
    assert {"threatened", "!!"} & seen
    at.page.focus("#view-shortcuts [data-token='!!']")
    at.page.keyboard.press("Enter")
    assert "“!!”" in at.page.inner_text("#chips")
    at.page.keyboard.press("Escape")
    assert at.page.inner_text("#chips") == ""
    at.page.keyboard.press("?")
    assert at.page.locator("#help").is_visible()
    at.page.keyboard.press("Escape")
    assert not at.page.locator("#help").is_visible()
