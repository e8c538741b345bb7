// Elements. Whatever the server sent becomes a text node or an attribute of ours, never markup.

const SVG = 'http://www.w3.org/2000/svg';

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false),
  );
  return element;
}

// A child is a node or a text; nothing for undefined, null and false.
export const h = (tag, attributes, ...children) => filled(document.createElement(tag), attributes, children);
export const s = (tag, attributes, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);

// Makes `parent` hold one element for each key of the items, in their order; of several items with one key the last. An
// element stays the same as long as its key does, so that focus and selection survive an update. `update` gets the item
// only if it is another than the time before.
export function keep(parent, items, { key, make, update }) {
  const standing = new Map([...parent.children].map((element) => [element.dataset.key, element]));
  const wanted = new Map(items.map((item) => [key(item), item]));
  for (const [name, element] of standing) if (!wanted.has(name)) element.remove();
  let place = parent.firstElementChild;
  for (const item of wanted.values()) {
    let element = standing.get(key(item));
    if (element === undefined) {
      element = make(item);
      element.dataset.key = key(item);
    }
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
    const text = JSON.stringify(item);
    if (element.kept === text) continue;
    element.kept = text;
    update(element, item);
  }
}

// Replaces what is in `element` only if `value` is another than the time before.
export function renew(element, value, make) {
  const text = JSON.stringify(value);
  if (element.kept === text) return;
  element.kept = text;
  element.replaceChildren(...[make()].flat(Infinity).filter(Boolean));
}
