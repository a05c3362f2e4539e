"use strict";
/* Boards as tabs, and tables that sort and filter. The tables are complete without this. */
(() => {
  const FILTERS = ["name", "family", "tier", "size", "granularity"];
  const form = document.querySelector("form.filters");
  const tabs = [...document.querySelectorAll(".tabs a")];
  if (!form || !tabs.length) return;
  const panelOf = (tab) => document.getElementById(tab.getAttribute("href").slice(1));
  const count = form.querySelector(".count");
  const tables = new Map();
  let applying = false;

  /* Rows without a number sort last, whichever way. */
  const known = (sign) => (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    return sign * (a - b);
  };
  DataTable.ext.type.order["known-asc"] = known(1);
  DataTable.ext.type.order["known-desc"] = known(-1);

  function passes(row) {
    const { name, family, tier, params } = row.dataset;
    const size = State.get("size");
    return name.includes(State.get("name").trim().toLowerCase())
      && ["", family].includes(State.get("family"))
      && ["", tier].includes(State.get("tier"))
      && (size === "" || Number(params) <= Number(size));
  }

  function keyed(element) {
    const heads = [...element.querySelectorAll("thead th[data-key]")];
    const byKey = new Map(heads.map((head) => [head.dataset.key, head]));
    /* The order of the columns is that of a row, not of the two rows of headings. */
    const top = [...element.tHead.rows[0].cells].flatMap((cell) => {
      if (cell.dataset.key) return [cell.dataset.key];
      return Array(cell.colSpan).fill(null);
    });
    const below = [...element.tHead.rows[1].cells].map((cell) => cell.dataset.key);
    const keys = top.map((key) => key ?? below.shift());
    return keys.map((key) => ({ key, head: byKey.get(key) }));
  }

  function enliven(element) {
    const columns = keyed(element);
    const numeric = columns.map((_, i) => i).filter((i) => columns[i].key !== "model");
    const falling = numeric.filter((i) => "descending" in columns[i].head.dataset);
    const table = new DataTable(element, {
      paging: false, info: false, autoWidth: false, order: [],
      layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null },
      language: { zeroRecords: "No row passes these filters." },
      columnDefs: [
        ...columns.map(({ head }, i) => ({ targets: i, ariaTitle: head.dataset.said ?? head.textContent })),
        { targets: falling, orderSequence: ["desc", "asc", ""] },
        { targets: numeric, type: "known" },
        { targets: "_all", orderSequence: ["asc", "desc", ""] },
      ],
    });
    table.search.fixed("filters", (text, data, index) => passes(table.row(index).node()));
    table.on("order", () => {
      if (applying) return;
      const [first] = table.order();
      State.set({ sort: first && first[1] ? `${columns[first[0]].key}.${first[1]}` : "" });
    });
    tables.set(element, { table, columns, sorted: "" });
  }

  function sort(entry) {
    const wanted = State.get("sort");
    if (wanted === entry.sorted) return;
    const dot = wanted.lastIndexOf(".");
    const index = entry.columns.findIndex((column) => column.key === wanted.slice(0, dot));
    const way = wanted.slice(dot + 1);
    entry.table.order(index >= 0 && ["asc", "desc"].includes(way) ? [[index, way]] : []);
    entry.sorted = wanted;
  }

  function granularity(entry) {
    const wanted = State.get("granularity");
    entry.columns.forEach((column, index) => {
      const own = column.head.dataset.granularity;
      if (own) entry.table.column(index).visible(!wanted || own === wanted, false);
    });
  }

  function shown(panel) {
    const rows = [...panel.querySelectorAll("tbody tr[data-id]")].filter((row) => !row.hidden);
    return rows.length;
  }

  function apply() {
    applying = true;
    for (const name of FILTERS) {
      const field = form.elements[name];
      field.value = State.get(name);
      if (field.value !== State.get(name)) field.value = "";
    }
    for (const entry of tables.values()) {
      sort(entry);
      granularity(entry);
      entry.table.draw();
      entry.sorted = "";
    }
    document.querySelectorAll(".unranked tbody tr").forEach((row) => { row.hidden = !passes(row); });
    applying = false;
    select(tabs.find((tab) => tab.dataset.board === State.get("board")) ?? tabs[0]);
  }

  function select(chosen) {
    for (const tab of tabs) {
      const on = tab === chosen;
      tab.setAttribute("aria-selected", on);
      tab.tabIndex = on ? 0 : -1;
      panelOf(tab).hidden = !on;
    }
    const panel = panelOf(chosen);
    const hasGranularity = Boolean(panel.querySelector("th[data-granularity]")) || State.get("granularity") !== "";
    form.elements.granularity.disabled = !hasGranularity;
    count.textContent = `${shown(panel)} of ${panel.dataset.total} rows`;
  }

  function open(tab) {
    State.set({ board: tab === tabs[0] ? "" : tab.dataset.board });
    select(tab);
    tab.focus();
  }

  function step(event, from) {
    const moves = { ArrowRight: from + 1, ArrowLeft: from - 1, Home: 0, End: tabs.length - 1 };
    if (!(event.key in moves)) return;
    event.preventDefault();
    open(tabs[(moves[event.key] + tabs.length) % tabs.length]);
  }

  function makeTabs() {
    document.querySelector(".tabs").setAttribute("role", "tablist");
    tabs.forEach((tab, i) => {
      const panel = panelOf(tab);
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-controls", panel.id);
      panel.setAttribute("role", "tabpanel");
      panel.setAttribute("aria-labelledby", tab.id);
      panel.dataset.total = panel.querySelectorAll("tbody tr[data-id]").length;
      tab.addEventListener("click", (event) => { event.preventDefault(); open(tab); });
      tab.addEventListener("keydown", (event) => step(event, i));
    });
  }

  makeTabs();
  document.querySelectorAll("table[data-live]").forEach(enliven);
  form.addEventListener("input", (event) => {
    State.set({ [event.target.name]: event.target.value });
    apply();
  });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    State.set(Object.fromEntries(FILTERS.map((name) => [name, ""])));
    apply();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  State.onChange(apply);
  State.reveal();
  apply();
})();
