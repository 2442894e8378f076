// The two dialogs: talk to a person, and start anew. <dialog> traps the focus, closes on Esc and gives the focus back.

const CONTACT_LENGTH = 200;
const HAND_OVERS = "frontdesk.hand_overs";

function openDialog(dialog, ...content) {
  dialog.replaceChildren(make("form.fd-sheet", { novalidate: true }, ...content));
  if (!dialog.open) dialog.showModal();
  return dialog.firstChild;
}

function dialogHead(id, title, dialog) {
  return make("div.fd-sheet-head", {}, make("h2", { id, tabindex: "-1" }, title),
    make("button.fd-tool", { "aria-label": "Close", onclick: () => dialog.close() }, icon("close")));
}

function openHandOver() {
  const dialog = $(".fd-handover");
  const field = make("input.fd-field", {
    id: "fd-contact", type: "text", autocomplete: "email", inputmode: "email", maxlength: CONTACT_LENGTH, autofocus: true,
    "aria-describedby": "fd-contact-error",
  });
  const error = make("p.fd-error", { id: "fd-contact-error", role: "alert" });
  const send = make("button.fd-button", { type: "submit" }, "Ask for a reply");
  const form = openDialog(dialog, dialogHead("fd-handover-title", "Talk to a person", dialog),
    make("p", {}, `Tell us how to reach you, and someone at ${branding.name} will answer. They see this conversation, `
      + "so you won't have to explain it again."),
    make("label.fd-label", { for: field.id }, "Your e-mail address or phone number"), field, error,
    directContact(),
    make("div.fd-buttons", {}, send, make("button.fd-plain", { onclick: () => dialog.close() }, "Cancel")));
  let sent = {};
  field.focus();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const contact = field.value.trim();
    error.textContent = contactTrouble(contact);
    field.setAttribute("aria-invalid", String(Boolean(error.textContent)));
    if (error.textContent) return field.focus();
    send.disabled = true;
    try {
      // Sending the same again after a lost answer must not ask for two people.
      if (sent.contact !== contact) sent = { contact, conversation_id: page.conversation, idempotency_key: mintKey() };
      handedOver(dialog, await call("request_person", sent));
    } catch (problem) {
      error.textContent = problem.message;
      send.disabled = false;
    }
    return undefined;
  });
}

function contactTrouble(contact) {
  if (!contact) return "Please give an e-mail address or a phone number, so that we can reach you.";
  const reachable = /^\S+@\S+\.\S+$/.test(contact) || contact.replace(/\D/g, "").length >= 6;
  return reachable ? "" : "This doesn't look like an e-mail address or a phone number. Please check it.";
}

function directContact() {
  if (!branding.contact) return null;
  const address = branding.contact.includes("@") ? make("a", { href: `mailto:${branding.contact}` }, branding.contact) : branding.contact;
  return make("p.fd-dim", {}, "Or reach us directly: ", address);
}

function handedOver(dialog, answer) {
  remember(answer.conversation_id);
  const text = `We have passed your conversation on and will reply to ${answer.contact}.`;
  openDialog(dialog, dialogHead("fd-handover-title", "Thank you", dialog), make("p", {}, text),
    make("p.fd-dim", {}, `Reference ${answer.reference}`),
    make("div.fd-buttons", {}, make("button.fd-button", { onclick: () => dialog.close() }, "Back to the chat")));
  dialog.querySelector("h2").focus();
  const after = [...root.querySelectorAll("[data-turn]")].pop()?.dataset.turn ?? null;
  // Not the address: whoever opens this browser next has no business with it.
  const kept = { conversation: page.conversation, reference: answer.reference, after };
  stored("localStorage", HAND_OVERS, JSON.stringify([...keptHandOvers(), kept]));
  welcome(false);
  showHandOver({ ...kept, contact: answer.contact });
  toNewest();
  announce(text);
}

function keptHandOvers() {
  try {
    const kept = JSON.parse(stored("localStorage", HAND_OVERS) || "[]");
    return kept.filter((handOver) => handOver.conversation === page.conversation);
  } catch (error) {
    console.info("What was kept of hand-overs can't be read; the page goes on without.", error.name);
    return [];
  }
}

function showHandOver({ reference, after, contact = "", asked = true }) {
  const reply = contact ? ` We will reply to ${contact}.` : "";
  const known = root.querySelector(`.fd-event[data-reference="${CSS.escape(reference)}"]`);
  // A contact that is left for a hand-over belongs to its note.
  if (known && !contact) return known;
  const note = make("p.fd-event", { "data-reference": reference }, icon("person"), make("span", {}, `${asked ? "You asked for a person." : "Passed on to a person."}${reply} Reference ${reference}.`));
  if (known) return known.replaceWith(note);
  // Where it happened, below the answer and any earlier note there.
  if (!after) return $(".fd-log").prepend(note);
  const place = root.querySelector(`[data-turn="${CSS.escape(after)}"]`);
  if (!place) return $(".fd-log").append(note);
  let last = place;
  while (last.nextElementSibling?.matches(".fd-event")) last = last.nextElementSibling;
  return last.after(note);
}

function confirmNew() {
  const dialog = $(".fd-clear");
  const error = make("p.fd-error", { role: "alert" });
  const start = make("button.fd-button", { type: "submit" }, "Start anew");
  const form = openDialog(dialog, dialogHead("fd-clear-title", "Start a new conversation?", dialog),
    make("p", {}, "This conversation is cleared from this page and does not come back."), error,
    make("div.fd-buttons", {}, start, make("button.fd-plain", { onclick: () => dialog.close() }, "Keep it")));
  start.focus();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    start.disabled = true;
    try {
      if (page.conversation) await call("clear_history", { conversation_id: page.conversation });
    } catch (problem) {
      if (problem.kind !== "not_found") {
        error.textContent = problem.message;
        start.disabled = false;
        return;
      }
    }
    dialog.close();
    forget();
    announce("New conversation.");
  });
}

function startDialogs() {
  root.querySelectorAll("dialog").forEach((dialog) => {
    // The dialog's own box is its sheet; what is hit outside it is the backdrop.
    dialog.addEventListener("pointerdown", (event) => { if (event.target === dialog) dialog.close(); });
  });
  root.querySelectorAll("[data-person]").forEach((button) => button.addEventListener("click", openHandOver));
  $(".fd-new").addEventListener("click", confirmNew);
}
