"use strict";
/* Score against a cost, named points, and the front that no other model beats. */
(() => {
  State.reveal();
  document.querySelectorAll(".view").forEach((section) => {
    const { series, boards } = Kit.view(section);
    const form = section.querySelector("form");
    const looks = new Map(series.map((each) => [each.id, each]));

    function draw() {
      const board = boards.find((each) => each.name === form.elements.board.value);
      const cost = form.elements.cost.value;
      section.querySelectorAll(".cell").forEach((each) => { each.hidden = each.dataset.board !== board.name; });
      Kit.paint(section.querySelector("canvas"), config(board, cost, looks));
    }

    function fromState() {
      for (const name of ["board", "cost"]) {
        const field = form.elements[name];
        field.value = State.get(name) || field.options[0].value;
        if (!field.value) field.value = field.options[0].value;
      }
      draw();
    }

    form.addEventListener("change", ({ target }) => {
      State.set({ [target.name]: target.value === target.options[0].value ? "" : target.value });
      draw();
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    State.onChange(fromState);
    Kit.dark.addEventListener("change", draw);
    fromState();
  });

  function config(board, cost, looks) {
    const points = board.points.filter((point) => point[cost] !== null);
    const sets = points.map((point) => {
      const { name, look } = looks.get(point.id);
      const data = [{ x: point[cost], y: point.score, low: point.low, high: point.high, front: point.front[cost] }];
      return { label: name, ...Kit.look(look), whiskers: true, data };
    });
    const front = points.filter((point) => point.front[cost]).sort((a, b) => a[cost] - b[cost]);
    const line = {
      data: front.map((point) => ({ x: point[cost], y: point.score })), showLine: true, pointRadius: 0, pointHitRadius: 0,
      stepped: true, borderColor: Kit.css("--edge"), borderWidth: 1.4, borderDash: [5, 4],
    };
    const costs = points.map((point) => point[cost]);
    return {
      type: "scatter",
      data: { datasets: [...sets, line] },
      options: {
        layout: { padding: { right: 24, top: 8 } },
        scales: { x: axis(costs, board.labels[cost]), y: { title: { display: true, text: "score" }, grace: "3%" } },
        plugins: { tooltip: { filter: (item) => item.dataset.whiskers, callbacks: { label: told } } },
      },
      plugins: [Kit.whiskers, { id: "names", afterDatasetsDraw: names }],
    };
  }

  function told({ dataset, raw }) {
    return ` ${dataset.label}: ${raw.y.toFixed(2)} at ${short(raw.x)}`;
  }

  function short(value) {
    return new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 }).format(value);
  }

  function axis(costs, title) {
    const [first, last] = [Math.min(...costs), Math.max(...costs)];
    const pad = Math.max((last / first) ** 0.06, 1.05);
    return {
      type: "logarithmic", min: first / pad, max: last * pad, title: { display: true, text: title },
      afterBuildTicks(scale) { scale.ticks = round(scale.min, scale.max); },
      ticks: { callback: short, maxRotation: 0 },
    };
  }

  /* 1, 2 and 5 times powers of ten; over less than a third of a decade, finer. */
  function round(min, max) {
    const steps = max / min > 3 ? [1, 2, 5] : [1, 1.2, 1.5, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 9];
    const found = [];
    for (let k = Math.floor(Math.log10(min)); k <= Math.log10(max); k += 1) {
      found.push(...steps.map((step) => step * 10 ** k).filter((at) => at >= min && at <= max));
    }
    return found.map((value) => ({ value }));
  }

  /* Each point's name beside it, where it covers no other name; those on the front first. */
  function names(chart) {
    const { ctx, chartArea: area } = chart;
    const taken = [];
    const sets = chart.data.datasets.map((set, i) => ({ set, point: chart.getDatasetMeta(i).data[0] }));
    const named = sets.filter(({ set }) => set.whiskers).sort((a, b) => b.set.data[0].front - a.set.data[0].front);
    for (const { point } of named) taken.push({ x: point.x - 6, y: point.y - 6, w: 12, h: 12 });
    ctx.save();
    ctx.textBaseline = "middle";
    ctx.strokeStyle = Kit.css("--paper");
    ctx.lineWidth = 4;
    ctx.lineJoin = "round";
    for (const { set, point } of named) {
      ctx.font = `${set.data[0].front ? "600 " : ""}12px ${Chart.defaults.font.family}`;
      const w = ctx.measureText(set.label).width, h = 14;
      const places = [[8, -h / 2], [8, -h - 3], [8, 4], [-w - 8, -h / 2], [-w - 8, -h - 3], [-w - 8, 4], [-w / 2, -h - 8], [-w / 2, 9], [-4, -h - 9], [-4, 10]];
      const boxes = places.map(([dx, dy]) => ({ x: point.x + dx, y: point.y + dy, w, h }));
      const box = boxes.find((each) => inside(each, area) && !taken.some((other) => overlap(each, other)));
      if (!box) continue;
      taken.push(box);
      ctx.fillStyle = Kit.css(set.data[0].front ? "--ink" : "--soft");
      ctx.strokeText(set.label, box.x, box.y + h / 2);
      ctx.fillText(set.label, box.x, box.y + h / 2);
    }
    ctx.restore();
  }

  function inside(a, area) {
    return a.x >= area.left && a.x + a.w <= area.right + 24 && a.y >= area.top && a.y + a.h <= area.bottom;
  }

  function overlap(a, b) {
    return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
  }
})();
