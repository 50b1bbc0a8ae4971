"use strict";
// All that moves on a page. Without it a page says the same: sorted as it was written, with charts that stand still.

const all = (selector, within = document) => [...within.querySelectorAll(selector)];

function theme() {
  const button = document.getElementById("theme");
  const names = ["auto", "light", "dark"];
  const kept = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const keep = (name) => { try { localStorage.setItem("theme", name); } catch { /* a page from disk may keep nothing */ } };
  const show = (name) => {
    if (name === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    button.dataset.value = name;
    button.textContent = `Theme: ${name}`;
  };
  show(names.includes(kept()) ? kept() : "auto");
  button.addEventListener("click", () => {
    const next = names[(names.indexOf(button.dataset.value) + 1) % names.length];
    show(next);
    keep(next);
  });
}

// A cell's number, if it begins with one ("54.20 ± 0.52 %"); a missing one sorts last.
function worth(cell) {
  const text = cell.textContent.trim();
  const number = parseFloat(text);
  return Number.isNaN(number) ? { text, number: null } : { text, number };
}

function sortable(table) {
  all("thead th", table).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      all("thead th", table).forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const numeric = head.classList.contains("number");
      const rows = all("tbody tr", table).map((row) => ({ row, key: worth(row.cells[column]) }));
      rows.sort((a, b) => {
        if (numeric && (a.key.number === null || b.key.number === null)) {
          return (a.key.number === null) - (b.key.number === null);
        }
        const order = numeric ? a.key.number - b.key.number : a.key.text.localeCompare(b.key.text, "en", { numeric: true });
        return down ? -order : order;
      });
      table.tBodies[0].append(...rows.map(({ row }) => row));
    });
  });
}

function filters(section) {
  const controls = section.querySelector(".filters");
  const said = section.querySelector("[role=status]");
  const rows = all("tbody tr", section);
  // "undone, worst case" is found under "undone".
  const value = (row, select) => row.cells[Number(select.dataset.column)].textContent.split(",")[0].trim();
  for (const select of all("select", controls)) {
    for (const each of new Set(rows.map((row) => value(row, select)))) select.append(new Option(each, each));
  }
  const apply = () => {
    const words = controls.querySelector("input").value.trim().toLowerCase();
    const chosen = all("select", controls).filter((select) => select.value);
    let shown = 0;
    for (const row of rows) {
      const fits = row.textContent.toLowerCase().includes(words)
        && chosen.every((select) => value(row, select) === select.value);
      row.hidden = !fits;
      shown += fits;
    }
    said.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} rows shown`;
  };
  controls.addEventListener("input", apply);
  controls.hidden = false;
}

function zoom() {
  const dialog = document.getElementById("zoom");
  if (!dialog) return;
  const picture = dialog.querySelector(".stage").appendChild(document.createElement("img"));
  const factor = dialog.querySelector("input");
  const resize = () => {
    picture.style.width = `${picture.naturalWidth * Number(factor.value)}px`;
    dialog.querySelector("output").textContent = `${factor.value} screen pixels a pixel`;
  };
  factor.addEventListener("input", resize);
  picture.addEventListener("load", resize);
  dialog.querySelector("button").addEventListener("click", () => dialog.close());
  for (const image of all("img.pixels")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "zoom";
    button.setAttribute("aria-label", `Enlarge: ${image.alt}`);
    image.replaceWith(button);
    button.append(image);
    button.addEventListener("click", () => {
      picture.alt = image.alt;
      factor.value = Math.max(1, Math.round(image.width / image.naturalWidth));
      picture.src = image.src;
      resize();
      dialog.showModal();
    });
  }
}

// The library of the charts lies in the page packed; a browser that can't unpack it shows the still pictures.
async function library() {
  const packed = Uint8Array.from(atob(document.getElementById("vega").textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
  return window.vegaEmbed;
}

async function charts() {
  const places = all("[data-chart]");
  if (!places.length || typeof DecompressionStream === "undefined") return;
  const embed = await library();
  for (const place of places) {
    const specification = JSON.parse(document.getElementById(place.dataset.chart).textContent);
    const live = document.createElement("div");
    await embed(live, specification, { actions: false, renderer: "svg", ast: false });
    place.replaceChildren(live);
  }
}

theme();
all("table.sortable").forEach(sortable);
all("section.filtered").forEach(filters);
zoom();
charts().finally(() => { document.documentElement.dataset.ready = "yes"; });
for (const part of all(".controls")) part.hidden = false;
