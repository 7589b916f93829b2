// What will the archive show? The site's own page, asked for when somebody looks and again after every save.

import { el, prose } from "./panels.js";

export class Site {
  constructor(frame, sheet, notes, { onLink, onKey, onShown }) {
    Object.assign(this, { frame, sheet, notes, onLink, onKey, onShown });
    this.asked = 0;
    this.address = "";
    frame.addEventListener("load", () => this.arrived());
  }

  clear() {
    this.asked += 1;
    this.address = "";
    this.sheet.hidden = true;
    this.notes.replaceChildren();
    if (this.frame.hasAttribute("src")) this.frame.removeAttribute("src");
  }

  async show(key, scheme) {
    const asked = (this.asked += 1);
    if (!this.address) this.notes.replaceChildren(el("p", { class: "note" }, "The site is being built."));
    const answer = await fetch(`web/${encodeURIComponent(key)}`).catch(() => null);
    if (asked !== this.asked || !answer) return;
    const found = answer.ok ? await answer.json() : { address: "", findings: [], message: await answer.text() };
    if (asked !== this.asked) return;
    const said = found.findings.map((finding) =>
      el("p", { class: "site-note", "data-severity": finding.severity }, el("b", {}, finding.place), " ", ...prose(finding.message)));
    if (found.message) said.unshift(el("p", { class: "site-note" }, found.message, found.hint ? ` ${found.hint}` : ""));
    this.sheet.hidden = !found.address;
    if (!found.address && !said.length) said.push(el("p", { class: "site-note" }, "The site shows nothing of this issue."));
    this.notes.replaceChildren(...said);
    if (!found.address) return this.onShown();
    this.address = `site/${scheme === "dark" ? "dark" : "light"}/${encodeURIComponent(key)}${found.address}`;
    this.top = this.frame.contentWindow.scrollY;
    this.frame.contentWindow.location.replace(new URL(`${this.address}?${asked}`, location.href));
  }

  arrived() {
    const doc = this.frame.contentDocument;
    if (!doc?.body || !this.address) return;
    doc.addEventListener("keydown", (event) => this.onKey(event));
    doc.addEventListener("submit", (event) => event.preventDefault());
    doc.addEventListener("click", (event) => {
      const link = event.target.closest?.("a[href]");
      // Pages of the site open here; the rest of the web opens beside.
      if (!link || link.href.startsWith(new URL("site/", location.href).href) || link.getAttribute("href").startsWith("#")) return;
      event.preventDefault();
      this.onLink(link.href);
    });
    this.fit();
    new ResizeObserver(() => this.fit()).observe(doc.body);
    this.onShown();
  }

  fit() {
    const doc = this.frame.contentDocument;
    if (!doc?.body) return;
    const height = Math.max(doc.documentElement.scrollHeight && doc.body.getBoundingClientRect().height, 320);
    this.frame.style.height = `${Math.ceil(height)}px`;
  }
}
