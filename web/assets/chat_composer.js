// Where the visitor writes: a field that grows, a counter near the limit, questions suggested while typing, a kept draft.

const input = $(".fd-input");
const list = $(".fd-suggestions");
const DRAFT = "frontdesk.draft";
const TYPING_PAUSE_MS = 160;
const FEWEST_LETTERS = 3;
const suggesting = { timer: 0, asked: 0, active: -1 };

// The server counts characters, not UTF-16 units: an emoji is one.
const lengthOf = (text) => Array.from(text.trim()).length;

function setComposer(text) {
  input.value = text;
  composerChanged();
}

function composerChanged() {
  const length = lengthOf(input.value);
  const count = $(".fd-count");
  const over = length > limits.max_message_length;
  count.hidden = length < limits.max_message_length * 0.8;
  count.textContent = over
    ? `${length - limits.max_message_length} characters too many`
    : `${limits.max_message_length - length} characters left`;
  count.classList.toggle("fd-over", over);
  input.setAttribute("aria-invalid", String(over));
  $(".fd-send").disabled = page.busy || length === 0 || over;
  input.style.blockSize = "auto";
  input.style.blockSize = `${input.scrollHeight}px`;
  stored("sessionStorage", DRAFT, input.value || null);
}

function submitComposer() {
  const text = input.value.trim();
  if (page.busy || !text || lengthOf(text) > limits.max_message_length) return;
  setComposer("");
  ask(text);
}

async function suggest() {
  const prefix = input.value.trim();
  const order = ++suggesting.asked;
  if (Array.from(prefix).length < FEWEST_LETTERS || prefix.includes("\n")) return closeSuggestions();
  const answer = await server.suggest_questions({ prefix });
  // Too late, or the server is away: typing goes on, and sending will tell.
  if (order !== suggesting.asked || !answer || answer.error || document.activeElement !== input) return undefined;
  return showSuggestions(answer.questions);
}

function showSuggestions(questions) {
  if (!questions.length) return closeSuggestions();
  const wasOpen = !list.hidden;
  suggesting.active = -1;
  input.removeAttribute("aria-activedescendant");
  list.replaceChildren(...questions.map((question, index) => make("li.fd-suggestion", {
    id: `fd-suggestion-${index}`,
    role: "option",
    "aria-selected": "false",
    dir: "auto",
    // The field keeps the focus, or a phone's keyboard would close and move the row from under the finger.
    onpointerdown: (event) => event.preventDefault(),
    onclick: () => pickSuggestion(question),
  }, question)));
  list.hidden = false;
  const many = questions.length === 1 ? "1 suggested question." : `${questions.length} suggested questions.`;
  if (!wasOpen) announce(`${many} Use the arrow keys.`);
  return undefined;
}

function closeSuggestions() {
  suggesting.asked += 1;
  suggesting.active = -1;
  list.hidden = true;
  list.replaceChildren();
  input.removeAttribute("aria-activedescendant");
}

function pickSuggestion(question) {
  closeSuggestions();
  setComposer("");
  ask(question);
}

function moveSuggestion(step) {
  const options = [...list.children];
  const places = options.length + 1;
  // One place more than there are options: between the last and the first, the field itself is active again.
  suggesting.active = ((suggesting.active + 1 + step + places) % places) - 1;
  options.forEach((option, index) => option.setAttribute("aria-selected", String(index === suggesting.active)));
  const chosen = options[suggesting.active];
  if (!chosen) return input.removeAttribute("aria-activedescendant");
  chosen.scrollIntoView({ block: "nearest" });
  return input.setAttribute("aria-activedescendant", chosen.id);
}

function composerKey(event) {
  // While an input method composes, Enter and the arrows belong to it.
  if (event.isComposing) return;
  const open = !list.hidden;
  if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    moveSuggestion(event.key === "ArrowDown" ? 1 : -1);
  } else if (open && event.key === "Escape") {
    event.preventDefault();
    closeSuggestions();
  } else if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    const chosen = list.children[suggesting.active];
    if (open && chosen) pickSuggestion(chosen.textContent);
    else submitComposer();
  }
}

function startComposer() {
  input.addEventListener("input", () => {
    composerChanged();
    window.clearTimeout(suggesting.timer);
    suggesting.timer = window.setTimeout(suggest, TYPING_PAUSE_MS);
  });
  input.addEventListener("keydown", composerKey);
  input.addEventListener("blur", closeSuggestions);
  $(".fd-composer").addEventListener("submit", (event) => {
    event.preventDefault();
    submitComposer();
  });
  setComposer(stored("sessionStorage", DRAFT) || "");
}

function focusComposer() {
  // On a touch screen the keyboard would cover the answer that was just asked for.
  if (!touch.matches) return input.focus({ preventScroll: true });
  // A ring around the whole conversation is for those who came by Tab.
  scroller.toggleAttribute("data-quiet", true);
  scroller.addEventListener("blur", () => scroller.removeAttribute("data-quiet"), { once: true });
  return scroller.focus({ preventScroll: true });
}
