// Puts it together: branding, light and dark, asking, history, and what to do when the server is away.

const CONVERSATION = "frontdesk.conversation";
const SCHEME = "frontdesk.scheme";
const TYPING_DELAY_MS = 120;

function remember(conversation) {
  if (!conversation || conversation === page.conversation) return;
  page.conversation = conversation;
  stored("localStorage", CONVERSATION, conversation);
}

function forget() {
  page.conversation = null;
  stored("localStorage", CONVERSATION, null);
  stored("localStorage", HAND_OVERS, null);
  $(".fd-log").replaceChildren();
  alertUser("");
  welcome(true);
  focusComposer();
}

function welcome(shown) {
  $(".fd-welcome").hidden = !shown;
  $(".fd-new").hidden = shown;
  root.dataset.state = shown ? "empty" : "talking";
}

// ---- asking

async function ask(text, chosen = null) {
  if (page.busy) return;
  alertUser("");
  welcome(false);
  const node = showQuestion(text);
  toNewest();
  focusComposer();
  await send(node, { message: text, chosen, conversation_id: page.conversation, idempotency_key: mintKey() });
}

async function send(node, message) {
  page.busy = true;
  composerChanged();
  let stopTyping = () => {};
  const waiting = window.setTimeout(() => {
    stopTyping = showTyping(node);
    toNewest();
  }, TYPING_DELAY_MS);
  try {
    const answer = await askServer(message);
    remember(answer.conversation_id);
    stopTyping();
    showAnswer(node, answer.turn, { fresh: true });
    toNewest(node);
  } catch (problem) {
    stopTyping();
    failed(node, message, problem);
  } finally {
    window.clearTimeout(waiting);
    page.busy = false;
    composerChanged();
  }
}

async function askServer(message) {
  try {
    return await call("ask_question", message);
  } catch (problem) {
    if (problem.kind !== "not_found" || !message.conversation_id) throw problem;
    // The conversation was erased on the server: what the visitor asks now begins a new one.
    page.conversation = null;
    return call("ask_question", { ...message, chosen: null, conversation_id: null, idempotency_key: mintKey() });
  }
}

// Nothing the visitor wrote is lost: an unsent question stays where it is, with a way to send it again or to mend it.
function failed(node, message, problem) {
  if (!(problem instanceof Problem)) console.error(problem);
  const text = problem instanceof Problem ? problem.message : "Something went wrong on this page. Please try again.";
  const again = () => {
    box.remove();
    // The same key while nothing has changed, so that a question whose answer got lost is not recorded twice.
    const same = message.conversation_id === page.conversation;
    send(node, same ? message : { ...message, conversation_id: page.conversation, idempotency_key: mintKey() });
  };
  const edit = () => {
    node.remove();
    welcome(!$(".fd-log").children.length);
    setComposer(message.message);
    input.focus();
  };
  const buttons = [make("button.fd-link", { onclick: edit }, "Edit")];
  // Asking the same again can't help where the text itself was refused.
  if (problem.kind !== "message") buttons.unshift(make("button.fd-link", { onclick: again }, "Try again"));
  const box = make("div.fd-failed", {}, make("p", {}, text), make("div.fd-buttons", {}, ...buttons));
  node.append(box);
  if (!input.value) stored("sessionStorage", DRAFT, message.message);
  announce(`Not sent. ${text}`);
  toNewest();
}

// ---- where the eye is

function toNewest(answered = null) {
  const bottom = scroller.scrollHeight - scroller.clientHeight;
  // A long answer is read from its question on, not from its end.
  const top = answered ? Math.min(bottom, answered.offsetTop - scroller.offsetTop - 16) : bottom;
  scroller.scrollTo({ top, behavior: calm.matches ? "auto" : "smooth" });
}

function watchScroll() {
  const down = $(".fd-down");
  let atEnd = true;
  const below = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
  const check = () => { down.hidden = below() < 160; };
  scroller.addEventListener("scroll", () => {
    atEnd = below() < 8;
    check();
  }, { passive: true });
  new ResizeObserver(check).observe($(".fd-log"));
  // A keyboard that opens, a field that grows or an alert must not cover what the visitor was looking at.
  new ResizeObserver(() => {
    if (atEnd) scroller.scrollTop = scroller.scrollHeight;
    check();
  }).observe(scroller);
  down.addEventListener("click", () => {
    toNewest();
    focusComposer();
  });
}

// ---- history

async function restore() {
  page.conversation = stored("localStorage", CONVERSATION);
  if (!page.conversation) return showHistory([]);
  try {
    const { turns } = await call("load_history", { conversation_id: page.conversation });
    showHistory(turns);
  } catch (problem) {
    if (problem.kind === "not_found") return forget();
    welcome(true);
    alertUser(`Your earlier conversation could not be loaded. ${problem.message}`, { label: "Try again", run: restore });
  }
  return undefined;
}

function showHistory(turns) {
  $(".fd-log").replaceChildren();
  const handOvers = keptHandOvers();
  welcome(!turns.length && !handOvers.length);
  turns.forEach((turn) => showAnswer(showQuestion(turn.question), turn));
  handOvers.forEach(showHandOver);
  scroller.scrollTop = scroller.scrollHeight;
}

// ---- light and dark

const dark = window.matchMedia("(prefers-color-scheme: dark)");

function showScheme() {
  const chosen = document.documentElement.dataset.scheme;
  const isDark = chosen ? chosen === "dark" : dark.matches;
  const button = $(".fd-scheme");
  // Gradio's own parts, such as a lost-connection notice, follow this class.
  document.body.classList.toggle("dark", isDark);
  document.querySelector("meta[name=theme-color]").content = getComputedStyle(root).backgroundColor;
  button.replaceChildren(icon(isDark ? "sun" : "moon"));
  button.setAttribute("aria-label", isDark ? "Light colours" : "Dark colours");
  return isDark;
}

function toggleScheme() {
  const next = showScheme() ? "light" : "dark";
  const followsSystem = (next === "dark") === dark.matches;
  if (followsSystem) delete document.documentElement.dataset.scheme;
  else document.documentElement.dataset.scheme = next;
  stored("localStorage", SCHEME, followsSystem ? null : next);
  showScheme();
}

// ---- start

function brand() {
  document.title = branding.name;
  $(".fd-name").textContent = branding.name;
  $(".fd-tagline").textContent = branding.tagline;
  $(".fd-greeting").textContent = branding.greeting;
  $(".fd-promise").textContent = `Every answer was written by the team at ${branding.name}.`;
  $(".fd-logo").src = branding.logo;
  root.querySelectorAll("[data-icon]").forEach((button) => button.prepend(icon(button.dataset.icon)));
  $(".fd-starters").append(...branding.starters.map((question) => make("li", {},
    make("button.fd-starter", { dir: "auto", onclick: () => ask(question) }, make("span", {}, question), icon("ask")))));
}

brand();
startComposer();
startDialogs();
watchScroll();
showScheme();
dark.addEventListener("change", showScheme);
$(".fd-scheme").addEventListener("click", toggleScheme);
$(".fd-skip").addEventListener("click", () => input.focus());
// Another tab of this browser began or cleared the conversation: the server's history is the truth for both.
window.addEventListener("storage", (event) => {
  if (event.key === CONVERSATION && event.newValue !== page.conversation && !page.busy) restore();
});
restore().then(() => {
  if (!touch.matches) input.focus({ preventScroll: true });
});
