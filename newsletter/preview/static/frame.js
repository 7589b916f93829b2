// How does the email get into the page without a flash? Same head: the body is swapped in place.
// Another head, issue or view: the frame loads again while the sheet keeps its height.

export class Mail {
  constructor(frame, sheet, { onLink, onKey, onShown }) {
    this.frame = frame;
    this.sheet = sheet;
    this.onLink = onLink;
    this.onKey = onKey;
    this.onShown = onShown;
    this.loaded = null; // { address, shell } of what the frame holds
    this.wanted = null; // { address, shell, body, version }
    this.loading = null;
    this.sizes = new ResizeObserver(() => this.fit());
    frame.addEventListener("load", () => this.arrived());
  }

  show(wanted) {
    this.wanted = wanted;
    if (this.loading) return; // `arrived` looks again
    const body = this.document?.body;
    if (body && wanted.body && this.loaded?.address === wanted.address && this.loaded.shell === wanted.shell) {
      body.innerHTML = wanted.body;
      this.fit();
      this.onShown();
    } else {
      this.load(wanted);
    }
  }

  clear() {
    this.wanted = this.loaded = null;
    if (this.frame.hasAttribute("src")) this.frame.removeAttribute("src");
  }

  // Whether the frame holds what it should.
  get still() {
    return Boolean(this.loaded && !this.loading);
  }

  get document() {
    return this.frame.contentDocument;
  }

  load(wanted) {
    this.loading = wanted;
    const separator = wanted.address.includes("?") ? "&" : "?";
    // Replacing the location keeps the browser's history free of views of the same page.
    this.frame.contentWindow.location.replace(new URL(`${wanted.address}${separator}v=${wanted.version}`, location.href));
  }

  arrived() {
    const held = this.loading;
    if (!held) return;
    this.loading = null;
    this.loaded = { address: held.address, shell: held.shell };
    const doc = this.document;
    this.sizes.disconnect();
    if (doc?.body) {
      this.sizes.observe(doc.documentElement);
      this.sizes.observe(doc.body);
      for (const kind of ["click", "auxclick"]) doc.addEventListener(kind, (event) => this.followed(event));
      doc.addEventListener("submit", (event) => event.preventDefault());
      doc.addEventListener("keydown", (event) => this.onKey(event));
    }
    this.fit();
    this.onShown();
    if (this.wanted && this.wanted !== held) this.show(this.wanted);
  }

  followed(event) {
    const link = event.target.closest?.("a[href], area[href]");
    if (!link) return;
    event.preventDefault();
    const href = link.getAttribute("href");
    if (href.startsWith("#")) {
      const target = this.document.getElementById(decodeURIComponent(href.slice(1)));
      target?.scrollIntoView({ block: "start" });
    } else {
      this.onLink(href);
    }
  }

  fit() {
    const doc = this.document;
    if (!doc?.body) return;
    // A body of 100 % height would report the frame's own: measure it in a low frame, without letting the page move.
    const held = this.frame.offsetHeight;
    this.sheet.style.minHeight = `${held}px`;
    this.frame.style.height = "1px";
    const height = Math.max(doc.documentElement.scrollHeight, doc.body.scrollHeight, 1);
    this.frame.style.height = `${height}px`;
    this.sheet.style.minHeight = "";
  }
}
