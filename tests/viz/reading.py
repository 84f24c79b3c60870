"""What cannot be read on a page in the browser: shared by the tests of pictures."""

from __future__ import annotations

_FAULTS = """([within, least]) => {
  const texts = [...document.querySelectorAll(`${within} text`)].filter((t) => t.textContent.trim() && t.checkVisibility());
  const areas = texts.map((t) => t.getBoundingClientRect());
  const found = [];
  texts.forEach((text, i) => {
    const { a, b } = text.getScreenCTM(), size = parseFloat(getComputedStyle(text).fontSize) * Math.hypot(a, b);
    if (size < least) found.push(`${text.textContent} has ${size.toFixed(1)} px`);
    const picture = text.ownerSVGElement.getBoundingClientRect(), area = areas[i];
    if (area.left < picture.left - 1 || area.right > picture.right + 1 || area.top < picture.top - 1
        || area.bottom > picture.bottom + 1) found.push(`${text.textContent} is cut off`);
    areas.slice(i + 1).forEach((other, j) => {
      const wide = Math.min(area.right, other.right) - Math.max(area.left, other.left);
      const tall = Math.min(area.bottom, other.bottom) - Math.max(area.top, other.top);
      if (wide > 1 && tall > 0.35 * Math.min(area.height, other.height))
        found.push(`${text.textContent} on ${texts[i + 1 + j].textContent}`);
    });
  });
  if (document.documentElement.scrollWidth > innerWidth) found.push("the page scrolls sideways");
  return found;
}"""  # noqa: E501


def faults(page, least: float, within: str = "svg") -> list[str]:
    """The texts of the pictures that are smaller than ``least`` pixels, cut off, or on another text."""
    return page.evaluate(_FAULTS, [within, least])


def shown(tab, svg: str, width: int):
    """A page of that width with the picture in it, as large as fits."""
    page = tab(width, 800)
    page.set_content(f'<!doctype html><body style="margin:8px">{svg[svg.index("<svg") :]}')
    return page
