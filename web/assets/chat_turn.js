// One exchange: the question, the answer with what stands under it, and the progressive reveal.

function showQuestion(text) {
  const node = make("article.fd-turn", {},
    make("div.fd-question", { dir: "auto" }, make("span.fd-sr", {}, "You: "), text));
  $(".fd-log").append(node);
  return node;
}

function showTyping(node) {
  const dots = make("div.fd-typing", { "aria-hidden": "true" }, make("i"), make("i"), make("i"));
  node.append(dots);
  return () => dots.remove();
}

function showAnswer(node, turn, { fresh = false } = {}) {
  node.dataset.turn = turn.turn_id;
  node.dataset.outcome = turn.outcome;
  const prose = make("div.fd-prose", { dir: "auto" });
  // The one place where markup comes in: rendered and sanitised by the server (chat_markdown.py).
  prose.innerHTML = turn.html;
  const mark = make("img.fd-avatar", { src: branding.logo, alt: "", width: 28, height: 28 });
  const body = make("div.fd-body", {}, make("span.fd-sr", {}, `${branding.name}: `), prose);
  turn.more.forEach((other) => body.append(moreAnswer(other)));
  if (turn.offer_person) body.append(personOffer(turn));
  body.append(answerActions(turn));
  node.append(make("div.fd-answer", {}, mark, body));
  offerNext(node, turn);
  if (turn.reference) showHandOver({ reference: turn.reference, after: turn.turn_id, asked: false });
  if (fresh) {
    announce(spoken(prose));
    reveal(body, prose, node.querySelector(".fd-next"));
  }
}

function moreAnswer(other) {
  const prose = make("div.fd-prose", { dir: "auto" });
  prose.innerHTML = other.html;
  return make("details.fd-more", {}, make("summary", {}, icon("chevron"), other.question), prose);
}

function personOffer(turn) {
  const text = turn.outcome === "handed_over" ? "Leave your contact" : "Talk to a person";
  return make("button.fd-pill.fd-offer", { onclick: openHandOver }, icon("person"), text);
}

// Blocks end in a full stop for the ear, or a list would be read as one sentence.
function spoken(prose) {
  const copy = prose.cloneNode(true);
  copy.querySelectorAll("p,li,h3,h4,h5,h6,tr,pre").forEach((block) => block.append(". "));
  return copy.textContent.replace(/\s+/g, " ").replace(/([.:;!?])\s*\.\s/g, "$1 ").trim();
}

function answerActions(turn) {
  const why = whyPanel(turn);
  const feedback = votePanel(turn);
  const row = make("div.fd-actions", {},
    turn.votable ? make("div.fd-thumbs", { role: "group", "aria-label": "Was this helpful?" }, feedback.up, feedback.down) : null,
    why.button, feedback.note);
  return make("div", {}, row, why.panel, feedback.panel);
}

// A button that opens a panel: Esc inside it closes it and gives the focus back. `closed` runs whenever it was closed.
function discloses(button, panel, closed = () => {}) {
  const show = (opened) => {
    panel.hidden = !opened;
    button.setAttribute("aria-expanded", String(opened));
    if (opened) panel.scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
    else closed();
  };
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    show(false);
    button.focus();
  });
  panel.id = panel.id || mintId("fd-panel");
  button.setAttribute("aria-controls", panel.id);
  panel.hidden = true;
  button.setAttribute("aria-expanded", "false");
  return show;
}

function whyPanel(turn) {
  const why = turn.why;
  const title = turn.why.matched_question ? "Why this answer" : "Why this reply";
  const button = make("button.fd-quiet", {}, title, icon("chevron"));
  const list = make("dl.fd-facts");
  const fact = (term, ...value) => list.append(make("dt", {}, term), make("dd", { dir: "auto" }, ...value));
  if (why.matched_question) fact("Matched question", why.matched_question);
  if (why.matched_text && why.matched_text !== why.matched_question) fact("Closest wording", `“${why.matched_text}”`);
  if (why.understood) fact("Understood as", why.understood);
  fact("Confidence", confidence(why));
  if (why.source) fact("Source", why.source);
  if (why.reason) fact("Reason", why.reason);
  // It takes a moment to find out: only for those who ask. What was not recorded can't be asked about.
  if (turn.votable) fact("Words that mattered", wordsOf(turn));
  if (why.rules.length) fact("Rules", why.rules.join(", "));
  if (why.runners_up.length) fact("Also considered", runnersUp(why.runners_up));
  fact("Version", make("code", {}, why.snapshot));
  const panel = make("div.fd-why", { role: "group", "aria-label": title }, list);
  const show = discloses(button, panel);
  button.addEventListener("click", () => show(panel.hidden));
  button.addEventListener("keydown", (event) => { if (event.key === "Escape") show(false); });
  return { button, panel };
}

function wordsOf(turn) {
  const button = make("button.fd-link", {}, "Find out");
  const said = make("div.fd-words", { tabindex: -1 }, button);
  let isAsking = false;
  button.addEventListener("click", async () => {
    if (isAsking) return;
    isAsking = true;
    // The focus stays here when the button goes, so that Esc still closes the panel.
    said.focus({ preventScroll: true });
    try {
      said.replaceChildren(...wordList(await call("explain_words", { conversation_id: page.conversation, turn_id: turn.turn_id })));
    } catch (problem) {
      if (!(problem instanceof Problem)) console.error(problem);
      isAsking = false;
      said.replaceChildren(make("p", {}, problem.message), button);
    }
    announce(said.textContent);
  });
  return said;
}

function wordList({ words, changed }) {
  if (!words.length) return ["No single word stands out."];
  const items = words.map((each) => make("li", {}, make("span", {}, each.word), make("span.fd-dim", {}, ` ${each.percent} % `)));
  const note = changed ? make("span.fd-dim", {}, "The answers have changed since; this is by those of now.") : null;
  return [make("ul", {}, ...items), ...(note ? [note] : [])];
}

function confidence(why) {
  const bar = make("span.fd-meter", { "aria-hidden": "true" }, make("span"));
  bar.firstChild.style.inlineSize = `${why.percent}%`;
  return make("span.fd-confidence", {}, bar, `${why.words}, ${why.percent} %`);
}

function runnersUp(others) {
  return make("ul.fd-runners", {}, ...others.map((other) =>
    make("li", {}, make("span", {}, other.question), make("span.fd-dim", {}, `${other.percent} % · ${other.reason}`))));
}

// Only the newest answer offers what to ask next: older offers would pull the eye back.
function offerNext(node, turn) {
  // What was not recorded can't be referred to, and none of the options is no pair.
  const chosen = (choice) => (turn.votable && choice.pair_id ? { turn_id: turn.turn_id, pair_id: choice.pair_id, role: choice.role } : null);
  root.querySelectorAll(".fd-next").forEach((old) => old.remove());
  if (!turn.choices.length) return;
  const title = turn.outcome === "clarifying" ? "Did you mean" : "You could ask next";
  const heading = make("h2.fd-next-title", { id: mintId("fd-next") }, title);
  const list = make("ul", { "aria-labelledby": heading.id }, ...turn.choices.map((choice) =>
    make("li", {}, make("button.fd-choice", {
      dir: "auto",
      onclick: () => ask(choice.question, chosen(choice)),
    }, choice.question))));
  node.append(make("div.fd-next", {}, heading, list));
}

const REVEAL_MS = 650;
const GROUP = 3;

// Word groups appear one after another, in under a second all told. The whole text is there from the start, so that
// nothing moves and screen readers have it at once.
function reveal(body, prose, next) {
  if (calm.matches) return;
  const pieces = wordGroups(prose);
  const step = Math.min(45, REVEAL_MS / Math.max(1, pieces.length));
  const appear = (piece, index) => {
    piece.classList.add("fd-piece");
    piece.style.animationDelay = `${Math.round(index * step)}ms`;
  };
  pieces.forEach(appear);
  prose.querySelectorAll("li,tr,pre,hr,blockquote").forEach((block) => {
    const first = pieces.findIndex((piece) => block.contains(piece));
    if (first >= 0) appear(block, first);
  });
  const after = [...body.children].filter((child) => child !== prose).concat(next || []);
  after.forEach((child) => appear(child, pieces.length));
  window.setTimeout(() => settle(prose, after), pieces.length * step + 300);
}

function wordGroups(prose) {
  const walker = document.createTreeWalker(prose, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) if (walker.currentNode.data.trim()) texts.push(walker.currentNode);
  return texts.flatMap((text) => {
    const words = text.data.match(/\s*\S+\s*/g) || [];
    const groups = [];
    for (let at = 0; at < words.length; at += GROUP) groups.push(make("span", {}, words.slice(at, at + GROUP).join("")));
    text.replaceWith(...groups);
    return groups;
  });
}

// Leaves the answer as the server sent it: no wrappers to trip over when text is selected or copied.
function settle(prose, others) {
  prose.querySelectorAll("span.fd-piece").forEach((piece) => piece.replaceWith(...piece.childNodes));
  prose.normalize();
  [...prose.querySelectorAll(".fd-piece"), ...others].forEach((piece) => {
    piece.classList.remove("fd-piece");
    piece.style.removeProperty("animation-delay");
  });
}
