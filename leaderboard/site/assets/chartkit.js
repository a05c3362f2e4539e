"use strict";
/* What all charts share: colours of the scheme in force, looks of models, whiskers, log axes, and the chooser. */
const Kit = (() => {
  const SHAPES = ["circle", "triangle", "rect", "rectRot", "crossRot", "star"];
  const DASHES = [[], [6, 3], [2, 2], [7, 2, 2, 2]];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  Chart.defaults.animation = false;
  Chart.defaults.maintainAspectRatio = false;
  Chart.defaults.plugins.legend.display = false;

  function theme() {
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    Chart.defaults.color = css("--soft");
    Chart.defaults.borderColor = css("--line");
  }

  function look({ colour, marker, dash }) {
    const paint = css(`--c${colour}`);
    return {
      borderColor: paint, backgroundColor: paint, pointBackgroundColor: paint, pointBorderColor: paint,
      pointStyle: SHAPES[marker], borderDash: DASHES[dash], borderWidth: 1.6,
      pointBorderWidth: marker > 3 ? 2 : 1, pointRadius: 4.5, pointHoverRadius: 6.5, pointHitRadius: 8,
    };
  }

  /* Intervals of points that have `low` and `high`; an arrow where the end is open. */
  const whiskers = {
    id: "whiskers",
    beforeDatasetsDraw(chart) {
      const { ctx, chartArea: area, scales: { y } } = chart;
      ctx.save();
      ctx.beginPath();
      ctx.rect(area.left, area.top, area.width, area.height);
      ctx.clip();
      chart.data.datasets.forEach((set, i) => {
        if (!set.whiskers) return;
        ctx.strokeStyle = ctx.fillStyle = set.borderColor;
        ctx.lineWidth = 1.3;
        chart.getDatasetMeta(i).data.forEach((point, k) => whisker(ctx, point, set.data[k], y, area));
      });
      ctx.restore();
    },
  };

  function whisker(ctx, point, { low, high, up, down }, y, area) {
    const clamp = (at) => Math.min(area.bottom, Math.max(area.top, at));
    const bottom = low === null || low === undefined ? point.y : clamp(low <= y.min ? area.bottom : y.getPixelForValue(low));
    const top = high === null || high === undefined ? point.y : clamp(y.getPixelForValue(high));
    line(ctx, point.x, bottom, top);
    if (up) arrow(ctx, point.x, point.y, -18);
    if (down) arrow(ctx, point.x, point.y, 18);
  }

  function line(ctx, x, from, to) {
    ctx.beginPath();
    ctx.moveTo(x, from);
    ctx.lineTo(x, to);
    ctx.stroke();
  }

  function arrow(ctx, x, from, by) {
    line(ctx, x, from, from + by);
    const tip = from + by * 1.25, back = from + by * 0.85;
    ctx.beginPath();
    ctx.moveTo(x, tip);
    ctx.lineTo(x - 3.5, back);
    ctx.lineTo(x + 3.5, back);
    ctx.fill();
  }

  /* Vertical lines: [{at, label, colour, dash}] under options.plugins.rules. */
  const rules = {
    id: "rules",
    beforeDatasetsDraw(chart, _, { lines = [] }) {
      const { ctx, chartArea: area, scales: { x } } = chart;
      ctx.save();
      for (const { at, label, colour, dash } of lines) {
        const px = x.getPixelForValue(at);
        if (px < area.left || px > area.right) continue;
        ctx.strokeStyle = ctx.fillStyle = colour;
        ctx.setLineDash(dash);
        ctx.lineWidth = 1.3;
        line(ctx, px, area.bottom, area.top);
        ctx.font = `12px ${Chart.defaults.font.family}`;
        ctx.fillText(label ?? "", px + 4, area.top + 11);
      }
      ctx.restore();
    },
  };

  /* A logarithmic axis with ticks at the powers of two, thinned out where it is short. */
  function octaves(min, max, title) {
    return {
      type: "logarithmic", min, max, title: { display: Boolean(title), text: title },
      afterBuildTicks(axis) {
        const ticks = [];
        for (let at = 2 ** Math.ceil(Math.log2(min)); at <= max; at *= 2) ticks.push({ value: at });
        const room = axis.isHorizontal() ? axis.chart.width / 44 : axis.chart.height / 26;
        const every = Math.ceil(ticks.length / room);
        axis.ticks = ticks.filter((_, i) => i % every === 0);
      },
      ticks: { callback: (value) => value.toLocaleString("en"), maxRotation: 0, autoSkip: false },
      grid: { color: css("--line") },
    };
  }

  function view(section) {
    return JSON.parse(section.querySelector("script.data").textContent);
  }

  /* Checkboxes that say which models are drawn; calls back with the set of their ids, at once and on change. */
  function chooser(section, series, draw) {
    const boxes = [...section.querySelectorAll(".chooser input")];
    const best = new Set(series.filter((each) => each.on).map((each) => each.id));
    const chosen = () => new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    function fromState() {
      const held = State.get("draw");
      const ids = held === "all" ? null : held ? new Set(held.split(",")) : best;
      boxes.forEach((box) => { box.checked = ids === null || ids.has(box.value); });
      draw(chosen());
    }
    function keep() {
      const ids = [...chosen()];
      const same = ids.length === best.size && ids.every((id) => best.has(id));
      State.set({ draw: same ? "" : ids.length === boxes.length ? "all" : ids.join(",") || "none" });
      draw(chosen());
    }
    section.querySelectorAll("[data-draw]").forEach((button) => button.addEventListener("click", () => {
      boxes.forEach((box) => { box.checked = { all: true, none: false, best: best.has(box.value) }[button.dataset.draw]; });
      keep();
    }));
    boxes.forEach((box) => box.addEventListener("change", keep));
    State.onChange(fromState);
    dark.addEventListener("change", () => draw(chosen()));
    fromState();
  }

  /* Draws into a canvas, in place of what was there. */
  function paint(canvas, config) {
    theme();
    Chart.getChart(canvas)?.destroy();
    return new Chart(canvas, config);
  }

  return { css, look, whiskers, rules, octaves, view, chooser, paint, dark };
})();
