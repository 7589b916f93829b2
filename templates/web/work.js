// Finds a number whose SHA-256 with the form's token and address begins with enough zero bits, then lets the form go.
// Written out because crypto.subtle answers one digest at a time, asynchronously, and on https alone.
"use strict";
(() => {
  const K = new Uint32Array(64), H = new Uint32Array(8);
  for (let n = 2, found = 0; found < 64; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) { prime = false; break; }
    if (!prime) continue;
    if (found < 8) H[found] = (Math.sqrt(n) % 1) * 4294967296;
    K[found++] = (Math.cbrt(n) % 1) * 4294967296;
  }
  const turn = (x, n) => (x >>> n) | (x << (32 - n));
  const W = new Uint32Array(64);

  // The first word of the digest of `bytes`; 24 bits are the most that is asked for.
  function firstWord(bytes) {
    const length = bytes.length, padded = new Uint8Array(((length + 8) >> 6) * 64 + 64);
    padded.set(bytes);
    padded[length] = 0x80;
    new DataView(padded.buffer).setUint32(padded.length - 4, length * 8);
    const view = new DataView(padded.buffer), state = H.slice();
    for (let at = 0; at < padded.length; at += 64) {
      for (let i = 0; i < 16; i++) W[i] = view.getUint32(at + i * 4);
      for (let i = 16; i < 64; i++) {
        const a = W[i - 15], b = W[i - 2];
        W[i] = W[i - 16] + (turn(a, 7) ^ turn(a, 18) ^ (a >>> 3)) + W[i - 7] + (turn(b, 17) ^ turn(b, 19) ^ (b >>> 10));
      }
      let [a, b, c, d, e, f, g, h] = state;
      for (let i = 0; i < 64; i++) {
        const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + W[i]) | 0;
        const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        h = g; g = f; f = e; e = (d + one) | 0; d = c; c = b; b = a; a = (one + two) | 0;
      }
      [a, b, c, d, e, f, g, h].forEach((word, i) => { state[i] += word; });
    }
    return state[0];
  }

  document.getElementById("no-script")?.remove();
  for (const form of document.querySelectorAll("form[data-work]")) {
    const bits = Number(form.dataset.work);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (form.dataset.busy) return;
      form.dataset.busy = "yes";
      const button = form.querySelector("button");
      button.setAttribute("aria-disabled", "true");
      button.textContent = "One moment …";
      const begin = form.elements.form_token.value + ":" + form.elements.email.value.trim() + ":";
      const encoder = new TextEncoder();
      let number = 0;
      const search = () => {
        for (const end = number + 2000; number < end; number++) {
          if (firstWord(encoder.encode(begin + number)) >>> (32 - bits) === 0) {
            const field = document.createElement("input");
            field.type = "hidden";
            field.name = "work";
            field.value = String(number);
            form.append(field);
            form.submit();
            return;
          }
        }
        setTimeout(search);
      };
      search();
    });
  }
})();
