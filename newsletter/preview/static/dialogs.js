// Two questions: whose copy is shown, and to whom does a test go?

import { el } from "./panels.js";

const $ = (id) => document.getElementById(id);

for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

export function setUpReaders({ chosen, choose }) {
  let asked = 0;
  let waiting = 0;

  async function list() {
    const mine = (asked += 1);
    const answer = await fetch(`readers?${new URLSearchParams({ q: $("who-search").value })}`).catch(() => null);
    if (mine !== asked || !answer) return;
    const found = await answer.json();
    if (!answer.ok) {
      $("who-list").replaceChildren();
      $("who-note").textContent = [found.message, found.hint].filter(Boolean).join(". ");
      return;
    }
    $("who-list").replaceChildren(...found.map(person));
    const people = found.filter(({ name }) => !name.startsWith("sample:")).length;
    $("who-note").textContent = $("who-search").value.trim() ? `${people} of the list` : "Type to search the list. Nothing is changed or sent.";
  }

  function person({ name, label, note }) {
    const button = el("button", { type: "button", class: "person", "data-name": name, "aria-pressed": String(name === chosen()) },
      el("span", {}, label), note ? el("span", { class: "person-note" }, note) : null);
    button.addEventListener("click", () => {
      choose(name === "sample:ada" ? "" : name);
      $("who").close();
    });
    return el("li", {}, button);
  }

  $("who-search").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(list, 120);
  });
  $("who").addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const all = [$("who-search"), ...$("who-list").querySelectorAll("button")];
    all[Math.max(0, Math.min(all.length - 1, all.indexOf(document.activeElement) + by))].focus();
  });
  return () => {
    $("who-search").value = "";
    $("who").showModal();
    list();
  };
}

export function setUpTrial({ issue, identity }) {
  function say(words, mood = "") {
    $("trial-said").textContent = words;
    $("trial-said").dataset.mood = mood;
  }

  $("trial-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    $("trial-send").disabled = true;
    say("On its way …");
    try {
      const answer = await fetch("test", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ issue: issue(), to: $("trial-to").value }),
      });
      const found = answer.headers.get("content-type")?.includes("json") ? await answer.json() : { message: await answer.text() };
      if (!answer.ok) say([found.message, found.hint].filter(Boolean).join(" – "), "error");
      else if (found.accepted) say(`Accepted by ${found.provider} for ${found.to}${found.said ? `: ${found.said}` : ""}`, "good");
      else say(`Not accepted by ${found.provider}: ${found.said}`, "error");
    } catch {
      say("The preview doesn't answer: is it still running?", "error");
    }
    $("trial-send").disabled = false;
  });
  return () => {
    const { provider, from, sandbox } = identity();
    $("trial-provider").textContent = provider;
    $("trial-from").textContent = from;
    $("trial-sandbox").hidden = !sandbox;
    say("");
    $("trial").showModal();
    $("trial-to").focus();
  };
}
