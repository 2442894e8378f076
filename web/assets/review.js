// The review tab: a queue on the left, the turn on the right, verdicts by button or key. Texts stay texts.

const root = element.querySelector(".fr");
const $ = (selector) => root.querySelector(selector);
const list = $(".fr-list");
const state = { turns: [], at: -1, page: 0, total: 0, size: 1, turn: null, last: null, asked: 0 };
const VERDICTS = [["right", "Right"], ["wrong", "Wrong"], ["unclear", "Unclear"], ["out_of_scope", "Out of scope"]];

function make(kind, attributes = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  if (tag === "button") node.type = "button";
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

async function call(name, payload) {
  const answer = await server[name](payload);
  const problem = answer ? answer.error : "The server does not answer, or you are no longer logged in. Reload the page.";
  $(".fr-alert").textContent = problem || "";
  return problem ? null : answer;
}

function filters() {
  const form = new FormData($(".fr-filters"));
  return { outcome: form.get("outcome"), topic: form.get("topic").trim(), days: Number(form.get("days")),
    judged: form.get("judged") !== null };
}

async function load(keep = false) {
  // Of several answers on their way only that to the newest question counts.
  const ticket = ++state.asked;
  const answer = await call("review_queue", { ...filters(), page: state.page });
  if (!answer || ticket !== state.asked) return;
  Object.assign(state, { turns: answer.turns, total: answer.total, size: answer.size });
  $(".fr-total").textContent = answer.total === 1 ? "1 turn" : `${answer.total} turns`;
  list.replaceChildren(...state.turns.map(line));
  $("[data-page='-1']").disabled = state.page === 0;
  $("[data-page='1']").disabled = (state.page + 1) * state.size >= state.total;
  await open(keep ? Math.min(Math.max(state.at, 0), state.turns.length - 1) : 0);
}

function line(turn, at) {
  const why = turn.verdict ? [turn.verdict.replaceAll("_", " ")] : turn.reasons;
  if (turn.taken_by) why.push(`${turn.taken_by} looks at it`);
  return make("li", { role: "option", id: `fr-${at}`, "aria-selected": "false", onclick: () => open(at) },
    make("span.fr-question", {}, turn.question), make("small", {}, turn.answer ? `→ ${turn.answer}` : turn.outcome.replaceAll("_", " ")),
    make("small.fr-why", {}, why.join(" · ")));
}

async function open(at) {
  if (at < 0 || at >= state.turns.length) {
    if (!state.turns.length) nothing();
    return;
  }
  state.at = at;
  for (const [each, option] of [...list.children].entries()) option.setAttribute("aria-selected", String(each === at));
  list.setAttribute("aria-activedescendant", `fr-${at}`);
  list.children[at].scrollIntoView({ block: "nearest" });
  const ticket = ++state.asked;
  const turn = await call("review_turn", { turn_id: state.turns[at].turn_id });
  if (turn && ticket === state.asked) show(turn);
}

function nothing() {
  state.turn = null;
  $(".fr-turn").replaceChildren(make("p.fr-dim", {}, "Nothing to review here."));
}

function show(turn) {
  state.turn = turn;
  const about = [turn.outcome.replaceAll("_", " "), `${Math.round(100 * turn.confidence)} % sure`, turn.channel, turn.checkpoint];
  const vote = turn.vote < 0 ? "voted down" : turn.vote > 0 ? "voted up" : "";
  const said = [vote, turn.vote_reason, turn.comment ? `“${turn.comment}”` : ""].filter(Boolean).join(" · ");
  $(".fr-turn").replaceChildren(
    make("div.fr-talk", {}, ...turn.conversation.flatMap((each) => exchange(each, each.turn_id === turn.turn_id))),
    make("p.fr-dim", {}, about.filter(Boolean).join(" · ")),
    turn.why ? make("p.fr-dim", {}, turn.why) : "",
    said ? make("p.fr-said", {}, said) : "",
    turn.taken_by ? make("p.fr-said", {}, `${turn.taken_by} is looking at this turn.`) : judgement(turn),
  );
  focusTurn();
}

// The turn itself, and not the beginning of a long conversation, is what is looked at.
function focusTurn() {
  const talk = $(".fr-talk");
  const asked = $(".fr-this");
  if (talk && asked) talk.scrollTop = asked.offsetTop - talk.offsetTop - 8;
}

function exchange(each, isThis) {
  const answer = make("div.fr-answer");
  // Markdown of the knowledge base, sanitised on the server.
  answer.innerHTML = each.html;
  return [make(isThis ? "p.fr-asked.fr-this" : "p.fr-asked", {}, each.question), answer];
}

function judgement(turn) {
  const verdict = turn.verdict ? `${turn.judged_by}: ${turn.verdict.replaceAll("_", " ")}` : "";
  const chosen = turn.right_pair;
  const known = [...turn.shown, ...turn.others];
  const choices = make("div.fr-choices", { role: "radiogroup", "aria-label": "The right answer" },
    ...known.map((pair) => choice(pair, pair.pair_id === chosen)));
  const find = make("input.fr-find", { type: "search", placeholder: "Find the right answer …", "aria-label": "Find the right answer",
    oninput: (event) => finding(event.target.value, choices), disabled: !turn.may_judge });
  const note = make("input.fr-note", { name: "note", placeholder: "Note (optional)", "aria-label": "Note", value: turn.note, maxlength: 500,
    disabled: !turn.may_judge });
  const learn = make("label.fr-check", {}, make("input", { type: "checkbox", name: "learn", disabled: !turn.may_judge }),
    "Learn these words as another way of asking it");
  const buttons = VERDICTS.map(([value, name], at) => make(turn.verdict === value ? "button.fr-given" : "button",
    { onclick: () => judge(value), disabled: !turn.may_judge, "aria-keyshortcuts": String(at + 1) }, name));
  return make("div.fr-judge", {}, verdict ? make("p.fr-dim", {}, verdict) : "", make("strong", {}, "The right answer is"), find, choices, learn, note,
    make("div.fr-verdicts", {}, ...buttons), turn.may_judge ? newPair(turn) : "");
}

function choice(pair, checked) {
  const radio = make("input", { type: "radio", name: "pair", value: pair.pair_id, checked });
  return make("label", {}, radio, make("span", {}, pair.question));
}

// Where no pair is right, the answer is written here: one step from what a customer asked to a pair that answers it.
function newPair(turn) {
  const question = make("input", { name: "question", value: turn.question, "aria-label": "Question" });
  const topic = make("input", { name: "topic", placeholder: "Topic", "aria-label": "Topic" });
  const answer = make("textarea", { name: "answer", rows: 5, placeholder: "Answer, in Markdown", "aria-label": "Answer" });
  const save = async () => {
    const given = { question: question.value, topic: topic.value, answer: answer.value };
    const pair = await call("new_pair", given);
    if (pair) {
      await call("review_verdict", { turn_id: turn.turn_id, value: turn.shown.length ? "wrong" : "unclear",
        note: `answered by the new pair ${pair.pair_id}` });
      await Promise.all([load(true), publication()]);
    }
  };
  return make("details.fr-new", {}, make("summary", {}, "None of them: write a new pair"), question, topic, answer,
    make("button", { onclick: save }, "Save the pair"));
}

let waiting = 0;
function finding(text, choices) {
  window.clearTimeout(waiting);
  waiting = window.setTimeout(async () => {
    if (!text.trim()) return;
    const found = await call("find_pairs", { text });
    if (found) choices.replaceChildren(...found.pairs.map((pair) => choice(pair, false)));
  }, 250);
}

async function judge(value) {
  const turn = state.turn;
  if (!turn || !turn.may_judge || turn.taken_by) return;
  const pair = $("[name=pair]:checked");
  // Who says that the answer was right has said which one is; of the others only 'wrong' has a right one.
  const pairId = value === "wrong" && pair && !turn.shown.some((each) => each.pair_id === pair.value) ? pair.value : "";
  const given = await call("review_verdict", { turn_id: turn.turn_id, value, pair_id: pairId, note: $(".fr-note").value,
    learn: $("[name=learn]").checked });
  if (!given) return;
  state.last = turn.turn_id;
  await load(true);
  if (given.learned) publication();
}

async function undo() {
  if (!state.last) return;
  if (await call("review_verdict", { turn_id: state.last, value: "none" })) {
    state.last = null;
    await load(true);
  }
}

// What was edited and is not in service yet, and the way to put it there.
async function publication() {
  const now = await call("published", {});
  if (!now) return;
  const bar = $(".fr-publish");
  const button = bar.querySelector("button");
  bar.hidden = now.version === now.served && !now.running;
  button.disabled = now.running;
  const waits = `Version ${now.version} of the knowledge is not in service yet: customers get version ${now.served}.`;
  bar.querySelector("span").textContent = now.running ? "Publishing …" : now.problem || waits;
  if (now.running || (!bar.hidden && button.dataset.asked)) window.setTimeout(publication, 1500);
  if (bar.hidden) delete button.dataset.asked;
}

async function publish(event) {
  const button = event.currentTarget;
  button.dataset.asked = "yes";
  if (await call("publish", {})) publication();
}

function turnPage(by) {
  state.page = Math.max(0, state.page + by);
  state.at = 0;
  load();
}

root.addEventListener("keydown", (event) => {
  if (event.target.matches("input:not([type=radio], [type=checkbox]), select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key;
  const verdict = VERDICTS[Number(key) - 1];
  if (key === "j" || (key === "ArrowDown" && event.target === list)) open(state.at + 1);
  else if (key === "k" || (key === "ArrowUp" && event.target === list)) open(state.at - 1);
  else if (verdict) judge(verdict[0]);
  else if (key === "u") undo();
  else if (key === "/") $(".fr-find")?.focus();
  else return;
  event.preventDefault();
});
for (const button of root.querySelectorAll("[data-page]")) {
  button.addEventListener("click", () => turnPage(Number(button.dataset.page)));
}
$(".fr-filters").addEventListener("change", () => { state.page = 0; load(); });
$(".fr-filters").addEventListener("submit", (event) => event.preventDefault());
$(".fr-publish button").addEventListener("click", publish);
publication();
load().then(() => list.focus({ preventScroll: true }));
