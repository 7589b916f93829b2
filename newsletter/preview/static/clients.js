// The Clients panel: how much of this issue each family of mail programs knows, and what is written where that costs it readers.

import { el } from "./panels.js";

const percent = (share) => `${Math.floor(share * 100)} %`;

const feature = (name, page) => el("a", { href: page, target: "_blank", rel: "noopener noreferrer" }, el("code", {}, name));

function listed(items) {
  return items.flatMap((item, at) => (at ? [", ", item] : [item]));
}

export function showClients(panel, support) {
  if (!support) {
    panel.replaceChildren(el("p", { class: "sum" }, "There is no message yet to be judged."));
    return;
  }
  panel.replaceChildren(families(support), lacks(support));
}

function families({ families, lacks, used }) {
  const pages = new Map(lacks.map(({ name, page }) => [name, page]));
  const rows = families.map(({ name, share, unsupported }) => {
    const bar = el("span", { class: "share", "aria-hidden": "true" });
    bar.style.setProperty("--share", percent(share).replace(" ", ""));
    const missing = unsupported.map((one) => feature(one, pages.get(one)));
    return el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: "num" }, percent(share), bar),
      el("td", {}, ...(missing.length ? listed(missing) : ["Nothing"])));
  });
  return el("section", { class: "part", "aria-label": "Families of mail programs" },
    el("span", { class: "mark" }, "1 · Mail programs"),
    el("p", { class: "sum" }, "This issue uses ", el("b", {}, String(used)), " features of HTML and CSS."),
    el("p", { class: "note" }, "How many of them each family knows, by the tables of caniemail.com; what it knows in part counts half. How many of your readers use it, nobody can tell."),
    table("clients-table", [["Family", ""], ["Known", "num"], ["Not known", ""]], rows));
}

function lacks({ lacks }) {
  const rows = lacks.map(({ name, page, uses, place, unsupported, partial }) =>
    el("tr", {}, el("th", { scope: "row" }, feature(name, page)),
      el("td", {}, el("code", {}, place), uses > 1 ? el("span", { class: "raw" }, `and ${uses - 1} more`) : null),
      el("td", {}, unsupported.join(", "), partial.length ? el("span", { class: "raw" }, `In part: ${partial.join(", ")}`) : null)));
  return el("section", { class: "part", "aria-label": "Features that cost readers" },
    el("span", { class: "mark" }, "2 · What costs readers"),
    lacks.length ? el("p", { class: "note" }, "Places in ", el("code", {}, "email/"), " are in the templates that come with the toolkit; a file of that name in your own ", el("code", {}, "templates/email/"), " takes the place of one.") : null,
    lacks.length ? table("lacks-table", [["Feature", ""], ["First used at", ""], ["Not known to all of", ""]], rows) : el("p", { class: "note" }, "Every program knows all of it."));
}

function table(name, heads, rows) {
  return el("table", { class: `data ${name}` },
    el("thead", {}, el("tr", {}, ...heads.map(([text, kind]) => el("th", { scope: "col", class: kind || null }, text)))),
    el("tbody", {}, ...rows));
}
