"use strict";
/* Spans and bits per byte against bytes per token, a line a model, with guides of slope 0 and 1. */
(() => {
  State.reveal();
  document.querySelectorAll(".view").forEach((section) => {
    const { series, panels } = Kit.view(section);
    Kit.chooser(section, series, (ids) => {
      for (const panel of panels) {
        const canvas = section.querySelector(`canvas[data-panel="${panel.key}"]`);
        const drawn = series.filter((each) => ids.has(each.id) && panel.lines[each.id]);
        Kit.paint(canvas, config(panel, drawn));
      }
    });
  });

  function config(panel, drawn) {
    const nudge = (i) => Math.exp(Math.min(0.012, 0.1 / drawn.length) * (i - (drawn.length - 1) / 2));
    const sets = drawn.map((each, i) => ({
      label: each.name, ...Kit.look(each.look), whiskers: true,
      data: panel.lines[each.id].map((point) => placed(panel, point, nudge(i))),
    }));
    sets.forEach((set) => { set.pointStyle = set.data.map((p) => (p.nothing ? "crossRot" : set.pointStyle)); });
    return {
      type: "line",
      data: { datasets: [...sets, ...(panel.is_span ? guides(panel, sets) : [])] },
      options: {
        interaction: { mode: "nearest", intersect: true },
        scales: { x: kappa(panel), y: height(panel, sets) },
        plugins: { tooltip: { filter: (item) => item.dataset.whiskers, callbacks: { title: () => "", label: told } } },
      },
      plugins: [Kit.whiskers],
    };
  }

  /* Where nothing was learned there is no value: a cross below the grid. */
  function placed(panel, { x, y, low, high, censor, text }, nudge) {
    const up = censor === "above" || censor === "open";
    const nothing = panel.is_span && y === null;
    return {
      x: x * nudge, y: nothing ? panel.first / 1.5 : y, text, nothing, up, down: censor === "below",
      low: nothing || censor === "above" ? null : low, high: nothing || up ? null : high,
    };
  }

  function told({ dataset, raw }) {
    return ` ${dataset.label}: ${raw.text}`;
  }

  function kappa(panel) {
    const at = panel.ticks.map((tick) => tick.at);
    const [first, last] = [Math.min(...at), Math.max(...at)];
    const pad = Math.max((last / first) ** 0.1, 1.03);
    /* On a narrow screen, labels that would collide take two rows in turn. */
    const lowered = [];
    at.forEach((value, i) => {
      lowered.push(i > 0 && !lowered[i - 1] && Math.log(value / at[i - 1]) < 0.3 * Math.log(last / first));
    });
    return {
      type: "logarithmic", min: first / pad, max: last * pad, title: { display: true, text: "bytes per token" },
      afterBuildTicks(axis) { axis.ticks = panel.ticks.map((tick) => ({ value: tick.at })); },
      ticks: {
        autoSkip: false, maxRotation: 0, font: { size: 11 },
        callback(value, i) {
          const told = [panel.ticks[i].label, value.toFixed(2)];
          return lowered[i] && this.chart.width < 480 ? ["", "", ...told] : told;
        },
      },
      grid: { color: Kit.css("--line") },
    };
  }

  function height(panel, sets) {
    if (panel.is_span) return Kit.octaves(panel.first / 2, panel.last * 2.2);
    const ends = sets.flatMap((set) => set.data).flatMap(({ y, low, high }) => [low ?? y, high ?? y]);
    const limits = ends.length ? { suggestedMin: Math.min(...ends), suggestedMax: Math.max(...ends) } : {};
    return { ...limits, grid: { color: Kit.css("--line") } };
  }

  /* As many tokens, and as much text, through the middle of what is drawn. */
  function guides(panel, sets) {
    const values = sets.flatMap((set) => set.data).filter((p) => !p.nothing).map((p) => Math.log2(p.y)).sort((a, b) => a - b);
    if (!values.length) return [];
    const middle = 2 ** values[Math.floor(values.length / 2)];
    const at = panel.ticks.map((tick) => tick.at);
    const [first, last] = [Math.min(...at), Math.max(...at)];
    const centre = Math.sqrt(first * last);
    return [[0, [2, 4]], [1, [7, 5]]].map(([slope, borderDash]) => ({
      data: [first, last].map((x) => ({ x, y: middle * (x / centre) ** slope })),
      borderColor: Kit.css("--edge"), borderDash, borderWidth: 1.2, pointRadius: 0, pointHitRadius: 0,
    }));
  }
})();
