"""What every tab is held to: it fits a phone, the keyboard reaches all of it, and its text stands out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

PHONE = {"width": 390, "height": 844}

REACHED = """async (name) => {
    for (let frame = 0; frame < 30; frame++) {
        const element = document.activeElement;
        if (element === document.body) return false;  // its text is that of the whole page
        const drawn = element.closest("label") ?? element;  // a radio button is drawn by its label
        if (!`${element.ariaLabel} ${drawn.innerText}`.includes(name)) return false;
        if (getComputedStyle(drawn).outlineStyle === "solid") return true;
        await new Promise(requestAnimationFrame);
    }
    return false;
}"""


def tab_to(page: Page, name: str) -> None:
    """Press the tab key until the control of this name has the focus, and see that one sees where one is.

    What Gradio draws anew loses the focus. As it would for a visitor, the walk then goes on near there, and in the end
    once more from the top of the page.
    """
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate(REACHED, name):
            return
    pytest.fail(f"the tab key does not reach {name!r}, or nothing shows that it has")


CONTRAST = """async () => {
    // The lowest contrast (WCAG 2) of any visible text to the colours painted behind it, once these are at rest.
    const changes = document.getAnimations().filter((one) => one.effect.getComputedTiming().endTime < Infinity);
    await Promise.allSettled(changes.map((one) => one.finished));
    const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
    const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3]));
    const behind = (element) => {
        const layers = [];
        for (let e = element; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor));
        return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
    };
    const poor = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        const style = getComputedStyle(element);
        const words = walker.currentNode.textContent.trim();
        if (!words || !element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
        if (element.closest("button:disabled, script, style, [role=none]")) continue;  // the divider's arrows
        const under = behind(element);
        const [a, b] = [light(over(parse(style.color), under)), light(under)].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        const large = parseFloat(style.fontSize) >= 24;
        if (ratio < (large ? 3 : 4.5)) poor.push(`${words.slice(0, 40)}: ${ratio.toFixed(2)}`);
    }
    return poor;
}"""
