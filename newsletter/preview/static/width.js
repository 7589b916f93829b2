// How wide is the sheet? As chosen, or as far as the handle at its edge was moved, by pointer or by arrow keys.

import { NARROWEST, WIDEST } from "./address.js";

const STEP = 10;

export class Width {
  constructor(sheet, handle, label, { onChange }) {
    Object.assign(this, { sheet, handle, label, onChange });
    handle.addEventListener("pointerdown", (event) => this.grab(event));
    handle.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.say()).observe(sheet);
  }

  set(width) {
    // A drag that is under way knows better.
    if (!this.from) this.sheet.style.width = width === "wide" ? "100%" : `${width}px`;
    this.say();
  }

  say() {
    const pixels = Math.round(this.sheet.getBoundingClientRect().width);
    if (!pixels) return;
    this.handle.setAttribute("aria-valuenow", pixels);
    this.handle.setAttribute("aria-valuetext", `${pixels} pixels`);
    this.label.textContent = String(pixels);
  }

  grab(event) {
    if (event.button) return;
    event.preventDefault();
    this.handle.setPointerCapture(event.pointerId);
    this.handle.focus();
    this.from = { x: event.clientX, width: this.sheet.getBoundingClientRect().width };
    const move = (moved) => {
      // The sheet stays in the middle: its edge moves half as far as its width changes.
      this.sheet.style.width = `${this.within(this.from.width + 2 * (moved.clientX - this.from.x))}px`;
    };
    const end = () => {
      this.handle.removeEventListener("pointermove", move);
      this.from = null;
      this.onChange(String(this.within(this.sheet.getBoundingClientRect().width)));
    };
    this.handle.addEventListener("pointermove", move);
    this.handle.addEventListener("lostpointercapture", end, { once: true });
  }

  key(event) {
    const by = { ArrowRight: STEP, ArrowLeft: -STEP, PageUp: 10 * STEP, PageDown: -10 * STEP }[event.key];
    const to = { Home: NARROWEST, End: WIDEST }[event.key];
    if (!by && !to) return;
    event.preventDefault();
    event.stopPropagation();
    this.onChange(String(this.within(to ?? this.sheet.getBoundingClientRect().width + by)));
  }

  within(width) {
    return Math.min(WIDEST, Math.max(NARROWEST, Math.round(width)));
  }
}
