"use strict";
/* The view lives in the address, as a query after #, so that a link or a bookmark shows it again. */
const State = (() => {
  const isState = () => location.hash.length < 2 || location.hash.includes("=");
  let held = new URLSearchParams(isState() ? location.hash.slice(1) : "");
  const listeners = [];

  function get(key) {
    return held.get(key) ?? "";
  }

  /* Sets what is given; an empty value removes the key. */
  function set(values) {
    for (const [key, value] of Object.entries(values)) {
      if (value === "" || value === null || value === undefined) held.delete(key);
      else held.set(key, value);
    }
    held.sort();
    const text = held.toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  }

  /* Calls back when the address was changed by hand, or by a link. */
  function onChange(listener) {
    listeners.push(listener);
  }

  window.addEventListener("hashchange", () => {
    if (!isState()) return;
    held = new URLSearchParams(location.hash.slice(1));
    listeners.forEach((listener) => listener());
  });

  /* What works with scripts alone is hidden until there are some. */
  function reveal() {
    document.querySelectorAll("[data-js]").forEach((element) => { element.hidden = false; });
  }

  return { get, set, onChange, reveal };
})();
