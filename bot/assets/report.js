"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 40rem)");
  const colours = read("colours");
  const written = document.getElementById("figures").textContent;
  const config = { displayModeBar: false, responsive: true, showTips: false, doubleClick: false };

  // Figures are written in the colours of the light page.
  const recolour = (key, value) => {
    if (key === "colorscale") return value.map(([at, colour]) => [at, colours[colour] ?? colour]);
    return typeof value === "string" && /color$/.test(key) ? colours[value] ?? value : value;
  };

  const shorten = (layout) => {
    for (const axis of [layout.xaxis, layout.yaxis]) {
      if (!axis?.ticktext) continue;
      axis.ticktext = axis.ticktext.map((text) => (text.length > 14 ? text.slice(0, 13).replace(/&[a-z#0-9]*$/, "") + "…" : text));
      axis.tickfont = { size: 10 };
    }
    return layout;
  };

  const draw = () => {
    const figures = JSON.parse(written, dark.matches ? recolour : undefined);
    for (const [name, { data, layout }] of Object.entries(figures)) {
      const place = document.querySelector(`[data-figure="${name}"]`);
      Plotly.react(place, data, narrow.matches ? shorten(layout) : layout, config);
    }
  };

  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const sort = (head, at) => {
    const table = head.closest("table");
    const first = /count|measure|share|change|interval/.test(head.className) ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const way = head.getAttribute("aria-sort") === first ? other : first;
    for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", way);
    const sign = way === "ascending" ? 1 : -1;
    const order = (row) => row.cells[at].dataset.order;
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const [x, y] = [order(a), order(b)];
      // What has no value is last, either way.
      if (!x || !y) return (x ? 0 : 1) - (y ? 0 : 1);
      return sign * (head.dataset.number ? x - y : collator.compare(x, y));
    });
    table.tBodies[0].append(...rows);
  };

  for (const table of document.querySelectorAll("table")) {
    if (table.tBodies[0].rows.length < 2) continue;
    [...table.tHead.rows[0].cells].forEach((head, at) => {
      if (/count|measure|share|change|interval/.test(head.className)) head.dataset.number = "1";
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sort(head, at));
    });
  }

  draw();
  dark.addEventListener("change", draw);
  narrow.addEventListener("change", draw);
})();
