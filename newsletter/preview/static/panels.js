// What stands in the Message and Findings panels, and in the overlay of a broken file.

export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const ICONS = {
  error: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13Zm-.8 3h1.6v4.6H7.2V4.5Zm0 5.8h1.6v1.6H7.2v-1.6Z",
  warning: "M8 1.6 15 14H1L8 1.6Zm-.8 4.6v4h1.6v-4H7.2Zm0 5v1.5h1.6v-1.5H7.2Z",
  info: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13Zm-.8 2.9h1.6V6H7.2V4.4Zm0 2.8h1.6v4.6H7.2V7.2Z",
  good: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13Zm-.9 9.6L4 8l1.1-1.1 2 2 3.9-4L12.100 6l-5 5.1Z",
  letter: "M2 3h12a1 1 0 0 1 1 1v8a1 1 0 0 1-1 1H2a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1Zm.6 1.2L8 8.400l5.400-4.200H2.600Zm11.200 1.200L8 9.900 2.200 5.400v6.400h11.600V5.400Z",
};

export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", ICONS[name]);
  path.setAttribute("fill", "currentColor");
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}

export const WORDS = { error: "Error", warning: "Warning", info: "Note" };
// A code that `newsletter explain` doesn't know helps nobody.
const catalogued = (finding) => (finding.title ? finding.code : "");
const called = (finding) => [WORDS[finding.severity], catalogued(finding)].filter(Boolean).join(" ");
const ORDER = ["error", "warning", "info"];

export function worst(counts) {
  return ORDER.find((severity) => counts?.[severity]) ?? "";
}

export function summed(counts) {
  const names = { error: ["error", "errors"], warning: ["warning", "warnings"], info: ["note", "notes"] };
  return ORDER.filter((severity) => counts?.[severity])
    .map((severity) => `${counts[severity]} ${names[severity][counts[severity] === 1 ? 0 : 1]}`)
    .join(", ");
}

export function size(bytes) {
  return bytes < 1000 ? `${bytes} B` : `${(bytes / 1024).toFixed(1)} KB`;
}

// `code` in messages is set as code; everything else is text.
export function prose(text) {
  return text.split(/(`[^`]+`)/).map((piece) => (/^`[^`]+`$/.test(piece) ? el("code", {}, piece.slice(1, -1)) : piece));
}

// The same, as a sentence begins.
const sentence = (text) => prose(/^[a-z]/.test(text) ? text[0].toUpperCase() + text.slice(1) : text);

export function excerpt(finding, around = 5) {
  const pre = el("pre", { tabindex: "0", role: "group", "aria-label": `Source around line ${finding.line}` });
  for (const { number, text } of finding.source) {
    if (Math.abs(number - finding.line) > around) continue;
    const hit = number === finding.line;
    pre.append(el("span", { class: "row", "data-hit": hit }, el("span", { class: "at" }, String(number)), text || " "));
    if (hit && finding.column) {
      // Tabs before the mark are repeated, so that the caret stands under what it means.
      const indent = text.slice(0, finding.column - 1).replace(/[^\t]/g, " ");
      const room = Math.max(1, Math.min(finding.length, text.length - finding.column + 1));
      pre.append(el("span", { class: "row", "data-hit": true, "aria-hidden": "true" }, el("span", { class: "at" }), indent, el("span", { class: "carets" }, "^".repeat(room))));
    }
  }
  const carets = pre.querySelector(".carets");
  // A mark far to the right is brought into view once the excerpt has its width.
  if (carets) requestAnimationFrame(() => (pre.scrollLeft = Math.max(0, carets.offsetLeft + carets.offsetWidth - pre.clientWidth * 0.8)));
  return el("div", { class: "excerpt" }, el("span", { class: "excerpt-place" }, finding.place), finding.source.length ? pre : null);
}

export function showMessage(panel, message, note) {
  panel.replaceChildren(sizes(message), headers(message), source(message, note));
}

function sizes(message) {
  const { html_encoded: encoded, html_decoded: decoded, clip, warn } = message;
  const most = Math.max(encoded, decoded);
  const grade = most > clip ? "error" : most > warn ? "warning" : "";
  const verdict = grade === "error" ? "Gmail would clip this issue." : grade === "warning" ? "Close to where Gmail clips." : "Gmail shows all of it.";
  const meter = el("div", { class: "meter", "data-worst": grade || null, role: "img", "aria-label": `HTML part: ${size(decoded)} decoded, ${size(encoded)} encoded, of ${size(clip)}` });
  for (const [kind, bytes] of [["encoded", encoded], ["decoded", decoded]]) {
    const bar = el("i", { class: kind });
    bar.style.width = `${Math.min(100, (bytes / clip) * 100)}%`;
    meter.append(bar);
  }
  const rows = message.parts.map((part) =>
    el("tr", {}, el("td", {}, el("code", {}, part.type), part.name ? ` ${part.name}` : ""), el("td", {}, el("code", {}, part.encoding)), el("td", { class: "num" }, size(part.decoded)), el("td", { class: "num" }, size(part.encoded))),
  );
  return el("section", { class: "part", "aria-label": "Size" },
    el("span", { class: "mark" }, "1 · Size"),
    el("p", { class: "sum" }, "The message weighs ", el("b", {}, size(message.size)), ", its HTML ", el("b", {}, size(decoded)), `. ${verdict}`),
    meter,
    el("div", { class: "scale" }, el("span", {}, `${size(decoded)} decoded · ${size(encoded)} encoded`), el("span", {}, `clipped at ${Math.round(clip / 1024)} KB`)),
    el("table", { class: "data parts-table" },
      el("thead", {}, el("tr", {}, ...[["Part", ""], ["Encoding", ""], ["Decoded", "num"], ["On the wire", "num"]].map(([text, kind]) => el("th", { scope: "col", class: kind || null }, text)))),
      el("tbody", {}, ...rows)));
}

function headers(message) {
  const rows = message.headers.map(({ name, raw, text }) =>
    el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, text, raw !== text ? el("span", { class: "raw" }, raw) : null)),
  );
  return el("section", { class: "part", "aria-label": "Headers" },
    el("span", { class: "mark" }, "2 · Headers"),
    el("table", { class: "data headers" }, el("thead", { class: "unseen" }, el("tr", {}, el("th", { scope: "col" }, "Name"), el("th", { scope: "col" }, "Value"))), el("tbody", {}, ...rows)));
}

function source(message, note) {
  const pre = el("pre", { class: "source", tabindex: "0", "aria-label": "Source of the message" });
  let inHeaders = true;
  for (const line of message.source.split("\n")) {
    if (line.startsWith("--") && message.boundaries.some((mark) => line.startsWith(mark))) {
      inHeaders = !line.endsWith("--");
      pre.append(el("span", { class: "boundary" }, line), "\n");
      continue;
    }
    const name = inHeaders && /^[A-Za-z][A-Za-z0-9-]*:/.exec(line);
    if (name) pre.append(el("span", { class: "name" }, name[0]), line.slice(name[0].length), "\n");
    else if (line.startsWith("[… ")) pre.append(el("span", { class: "fold" }, line), "\n");
    else pre.append(line, "\n");
    if (line === "") inHeaders = false;
  }
  return el("section", { class: "part", "aria-label": "Source" }, el("span", { class: "mark" }, "3 · Source"), note ? el("p", { class: "note" }, note) : null, pre);
}

export function showFindings(panel, findings, selected, status, actions) {
  if (!findings.length) {
    const next = status === "ready" ? "This issue is ready to be sent." : "Set status: ready when you are happy with it.";
    panel.replaceChildren(el("div", { class: "good" }, icon("good"), el("h2", {}, "Nothing found"), el("p", {}, next)));
    return;
  }
  const list = el("ol", { class: "finding-list", "aria-label": "Findings" });
  findings.forEach((finding, index) => {
    list.append(el("li", {}, el("button",
      { type: "button", class: "finding", "data-severity": finding.severity, "aria-current": index === selected ? "true" : null, onclick: () => actions.select(index) },
      icon(finding.severity),
      el("span", { class: "finding-message" }, el("span", { class: "unseen" }, `${WORDS[finding.severity]}: `), ...sentence(finding.message)),
      el("span", { class: "finding-meta" }, [catalogued(finding), finding.place].filter(Boolean).join(" · ")))));
  });
  panel.replaceChildren(list, detail(findings[selected], actions));
}

function detail(finding, actions) {
  const address = actions.editor(finding);
  return el("div", { class: "finding-detail", "aria-live": "polite" },
    el("p", { class: "label", "data-severity": finding.severity }, called(finding)),
    el("h2", {}, ...sentence(finding.message)),
    finding.help ? el("p", { class: "way-out" }, ...sentence(finding.help)) : null,
    finding.source.length ? excerpt(finding) : null,
    el("div", { class: "finding-actions" },
      address ? el("a", { class: "solid", href: address }, "Open in editor") : null,
      el("button", { type: "button", class: "outline", onclick: () => actions.copy(finding) }, "Copy place")));
}

export function showOverlay(overlay, broken, hasPicture) {
  if (!broken.length) return overlay.replaceChildren();
  const items = broken.slice(0, 5).map((finding) =>
    el("div", { class: "overlay-item" },
      el("p", { class: "label", "data-severity": finding.severity }, called(finding)),
      el("h3", {}, ...sentence(finding.message)),
      finding.help ? el("p", { class: "way-out" }, ...sentence(finding.help)) : null,
      finding.source.length ? excerpt(finding, 2) : null),
  );
  const more = broken.length > 5 ? el("p", { class: "overlay-item" }, `and ${broken.length - 5} more on Findings`) : null;
  overlay.replaceChildren(el("div", { class: "overlay-card" },
    el("h2", { id: "overlay-title" }, "This can't be shown as it is"),
    el("p", {}, hasPicture ? "Behind this note is the last good picture. Save again and the note goes." : "Save a corrected file and the picture appears."),
    ...items, more));
}
