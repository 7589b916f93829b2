// The page: one event stream, what it says shown, and what the reader presses.

import { CLIENTS, PANELS, SCHEMES, WIDTHS, address, readAddress, state, viewQuery } from "./address.js";
import { showClients } from "./clients.js";
import { setUpReaders, setUpTrial } from "./dialogs.js";
import { Mail } from "./frame.js";
import { showInboxes } from "./inboxes.js";
import { el, icon, showFindings, showMessage, showOverlay, summed, worst } from "./panels.js";
import { Site } from "./site.js";
import { Width } from "./width.js";

const THEMES = ["auto", "light", "dark"];
const $ = (id) => document.getElementById(id);

const known = { index: null, picture: null, message: null, findings: null, support: undefined, selected: 0, broken: [] };
let stream = null;
let streamed = "";
let shown = "";
let reading = "";
let looked = "";

const mail = new Mail($("frame"), $("sheet"), { onLink: follow, onKey: press, onShown: () => ready("email") });
const site = new Site($("web-frame"), $("web-sheet"), $("web-notes"), { onLink: follow, onKey: press, onShown: () => ready("web") });
const width = new Width($("sheet"), $("handle"), $("handle-width"), { onChange: (chosen) => go({ width: chosen }, { replace: true }) });
const openReaders = setUpReaders({ chosen: () => state.as, choose: (name) => go({ as: name }) });
const openTrial = setUpTrial({ issue: () => state.key, identity: () => known.index ?? {} });

function go(changes, { replace = false } = {}) {
  const target = address(changes);
  if (target === location.hash) return;
  history[replace ? "replaceState" : "pushState"](null, "", target);
  readAddress();
  apply();
}

/* Stream -------------------------------------------------------------------------------- */

function connect() {
  const query = viewQuery();
  query.set("issue", state.key);
  const wanted = `events?${query}`;
  if (wanted === streamed && stream?.readyState !== EventSource.CLOSED) return false;
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
    if (state.panel === "web") site.show(state.key, state.scheme);
  });
  on("findings", (data) => {
    known.findings = data.findings;
    known.selected = Math.min(known.selected, Math.max(0, data.findings.length - 1));
    showFound();
    announce();
  });
  on("support", ({ support }) => {
    known.support = support;
    showSupport();
  });
  on("gone", ({ key, now }) => {
    toast(now ? `${key} is now called ${now}` : `${key} is no longer there`);
    go({ key: now || (known.index?.issues.find((issue) => issue.key !== key)?.key ?? "") }, { replace: true });
  });
  stream.onopen = () => live("live", "Live");
  stream.onerror = () => live("lost", "Preview stopped");
  return true;
}

// What a save changed, for who listens rather than looks.
function announce() {
  const counts = counted(known.findings ?? []);
  const words = known.broken.length ? "This can't be shown as it is" : `Updated. ${summed(counts) || "Nothing found"}`;
  if ($("said").textContent !== words) $("said").textContent = words;
}

// For whoever takes pictures of this page: the panel is painted.
function ready(panel) {
  if (panel === state.panel) requestAnimationFrame(() => (document.documentElement.dataset.ready = panel));
}

function live(mode, words) {
  $("live").dataset.state = mode;
  $("live-text").textContent = words;
}

/* What is shown ------------------------------------------------------------------------- */

function apply() {
  const { panel, scheme, client, images, as } = state;
  for (const name of PANELS) {
    const tab = $(`tab-${name}`);
    tab.setAttribute("aria-selected", String(name === panel));
    tab.tabIndex = name === panel ? 0 : -1;
    $(`panel-${name}`).hidden = name !== panel;
  }
  for (const control of document.querySelectorAll("[data-for]")) control.hidden = !control.dataset.for.split(" ").includes(panel);
  showTab();
  // A row without a control would leave an empty line.
  $("controls").hidden = !$("controls").querySelector(":scope > :not([hidden])");
  const webScheme = panel === "web" && scheme !== "dark" ? "light" : scheme;
  for (const [name, value] of Object.entries({ width: state.width, scheme: webScheme, client })) {
    for (const input of document.querySelectorAll(`input[name=${name}]`)) input.checked = input.value === value;
  }
  $("images").checked = images;
  $("sheet").dataset.scheme = scheme;
  $("web-sheet").dataset.scheme = webScheme;
  $("web-sheet").style.width = state.width === "wide" ? "100%" : `${state.width}px`;
  width.set(state.width);
  $("download").href = `message/${encodeURIComponent(state.key)}?${viewQuery()}`;
  $("download-html").href = `${$("download").getAttribute("href")}&part=html`;
  delete document.documentElement.dataset.ready;
  if (as !== reading) {
    // Another reader's message: what is shown belongs to the last one until it arrives.
    reading = as;
    Object.assign(known, { picture: null, message: null });
  }
  const other = known.picture && known.picture.key !== state.key;
  if (other) {
    Object.assign(known, { picture: null, message: null, findings: null, support: undefined, selected: 0, broken: [] });
    $("panel-email").scrollTop = $("panel-web").scrollTop = 0;
    site.clear();
    showFound();
  }
  const shownBefore = shown;
  if (other || panel !== shown) showParts();
  shown = panel;
  markCurrent();
  showBroken();
  const asked = connect();
  if (panel === "email") mail.fit();
  const look = `${state.key} ${webScheme}`;
  if (panel === "web" && state.key && (other || shownBefore !== "web" || look !== looked)) site.show(state.key, webScheme);
  looked = look;
  // What was there already won't be told again.
  if (!asked && ((panel === "email" && mail.still) || (panel === "findings" && known.findings))) ready(panel);
}

// On a narrow screen the row of tabs is wider than the page.
function showTab() {
  $(`tab-${state.panel}`).scrollIntoView({ block: "nearest", inline: "nearest" });
}

function showIndex() {
  const { name, tagline, issues, reader } = known.index;
  $("publication").textContent = name;
  $("tagline").textContent = tagline;
  if (!known.picture?.reader) $("who-label").textContent = `As ${reader}`;
  if (!state.key && issues.length) return go({ key: issues[0].key }, { replace: true });
  const focused = document.activeElement?.dataset?.key;
  $("issues").replaceChildren(...issues.map(row));
  if (focused) $("issues").querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  markCurrent();
  const none = issues.length === 0;
  if ($("bar").hidden !== none) {
    $("bar").hidden = none;
    showTab();
  }
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
    $("who-label").textContent = `As ${data.reader}`;
    mail.show({ address: `email/${encodeURIComponent(data.key)}?${viewQuery()}`, shell: data.shell, body: data.body, version: data.version });
    const [, name, address] = /^(.*?)\s*<([^<>]*)>$/.exec(data.sender) ?? [null, data.sender, ""];
    const shown = name.replace(/^"|"$/g, "");
    $("inbox-sender").replaceChildren(el("b", {}, shown), address ? ` ${address}` : "");
    $("inbox-mark").textContent = initial(shown);
    $("inbox-subject").textContent = data.subject;
    $("inbox-preheader").textContent = data.preheader;
  } else {
    mail.clear();
    // No message, and so no sender and no preheader: the list knows the title.
    for (const id of ["inbox-sender", "inbox-preheader"]) $(id).textContent = "";
    $("inbox-mark").textContent = initial(known.index?.name ?? "");
    $("inbox-subject").textContent = known.index?.issues.find((issue) => issue.key === data.key)?.title ?? data.key;
  }
  $("inbox").hidden = false;
  showBroken();
  if (data.broken) live("broken", "Not up to date");
  else live("live", `Live · ${Math.round(data.took)} ms`);
  markCurrent();
}

const initial = (name) => Array.from(name)[0]?.toUpperCase() ?? "";

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
  const { panel } = state;
  if (panel === "text") $("plain").textContent = known.message?.text ?? "";
  if (panel === "clients") showSupport();
  if (panel === "inbox") showInboxes($("inboxes"), known.message?.inbox ?? []);
  if (panel === "message") {
    const { provider, provider_writes_mime: theirs } = known.index ?? {};
    const note = theirs ? `${provider} is given the subject, the headers and both parts, and writes the MIME itself. This is the same message as we would write it.` : "";
    if (known.message) showMessage($("message"), known.message, note);
    else $("message").replaceChildren();
  }
  if (known.message && ["text", "inbox", "message"].includes(panel)) ready(panel);
}

function showSupport() {
  if (state.panel !== "clients" || known.support === undefined) return;
  showClients($("clients"), known.support);
  ready("clients");
}

function counted(findings) {
  const counts = {};
  for (const { severity } of findings) counts[severity] = (counts[severity] ?? 0) + 1;
  return counts;
}

function showFound() {
  const findings = known.findings ?? [];
  const counts = counted(findings);
  const badge = $("findings-count");
  badge.hidden = findings.length === 0;
  badge.textContent = String(findings.length);
  badge.dataset.worst = worst(counts);
  if (known.findings === null) return $("findings").replaceChildren();
  const status = known.index?.issues.find((issue) => issue.key === state.key)?.status;
  showFindings($("findings"), findings, known.selected, status, { select, copy: copyPlace, editor: editorAddress });
  ready("findings");
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

// Widths and colours are for the panels with a page in them.
const framed = () => (state.panel === "web" ? "web" : "email");

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
  w: () => go({ panel: framed(), width: after(WIDTHS, state.width) }),
  d: () => go({ panel: framed(), scheme: after(state.panel === "web" ? ["light", "dark"] : SCHEMES, state.scheme) }),
  r: () => go({ panel: "email", client: after(CLIENTS, state.client) }),
  a: () => openReaders(),
  s: () => openTrial(),
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
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") || !$("keys-on").checked) return;
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
for (const name of ["width", "scheme", "client"]) {
  for (const input of document.querySelectorAll(`input[name=${name}]`)) {
    input.addEventListener("change", () => go({ [name]: input.value }));
  }
}
$("images").addEventListener("change", (event) => go({ images: event.target.checked }));
$("open-who").addEventListener("click", openReaders);
$("open-trial").addEventListener("click", openTrial);
$("open-help").addEventListener("click", () => $("help").showModal());
$("copy-text").addEventListener("click", () => copy(known.message?.text ?? "", "Text copied"));
$("keys-on").checked = localStorage.getItem("keys") !== "off";
$("keys-on").addEventListener("change", (event) => localStorage.setItem("keys", event.target.checked ? "on" : "off"));

theme(localStorage.getItem("theme"));
readAddress();
apply();
