// Small tools: elements, icons, storage, announcements, and the call to the server. No markup is ever built from text.

const root = element.querySelector(".fd");
const $ = (selector) => root.querySelector(selector);
const scroller = $(".fd-scroll");
const { branding, limits } = props.boot;
const page = { conversation: null, busy: false, last: null };
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
const touch = window.matchMedia("(pointer: coarse)");

const ICONS = {
  up: "M7 10.5v9H4.5a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1H7Zm0 0 3.6-6.6a1.7 1.7 0 0 1 3.2.9V9h4.6a2 2 0 0 1 2 2.4l-1.3 6.5a2 2 0 0 1-2 1.6H7",
  down_vote: "M17 13.5v-9h2.500a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1H17Zm0 0-3.600 6.600a1.700 1.700 0 0 1-3.200-.9V15H5.600a2 2 0 0 1-2-2.400l1.300-6.500a2 2 0 0 1 2-1.600H17",
  person: "M12 11.500a3.750 3.750 0 1 0 0-7.500 3.750 3.750 0 0 0 0 7.500ZM4.750 20c.6-3.200 3.600-5.250 7.250-5.250S18.650 16.800 19.250 20",
  moon: "M20 14.200A8.200 8.200 0 0 1 9.800 4a8.200 8.200 0 1 0 10.200 10.200Z",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM12 2.750v1.750M12 19.500v1.750M4 12H2.250M21.750 12H20M6.300 6.300 5.100 5.100M18.900 18.900l-1.200-1.200M6.300 17.700l-1.200 1.200M18.900 5.100l-1.200 1.200",
  new: "M12 4.500H6.500a2 2 0 0 0-2 2v11a2 2 0 0 0 2 2h11a2 2 0 0 0 2-2V12M9.500 14.500l.6-2.700 7.700-7.700a1.480 1.480 0 0 1 2.100 2.100l-7.700 7.700-2.700.6Z",
  send: "M12 19.250V4.750M5.750 11 12 4.750 18.250 11",
  down: "M12 4.750v14.500M5.750 13 12 19.250 18.250 13",
  ask: "M5 12h14M13 6l6 6-6 6",
  chevron: "m7 10 5 5 5-5",
  close: "M6 6l12 12M18 6 6 18",
};

function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  picture.setAttribute("viewBox", "0 0 24 24");
  picture.setAttribute("aria-hidden", "true");
  picture.setAttribute("class", "fd-icon");
  path.setAttribute("d", ICONS[name]);
  picture.append(path);
  return picture;
}

// make("button.fd-link", {type: "button", onclick: f}, "text", child): attributes and handlers; texts stay texts.
function make(kind, attributes = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  if (tag === "button" && !attributes.type) node.type = "button";
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

let minted = 0;
const mintId = (prefix) => `${prefix}-${++minted}`;

// crypto.randomUUID exists on https and localhost only; a shop may try this page over plain http first.
function mintKey() {
  const bytes = window.crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Storage may be full, refused or absent (private windows, third-party frames): the chat works without.
function stored(kind, key, value) {
  try {
    const storage = window[kind];
    if (value === undefined) return storage.getItem(key);
    if (value === null) storage.removeItem(key);
    else storage.setItem(key, value);
  } catch (error) {
    console.info(`No ${kind} here; the page goes on without.`, error.name);
  }
  return null;
}

function announce(text) {
  $("[role=status]").textContent = text;
}

function alertUser(text, action = null) {
  const box = $(".fd-alert");
  box.replaceChildren();
  if (!text) return;
  box.append(make("p", {}, text));
  if (action) box.append(make("button.fd-link", { onclick: () => { alertUser(""); action.run(); } }, action.label));
}

class Problem extends Error {
  constructor(kind, text) {
    super(text);
    this.kind = kind;
  }
}

const PATIENCE_MS = 30000;

// One call of a Python function. Gradio's client swallows what went wrong with the connection, so we look for ourselves.
async function call(name, payload) {
  const tooLate = new Promise((resolve) => window.setTimeout(resolve, PATIENCE_MS));
  const answer = await Promise.race([server[name](payload), tooLate]);
  if (answer === undefined || answer === null) throw await diagnose();
  if (answer.error) throw new Problem(answer.error.kind, answer.error.text);
  return answer;
}

async function diagnose() {
  let probe;
  try {
    probe = await fetch("api/v1/suggest?q=help", { cache: "no-store", signal: AbortSignal.timeout(5000) });
  } catch (error) {
    return new Problem("away", "We can't reach the server. Check your connection and try again.");
  }
  if (probe.status === 429) {
    const seconds = Number(probe.headers.get("Retry-After")) || 60;
    return new Problem("limited", `That was a lot of questions at once. Please try again in ${seconds} seconds.`);
  }
  if (probe.status >= 500) return new Problem("away", "The server can't answer just now. Please try again in a moment.");
  return new Problem("failed", "Something went wrong on our side. Please try again.");
}
