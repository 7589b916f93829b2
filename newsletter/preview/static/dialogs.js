// Two questions: whose copy is shown, and to whom does a test go?

import { el } from "./panels.js";

const $ = (id) => document.getElementById(id);

for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

// A sentence of its own, unless it begins with the name of a file or a setting.
function sentence(words) {
  const plain = words.trim().replace(/[.:]+$/, "");
  return `${/^[a-z]+[ ,’']/.test(plain) ? plain[0].toUpperCase() + plain.slice(1) : plain}.`;
}

// What happened, and what to do.
function explained({ message, hint }) {
  return [message, hint].filter(Boolean).map(sentence).join(" ");
}

export function setUpReaders({ chosen, choose }) {
  let asked = 0;
  let waiting = 0;

  async function list() {
    const mine = (asked += 1);
    const answer = await fetch(`readers?${new URLSearchParams({ q: $("who-search").value })}`).catch(() => null);
    const found = await answer?.json();
    if (mine !== asked || !answer) return;
    if (!answer.ok) {
      show([]);
      $("who-note").textContent = explained(found);
      return;
    }
    show(found.map(person));
    const people = found.filter(({ name }) => !name.startsWith("sample:")).length;
    $("who-note").textContent = $("who-search").value.trim() ? `${people} of the list` : "Type to search the list. Nothing is changed or sent.";
  }

  // Whoever has walked into the list before the last letters were answered stays on the same reader.
  function show(people) {
    const held = document.activeElement?.closest("#who-list [data-name]")?.dataset.name;
    $("who-list").replaceChildren(...people);
    if (held === undefined) return;
    const same = [...$("who-list").querySelectorAll("button")].find((button) => button.dataset.name === held);
    (same ?? $("who-search")).focus();
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
    // A provider is given a minute; who waits for it should know.
    const slow = setTimeout(() => say(`${identity().provider} hasn't answered yet. It is waited for up to a minute.`), 8000);
    try {
      const answer = await fetch("test", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ issue: issue(), to: $("trial-to").value }),
      });
      const found = answer.headers.get("content-type")?.includes("json") ? await answer.json() : { message: await answer.text() };
      if (!answer.ok) say(explained(found), "error");
      else if (found.accepted) say(`Accepted by ${found.provider} for ${found.to}${found.said ? `: ${found.said}` : ""}`, "good");
      else if (found.unsure) say(`Nobody can tell whether ${found.provider} accepted it: ${sentence(found.said)} Look into the mailbox of ${found.to} before you send another.`, "error");
      else say(`Not accepted by ${found.provider}: ${found.said}`, "error");
    } catch {
      say("The preview doesn't answer: is it still running?", "error");
    }
    clearTimeout(slow);
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
