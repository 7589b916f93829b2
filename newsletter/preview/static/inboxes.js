// How do inboxes cut the three things that are seen before a mail is opened?

import { el } from "./panels.js";

const DEVICES = { desktop: "on a desktop", phone: "on a phone" };

export function showInboxes(panel, lines) {
  panel.replaceChildren(
    el("p", { class: "note inbox-lead" }, "Cut where these programs cut ordinary text; capitals and emoji leave room for less. What is left out stands below each."),
    ...lines.map(card));
}

function card(line) {
  const lost = ["sender", "subject", "preheader"].filter((part) => line[part][1]).map((part) =>
    el("li", {}, el("b", {}, `${part[0].toUpperCase()}${part.slice(1)}`), " leaves out “", line[part][1].trim(), "”"));
  const { sender, subject, preheader } = line.limits;
  return el("section", { class: "part inbox-card", "aria-label": `${line.name} ${DEVICES[line.device]}` },
    el("h2", { class: "mark" }, `${line.name} ${DEVICES[line.device]}`),
    el("div", { class: "inbox-pair" }, row(line, "light"), row(line, "dark")),
    lost.length ? el("ul", { class: "inbox-lost" }, ...lost) : el("p", { class: "inbox-whole" }, "Shown whole."),
    el("p", { class: "inbox-source" }, `${sender} · ${subject} · ${preheader} characters. ${line.source}`));
}

function row(line, scheme) {
  const [sender, subject, preheader] = ["sender", "subject", "preheader"].map((part) => line[part][0] + (line[part][1] ? "…" : ""));
  // The second picture says nothing new to whoever listens.
  return el("div", { class: "mock", "data-scheme": scheme, "data-kind": `${line.name} ${line.device}`, "aria-hidden": scheme === "dark" },
    el("span", { class: "mock-sender", dir: "auto" }, sender),
    el("span", { class: "mock-time", "aria-hidden": "true" }, "09:00"),
    el("span", { class: "mock-subject", dir: "auto" }, subject),
    el("span", { class: "mock-preheader", dir: "auto" }, preheader));
}
