// Elements of the page; all text goes in as text, never as HTML.

export function make(tag, name, parent, attributes = {}) {
  const element = document.createElement(tag);
  element.className = name;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
}

// The same text set anew would lay out the page anew.
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
