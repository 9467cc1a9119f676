// The contrast of every visible text with what is behind it, as WCAG 2.2 (1.4.3) computes it.
() => {
  const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
  const channel = (value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  const luminance = ([red, green, blue]) =>
    0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = numbers(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest("script, style")) continue;
    const style = getComputedStyle(element);
    const [one, other] = [luminance(numbers(element instanceof SVGElement ? style.fill : style.color)), luminance(behind(element))].sort((a, b) => b - a);
    const isLarge = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    texts.push({
      text: walker.currentNode.data.trim().slice(0, 60),
      ratio: (one + 0.05) / (other + 0.05),
      wanted: isLarge ? 3 : 4.5,
    });
  }
  return texts;
}
