// Draws each `figure[data-chart]` from the table that stands in it, so that a chart says what its
// table says. The first column is x: `th[data-x]` is `label`, `number` or `time` (seconds since
// 1970); the others are series: `th[data-series]` is `bar`, `line`, `dash` or `step`, `data-color`
// the name of a colour of style.css. Cells hold their number in `data-x` and `data-v`.
"use strict";
(() => {
  const drawn = new Map();

  // `light-dark()` is resolved by an element that has the colour.
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const color = (name) => {
    probe.className = `ink-${name}`;
    return getComputedStyle(probe).color;
  };

  const read = (table) => {
    const [first, ...heads] = table.tHead.rows[0].cells;
    const rows = [...table.tBodies[0].rows];
    const kind = first.dataset.x;
    const x = rows.map((row, at) => (kind === "label" ? at : Number(row.cells[0].dataset.x)));
    const columns = heads.map((_, at) => rows.map((row) => {
      const value = row.cells[at + 1].dataset.v;
      return value === undefined || value === "" ? null : Number(value);
    }));
    const order = x.map((_, at) => at).sort((a, b) => x[a] - x[b]);
    const sorted = (list) => order.map((at) => list[at]);
    return { kind, heads, rows: sorted(rows), data: [sorted(x), ...columns.map(sorted)] };
  };

  const short = (value, unit) => {
    const size = Math.abs(value);
    const text = size >= 1e9 ? `${+(value / 1e9).toPrecision(3)}G` : size >= 1e6 ? `${+(value / 1e6).toPrecision(3)}M`
      : size >= 1e4 ? `${+(value / 1e3).toPrecision(3)}K` : `${+value.toPrecision(4)}`;
    return unit === "usd" ? `$${text}` : unit ? `${text} ${unit}` : text;
  };

  // A day where the steps are days, else the time of the clock: with seconds where steps are less
  // than a minute, or two of them would look the same.
  const moment = (seconds, step) => new Date(seconds * 1000).toLocaleString([], step >= 86400
    ? { day: "numeric", month: "short" }
    : { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(step < 60 ? { second: "2-digit" } : {}) });

  // One value makes no line: it is a point.
  const alone = (chart, at) => chart.data[at].filter((one) => one != null).length === 1;

  const series = (head) => {
    const kind = head.dataset.series;
    const ink = color(head.dataset.color || "accent");
    const made = { label: head.textContent.trim(), stroke: ink, width: 2, points: { show: alone, size: 9, fill: ink }, spanGaps: kind === "dash" };
    if (kind === "bar") Object.assign(made, { fill: ink, width: 0, paths: uPlot.paths.bars({ size: [0.7, 36], radius: 0.15 }) });
    if (kind === "dash") made.dash = [5, 4];
    if (kind === "step") made.paths = uPlot.paths.stepped({ align: 1 });
    return made;
  };

  const draw = (figure) => {
    drawn.get(figure)?.destroy();
    drawn.delete(figure);
    const table = figure.querySelector("table");
    const plot = figure.querySelector(".plot");
    if (!table || !plot || !table.tBodies[0] || !table.tBodies[0].rows.length) return;
    const told = read(table);
    const readout = figure.querySelector(".readout");
    const before = readout ? readout.textContent : "";
    const soft = color("soft");
    const line = { stroke: color("line"), width: 1 };
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const axis = { stroke: soft, font, ticks: { show: false }, grid: line, gap: 6 };
    const unit = figure.dataset.unit || "";
    const most = told.data[0].length - 1;
    const labels = (_, splits) => splits.map((at) =>
      Number.isInteger(at) && told.rows[at] ? (told.rows[at].cells[0].dataset.short || told.rows[at].cells[0].textContent.trim()) : "");
    plot.hidden = false;
    plot.replaceChildren();
    const chart = new uPlot({
      width: plot.clientWidth || 300,
      height: plot.clientHeight || 224,
      legend: { show: false },
      cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
      scales: {
        x: told.kind === "label" ? { time: false, range: [-0.6, most + 0.6] } : { time: told.kind === "time" },
        y: { range: (_, low, high) => [Math.min(0, low ?? 0), (high ?? 0) > 0 ? high * 1.08 : 1] },
      },
      axes: [
        { ...axis, grid: { show: false }, space: told.kind === "time" ? 60 : 56, size: 34, ...(told.kind === "label" ? { values: labels, incrs: [1, 2, 5, 7, 14, 30] } : told.kind === "number" ? { values: (_, all) => all.map((one) => short(one, "")) } : { values: (_, all, axis, space, step) => all.map((one) => moment(one, step)) }) },
        { ...axis, size: 56, values: (_, all) => all.map((one) => short(one, unit)) },
      ],
      series: [{}, ...told.heads.map(series)],
      hooks: {
        setCursor: [(at) => {
          if (!readout) return;
          const row = at.cursor.idx === null || at.cursor.idx === undefined ? null : told.rows[at.cursor.idx];
          readout.textContent = row
            ? [...row.cells].map((cell, number) => (number ? `${told.heads[number - 1].textContent.trim()} ${cell.textContent.trim()}` : cell.textContent.trim())).join(" · ")
            : readout.dataset.rest || before;
        }],
      },
    }, told.data, plot);
    // What it shows stands in the table; to a screen reader the picture says nothing.
    plot.setAttribute("aria-hidden", "true");
    drawn.set(figure, chart);
  };

  const all = (root) => {
    for (const figure of drawn.keys()) if (!figure.isConnected) { drawn.get(figure).destroy(); drawn.delete(figure); }
    for (const figure of root.querySelectorAll("figure[data-chart]")) { draw(figure); resized.observe(figure); }
  };
  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const chart = drawn.get(target);
      const width = target.querySelector(".plot").clientWidth;
      if (chart && width && Math.abs(width - chart.width) > 1) chart.setSize({ width, height: chart.height });
    }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => all(document));
  document.addEventListener("part", (event) => all(event.detail));
  all(document);
})();
