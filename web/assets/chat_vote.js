// Thumbs under an answer, always about the server's turn id: what stands above or below it makes no difference.

const REASONS = [
  ["wrong", "It's wrong"],
  ["not_my_question", "Not my question"],
  ["out_of_date", "Out of date"],
  ["unclear", "Unclear"],
  ["other", "Something else"],
];

function votePanel(turn) {
  const thumb = (name, label) => make("button.fd-tool.fd-thumb", { "aria-label": label, "aria-pressed": "false" }, icon(name));
  const parts = {
    turn,
    value: turn.vote,
    reason: turn.vote_reason,
    up: thumb("up", "Helpful"),
    down: thumb("down_vote", "Not helpful"),
    note: make("span.fd-note"),
    panel: make("form.fd-feedback", { "aria-label": "Why the answer didn't help", novalidate: true }),
  };
  parts.show = discloses(parts.down, parts.panel, () => showVote(parts));
  parts.up.addEventListener("click", () => castVote(parts, parts.value === 1 ? 0 : 1));
  parts.down.addEventListener("click", () => castVote(parts, parts.value === -1 ? 0 : -1, { asks: true }));
  parts.panel.addEventListener("submit", (event) => {
    event.preventDefault();
    sendReason(parts);
  });
  showVote(parts);
  return parts;
}

async function castVote(parts, value, { asks = false, reason = null, comment = "" } = {}) {
  if (parts.busy) return false;
  parts.busy = true;
  try {
    await call("cast_vote", { conversation_id: page.conversation, turn_id: parts.turn.turn_id, value, reason, comment });
  } catch (problem) {
    alertUser(`Your rating was not saved. ${problem.message}`, {
      label: "Try again",
      run: () => castVote(parts, value, { asks, reason, comment }),
    });
    return false;
  } finally {
    parts.busy = false;
  }
  alertUser("");
  parts.value = value;
  parts.reason = reason;
  parts.show(false);
  announce(value ? "Thank you for rating this answer." : "Rating taken back.");
  if (asks && value === -1) askReason(parts);
  return true;
}

function showVote(parts) {
  parts.up.setAttribute("aria-pressed", String(parts.value === 1));
  parts.down.setAttribute("aria-pressed", String(parts.value === -1));
  parts.note.replaceChildren();
  if (parts.value === 1) parts.note.append("Thank you.");
  if (parts.value !== -1) return;
  const label = REASONS.find(([name]) => name === parts.reason)?.[1];
  const change = make("button.fd-link", { onclick: () => askReason(parts) }, label ? "Change" : "Say why");
  parts.note.append(label ? `Thank you: ${label.toLowerCase()}. ` : "Thank you. ", change);
}

function askReason(parts) {
  parts.note.replaceChildren();
  const group = mintId("fd-reason");
  const comment = make("input.fd-field", { id: mintId("fd-comment"), type: "text", maxlength: 500, autocomplete: "off" });
  const chips = REASONS.map(([name, label]) => make("label.fd-chip", {},
    make("input", { type: "radio", name: group, value: name, checked: name === parts.reason }), make("span", {}, label)));
  const close = () => {
    parts.show(false);
    parts.down.focus();
  };
  parts.panel.replaceChildren(
    make("fieldset", {}, make("legend", {}, "What was the trouble?"), make("div.fd-chips", {}, ...chips)),
    make("label.fd-label", { for: comment.id }, "Anything to add? (optional)"), comment,
    make("p.fd-error", { role: "alert" }),
    make("div.fd-buttons", {},
      make("button.fd-button", { type: "submit" }, "Send"), make("button.fd-plain", { onclick: close }, "Not now")));
  parts.show(true);
  (parts.panel.querySelector("input:checked") || parts.panel.querySelector("input")).focus({ preventScroll: true });
}

async function sendReason(parts) {
  const reason = parts.panel.querySelector("input:checked")?.value;
  const comment = parts.panel.querySelector(".fd-field").value.trim();
  if (!reason && !comment) {
    parts.panel.querySelector(".fd-error").textContent = "Please choose one, or write a word.";
    return;
  }
  if (await castVote(parts, -1, { reason: reason || "other", comment })) parts.down.focus();
}
