// Where messages come in. The code that reads them (component.js) may come later, with another message.

const code = (globalThis.brainalignFlatCode ??= (() => {
  const made = {};
  made.ready = new Promise((resolve) => (made.resolve = resolve));
  return made;
})());

export default function (message) {
  let close = null;
  let gone = false;
  code.ready.then((receive) => {
    if (!gone) close = receive(message);
  });
  return () => {
    gone = true;
    close?.();
  };
}
