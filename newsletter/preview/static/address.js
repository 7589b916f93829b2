// What is looked at, and how the address says so: everything that can be chosen is a link that can be kept.

export const PANELS = ["email", "text", "web", "message", "findings", "inbox", "clients"];
export const WIDTHS = ["320", "375", "600", "wide"];
export const SCHEMES = ["light", "dark", "inverted", "recoloured"];
export const CLIENTS = ["full", "plain", "word"];
export const NARROWEST = 240;
export const WIDEST = 1600;
// The column the mail is made for, or on a telephone's own screen what it has room for.
const NATURAL = window.innerWidth < 640 ? "320" : "600";

export const state = { key: "", panel: "email", width: NATURAL, scheme: "light", client: "full", images: true, as: "" };

const among = (list, value) => (list.includes(value) ? value : list[0]);

// A chosen width, or any other in pixels that was dragged to.
function width(given) {
  const pixels = Number(given);
  if (WIDTHS.includes(given)) return given;
  return given && Number.isInteger(pixels) ? String(Math.min(WIDEST, Math.max(NARROWEST, pixels))) : NATURAL;
}

export function readAddress() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [key, panel] = path.split("/").map(decoded);
  const given = new URLSearchParams(query);
  state.key = key || "";
  state.panel = among(PANELS, panel);
  state.width = width(given.get("width"));
  state.scheme = among(SCHEMES, given.get("scheme"));
  state.client = among(CLIENTS, given.get("client"));
  state.images = given.get("images") !== "off";
  state.as = given.get("as") ?? "";
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

// How the email is asked for, and for whom: the same words in our address and in the server's.
export function viewQuery({ scheme, client, images, as } = state) {
  const query = new URLSearchParams();
  if (scheme !== "light") query.set("scheme", scheme);
  if (client !== "full") query.set("client", client);
  if (!images) query.set("images", "off");
  if (as) query.set("as", as);
  return query;
}

export function address(changes = {}) {
  const next = { ...state, ...changes };
  const query = new URLSearchParams();
  if (next.width !== NATURAL) query.set("width", next.width);
  for (const [name, value] of viewQuery(next)) query.set(name, value);
  const tail = query.toString();
  return `#/${encodeURIComponent(next.key)}/${next.panel}${tail ? `?${tail}` : ""}`;
}
