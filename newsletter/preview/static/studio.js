// The page: one state, one event stream, and what the reader presses. The address keeps the state.

import { Mail } from "./frame.js";
import { el, icon, showFindings, showMessage, showOverlay, summed, worst } from "./panels.js";

const PANELS = ["email", "text", "message", "findings"];
const SCHEMES = ["light", "dark", "inverted"];
const THEMES = ["auto", "light", "dark"];
const $ = (id) => document.getElementById(id);

const state = { key: "", panel: "email", width: "600", scheme: "light", images: true };
const known = { index: null, picture: null, message: null, findings: null, selected: 0, broken: [] };
let stream = null;
let streamed = "";
let shown = "";

const mail = new Mail($("frame"), $("sheet"), { onLink: follow, onKey: press });

/* Address ------------------------------------------------------------------------------- */

function readAddress() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [key, panel] = path.split("/").map(decodeURIComponent);
  const given = new URLSearchParams(query);
  state.key = key || "";
  state.panel = PANELS.includes(panel) ? panel : "email";
  state.width = given.get("width") === "375" ? "375" : "600";
  state.scheme = SCHEMES.includes(given.get("scheme")) ? given.get("scheme") : "light";
  state.images = given.get("images") !== "off";
}

function address(changes = {}) {
  const { key, panel, width, scheme, images } = { ...state, ...changes };
  const query = new URLSearchParams();
  if (width !== "600") query.set("width", width);
  if (scheme !== "light") query.set("scheme", scheme);
  if (!images) query.set("images", "off");
  const tail = query.toString();
  return `#/${encodeURIComponent(key)}/${panel}${tail ? `?${tail}` : ""}`;
}

function go(changes, { replace = false } = {}) {
  const target = address(changes);
  if (target === location.hash) return;
  history[replace ? "replaceState" : "pushState"](null, "", target);
  readAddress();
  apply();
}

/* Stream -------------------------------------------------------------------------------- */

function connect() {
  const query = new URLSearchParams({ issue: state.key, scheme: state.scheme, images: state.images ? "on" : "off" });
  const wanted = `events?${query}`;
  if (wanted === streamed && stream?.readyState !== EventSource.CLOSED) return;
  stream?.close();
  streamed = wanted;
  stream = new EventSource(wanted);
  const on = (name, act) => stream.addEventListener(name, (event) => act(JSON.parse(event.data)));
  on("index", (data) => {
    known.index = data;
    showIndex();
  });
  on("picture", showPicture);
  on("message", (data) => {
    known.message = data;
    showParts();
  });
  on("findings", (data) => {
    known.findings = data.findings;
    known.selected = Math.min(known.selected, Math.max(0, data.findings.length - 1));
    showFound();
  });
  on("gone", ({ key }) => {
    toast(`${key} is no longer there`);
    go({ key: known.index?.issues[0]?.key ?? "" }, { replace: true });
  });
  stream.onopen = () => live("live", "Live");
  stream.onerror = () => live("lost", "Preview stopped");
}

function live(mode, words) {
  $("live").dataset.state = mode;
  $("live-text").textContent = words;
}

/* What is shown ------------------------------------------------------------------------- */

function apply() {
  const { panel, width, scheme, images } = state;
  for (const name of PANELS) {
    const tab = $(`tab-${name}`);
    tab.setAttribute("aria-selected", String(name === panel));
    tab.tabIndex = name === panel ? 0 : -1;
    $(`panel-${name}`).hidden = name !== panel;
    const controls = $(`${name}-controls`);
    if (controls) controls.hidden = name !== panel;
  }
  document.querySelector(`input[name=width][value="${width}"]`).checked = true;
  document.querySelector(`input[name=scheme][value="${scheme}"]`).checked = true;
  $("images").checked = images;
  $("sheet").dataset.width = width;
  $("sheet").dataset.scheme = scheme;
  $("download").href = `message/${encodeURIComponent(state.key)}`;
  const other = known.picture && known.picture.key !== state.key;
  if (other) {
    Object.assign(known, { picture: null, message: null, findings: null, selected: 0, broken: [] });
    $("panel-email").scrollTop = 0;
    showFound();
  }
  if (other || panel !== shown) showParts();
  shown = panel;
  markCurrent();
  showBroken();
  connect();
  if (panel === "email") mail.fit();
}

function showIndex() {
  const { name, tagline, issues, reader } = known.index;
  $("publication").textContent = name;
  $("tagline").textContent = tagline;
  $("inbox-as").textContent = reader ? `as ${reader}` : "";
  if (!state.key && issues.length) return go({ key: issues[0].key }, { replace: true });
  const focused = document.activeElement?.dataset?.key;
  $("issues").replaceChildren(...issues.map(row));
  if (focused) $("issues").querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  markCurrent();
  const none = issues.length === 0;
  $("bar").hidden = none;
  $("inbox").hidden = none || !known.picture;
  $("empty").hidden = !none;
  if (none) showEmpty();
  showBroken();
}

function row({ key, number, title, date, status, broken, counts }) {
  const found = summed(counts) || (broken ? "Can't be rendered" : "");
  return el("li", {}, el("a", { class: "issue", href: address({ key }), "data-key": key },
    el("span", { class: "issue-meta" },
      el("span", { class: "issue-number" }, String(number || "–")), date ? el("span", {}, `· ${date}`) : null,
      el("span", { class: "issue-status" }, status)),
    el("span", { class: "issue-title" }, title),
    found ? el("span", { class: "issue-found", "data-worst": worst(counts) || "error" }, found) : null));
}

function markCurrent() {
  for (const link of $("issues").querySelectorAll("a")) {
    const current = link.dataset.key === state.key;
    if (current) {
      link.setAttribute("aria-current", "page");
      link.scrollIntoView({ block: "nearest" });
    } else {
      link.removeAttribute("aria-current");
    }
    link.setAttribute("href", address({ key: link.dataset.key }));
  }
  document.title = `${known.picture?.subject || "Preview"} – ${known.index?.name ?? "Newsletter"}`;
}

function showEmpty() {
  mail.clear();
  $("empty").replaceChildren(icon("letter"), el("h1", {}, "Your first issue starts here"),
    el("p", {}, "There is nothing in ", el("code", {}, "issues/"), " yet. Make a draft, and it appears on this page the moment it is saved."),
    el("code", { class: "command" }, 'newsletter new "Your title"'));
}

function showPicture(data) {
  known.picture = data;
  known.broken = data.broken ?? [];
  if (data.shell !== undefined) {
    const query = new URLSearchParams();
    if (state.scheme !== "light") query.set("scheme", state.scheme);
    if (!state.images) query.set("images", "off");
    mail.show({ address: `email/${encodeURIComponent(data.key)}?${query}`, shell: data.shell, body: data.body, version: data.version });
    const [, name, address] = /^(.*?)\s*<([^<>]*)>$/.exec(data.sender) ?? [null, data.sender, ""];
    const shown = name.replace(/^"|"$/g, "");
    $("inbox-sender").replaceChildren(el("b", {}, shown), address ? ` ${address}` : "");
    $("inbox-mark").textContent = Array.from(shown)[0]?.toUpperCase() ?? "";
    $("inbox-subject").textContent = data.subject;
    $("inbox-preheader").textContent = data.preheader;
  } else {
    mail.clear();
    // No message, and so no sender and no preheader: the list knows the title.
    for (const id of ["inbox-sender", "inbox-preheader"]) $(id).textContent = "";
    $("inbox-mark").textContent = "";
    $("inbox-subject").textContent = known.index?.issues.find((issue) => issue.key === data.key)?.title ?? data.key;
  }
  $("inbox").hidden = false;
  showBroken();
  if (data.broken) live("broken", "Not up to date");
  else live("live", `Live · ${Math.round(data.took)} ms`);
  markCurrent();
}

function showBroken() {
  const wrong = known.index?.settings_error;
  const settings = wrong ? [{ severity: "error", title: "", message: wrong.message, help: wrong.hint, source: [] }] : [];
  const all = [...settings, ...known.broken];
  showOverlay($("overlay"), all, known.picture?.shell !== undefined);
  // The Findings panel says the same of the file itself, and stays usable.
  $("overlay").hidden = !all.length || (state.panel === "findings" && !settings.length);
}

// A long message is thousands of nodes: they are made when somebody looks, never before a picture is painted.
function showParts() {
  if (state.panel === "text") $("plain").textContent = known.message?.text ?? "";
  if (state.panel !== "message") return;
  const { provider, provider_writes_mime: theirs } = known.index ?? {};
  const note = theirs ? `${provider} is given the subject, the headers and both parts, and writes the MIME itself. This is the same message as we would write it.` : "";
  if (known.message) showMessage($("message"), known.message, note);
  else $("message").replaceChildren();
}

function showFound() {
  const findings = known.findings ?? [];
  const counts = {};
  for (const { severity } of findings) counts[severity] = (counts[severity] ?? 0) + 1;
  const badge = $("findings-count");
  badge.hidden = findings.length === 0;
  badge.textContent = String(findings.length);
  badge.dataset.worst = worst(counts);
  if (known.findings === null) return $("findings").replaceChildren();
  const status = known.index?.issues.find((issue) => issue.key === state.key)?.status;
  showFindings($("findings"), findings, known.selected, status, { select, copy: copyPlace, editor: editorAddress });
}

function select(index) {
  known.selected = index;
  showFound();
  const chosen = $("findings").querySelector("[aria-current]");
  chosen?.focus();
  chosen?.scrollIntoView({ block: "nearest" });
  copyPlace(known.findings[index]);
}

function editorAddress(finding) {
  const template = known.index?.editor;
  if (!template) return "";
  const values = { path: encodeURI(finding.absolute), line: Math.max(1, finding.line), column: Math.max(1, finding.column) };
  return template.replace(/\{(path|line|column)\}/g, (_, name) => values[name]);
}

/* Actions ------------------------------------------------------------------------------- */

async function copy(text, said) {
  try {
    await navigator.clipboard.writeText(text);
    toast(said);
  } catch {
    toast(text);
  }
}

function copyPlace(finding) {
  if (finding) copy(finding.place, `Copied ${finding.place}`);
}

function follow(href) {
  if (/^(https?:|mailto:)/i.test(href)) {
    window.open(href, "_blank", "noopener,noreferrer");
    toast(href);
  } else {
    toast(`Not followed: ${href}`);
  }
}

let toastTimer = 0;
function toast(words, milliseconds = 2500) {
  clearTimeout(toastTimer);
  $("toast").textContent = words;
  $("toast").dataset.on = "";
  toastTimer = setTimeout(() => delete $("toast").dataset.on, milliseconds);
}

function theme(next) {
  const chosen = THEMES.includes(next) ? next : "auto";
  document.documentElement.dataset.theme = chosen;
  localStorage.setItem("theme", chosen);
  return chosen;
}

const after = (list, item, step = 1) => list[(list.indexOf(item) + step + list.length) % list.length];

function step(by) {
  if (state.panel === "findings" && known.findings?.length) {
    const target = known.selected + by;
    if (target >= 0 && target < known.findings.length) select(target);
    return;
  }
  const keys = known.index?.issues.map((issue) => issue.key) ?? [];
  const target = keys[keys.indexOf(state.key) + by];
  if (target) go({ key: target });
}

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  w: () => go({ panel: "email", width: state.width === "600" ? "375" : "600" }),
  d: () => go({ panel: "email", scheme: after(SCHEMES, state.scheme) }),
  i: () => go({ panel: "email", images: !state.images }),
  c: () => copyPlace(known.findings?.[known.selected]),
  o: () => {
    const finding = known.findings?.[known.selected];
    const target = finding && editorAddress(finding);
    if (target) location.assign(target);
    else if (finding) toast("Set NEWSLETTER_EDITOR_URL to open your editor, such as vscode://file/{path}:{line}:{column}", 6000);
  },
  t: () => toast(`This page: ${theme(after(THEMES, document.documentElement.dataset.theme))}`),
  "?": () => $("help").showModal(),
};

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open || !$("keys-on").checked) return;
  if (event.target?.matches?.("input:not([type=radio], [type=checkbox]), textarea, select")) return;
  const panel = PANELS[Number(event.key) - 1];
  const act = panel ? () => go({ panel }) : KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

/* Beginning ----------------------------------------------------------------------------- */

document.addEventListener("keydown", press);
window.addEventListener("popstate", () => {
  readAddress();
  apply();
});
$("issues").addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go({ key: link.dataset.key });
});
document.querySelector(".tabs").addEventListener("click", (event) => {
  const tab = event.target.closest("[role=tab]");
  if (tab) go({ panel: tab.dataset.panel });
});
document.querySelector(".tabs").addEventListener("keydown", (event) => {
  // The tabs pattern of the ARIA Authoring Practices: arrows move and choose, Home and End jump.
  const to = { ArrowRight: after(PANELS, state.panel), ArrowLeft: after(PANELS, state.panel, -1), Home: PANELS[0], End: PANELS.at(-1) }[event.key];
  if (!to) return;
  event.preventDefault();
  go({ panel: to });
  $(`tab-${to}`).focus();
});
for (const name of ["width", "scheme"]) {
  for (const input of document.querySelectorAll(`input[name=${name}]`)) {
    input.addEventListener("change", () => go({ [name]: input.value }));
  }
}
$("images").addEventListener("change", (event) => go({ images: event.target.checked }));
$("open-help").addEventListener("click", () => $("help").showModal());
$("copy-text").addEventListener("click", () => copy(known.message?.text ?? "", "Text copied"));
$("keys-on").checked = localStorage.getItem("keys") !== "off";
$("keys-on").addEventListener("change", (event) => localStorage.setItem("keys", event.target.checked ? "on" : "off"));

theme(localStorage.getItem("theme"));
readAddress();
apply();
