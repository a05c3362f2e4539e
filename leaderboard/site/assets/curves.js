"use strict";
/* One cell's curves at a time: recall against lag, or bits per byte against context. */
(() => {
  State.reveal();
  document.querySelectorAll(".view").forEach((section) => {
    const { series, cells } = Kit.view(section);
    const field = section.querySelector("select[name=cell]");
    const canvas = section.querySelector("canvas");
    let ids = new Set();

    function draw() {
      const cell = cells.find((each) => each.key === field.value);
      section.querySelectorAll(".cell").forEach((each) => { each.hidden = each.dataset.cell !== cell.key; });
      canvas.setAttribute("aria-label", `Curve of ${cell.title}, a line a model. The numbers are in the table below.`);
      Kit.paint(canvas, config(cell, series.filter((each) => ids.has(each.id))));
    }

    function fromState() {
      field.value = State.get("cell") || cells[0].key;
      if (!field.value) field.value = cells[0].key;
      draw();
    }

    field.addEventListener("change", () => {
      State.set({ cell: field.value === cells[0].key ? "" : field.value });
      draw();
    });
    section.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
    State.onChange(fromState);
    field.value = State.get("cell") || cells[0].key;
    if (!field.value) field.value = cells[0].key;
    Kit.chooser(section, series, (chosen) => { ids = chosen; draw(); });
  });

  function config(cell, chosen) {
    const isText = cell.score === "bits per byte";
    const drawn = chosen.filter((each) => cell.lines[each.id]);
    const nudge = (i) => Math.exp(Math.min(0.01, 0.15 / drawn.length) * (i - (drawn.length - 1) / 2));
    const every = drawn.flatMap((each) => cell.lines[each.id].map((point) => point.x));
    const [first, last] = [Math.min(cell.first_lag, ...every), Math.max(cell.horizon, ...every)];
    return {
      type: "line",
      data: {
        datasets: drawn.map((each, i) => ({
          label: each.name, ...Kit.look(each.look), whiskers: true, pointRadius: 3.5,
          data: cell.lines[each.id].map((point) => ({ ...point, at: point.x, x: point.x * nudge(i) })),
        })),
      },
      options: {
        interaction: { mode: "nearest", intersect: true },
        scales: {
          x: Kit.octaves(first / 1.15, last * 1.25, `${isText ? "context" : "lag"}, ${cell.unit}`),
          y: isText ? { title: { display: true, text: "bits per byte" }, grace: "5%" }
            : { min: -0.1, max: 1.08, title: { display: true, text: "recall s" }, ticks: { callback: (v) => (v < 0 || v > 1 ? "" : v.toFixed(1)), stepSize: 0.2 } },
        },
        plugins: {
          rules: { lines: rules(cell, drawn) },
          tooltip: { callbacks: { title: () => "", label: (item) => told(item, isText) } },
        },
      },
      plugins: [Kit.whiskers, Kit.rules],
    };
  }

  function told({ dataset, raw }, isText) {
    const digits = isText ? 3 : 2;
    const ends = raw.low === null ? "" : ` [${raw.low.toFixed(digits)}, ${raw.high.toFixed(digits)}]`;
    return ` ${dataset.label} at ${raw.at}: ${raw.y.toFixed(digits)}${ends}`;
  }

  function rules(cell, drawn) {
    const bounds = drawn.filter((each) => cell.reach[each.id]).map((each) => ({
      at: cell.reach[each.id], colour: Kit.look(each.look).borderColor, dash: [2, 3],
    }));
    return [...bounds, { at: cell.horizon, label: "T", colour: Kit.css("--soft"), dash: [7, 4] }];
  }
})();
