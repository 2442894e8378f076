"""Whether a customer asks for a person: outright, or in passing while asking something. English only.

For other languages and words, `[[hand_over]]` in the rules file does it.
"""

import re
from typing import Literal

from kb.text import normalised

Wish = Literal["none", "mentioned", "plain"]
"""`plain`: the message says nothing else; `mentioned`: it says more, which may be what is asked."""

_KIND = r"(?:real|live|actual|human|proper|different|customer|support|service|sales|care)"
_WHO = (
    r"(?:humans?|human beings?|persons?|people|someone|somebody|anyone|anybody|agents?|operators?|"
    r"representatives?|reps?|advis[oe]rs?|managers?|supervisors?|colleagues?|employees?|staff|team|"
    r"service|support|care|member of (?:the |your )?(?:staff|team))"
)
_PERSON = rf"(?:(?:an?|the|your|some|one of your|another|any) )?(?:{_KIND} )*{_WHO}(?: (?:else|real|human))?"
_TALK = rf"(?:talk|speak|chat)(?:ing)? (?:to|with) {_PERSON}"
_I_WANT = (
    r"(?:i|we) (?:(?:would|really|just|only|do) )*(?:want|need|like|wish|prefer|demand|have) to|"
    r"i'?d (?:like|prefer|love) to|"
    r"i(?:'d| would) rather|(?:i )?wanna|(?:can|could|may|might) (?:i|we)(?: (?:please|just))*|let me|"
    r"is (?:it possible|there (?:a|any) way) to|how (?:do|can|could) (?:i|we)"
)
_MOVE = r"(?:connect|transfer|forward|escalate|redirect|hand|put|pass|switch)"
_BOT = r"(?:bots?|robots?|chatbots?|machines?|computers?)"
_CALLED = rf"{_PERSON} (?:please )?(?:to )?(?:call|ring|phone|contact|help) (?:me|us)(?: back)?"
_REACHED = r"(?:here|there|available|(?:i can|to) (?:talk|speak|chat)(?: to| with)?)"
# Whoever writes one of these wants a person, whatever stands around it.
_ANYWHERE = (
    rf"(?:{_I_WANT}) (?:please )?{_TALK}",
    rf"{_MOVE} (?:me|us) (?:(?:on|over|through) )*(?:to|with) {_PERSON}",
    rf"(?:get|give|find) me {_PERSON}",
    rf"(?:is|are) there {_PERSON} {_REACHED}",
    rf"(?:can|could|will|would) (?:you )?(?:please )?(?:have |ask )?{_CALLED}",
    rf"(?:i )?(?:do not|don'?t) want (?:to (?:talk|speak|chat) (?:to|with) )?(?:an?|the|this|your)(?: \w+)? {_BOT}",
    rf"(?:sick|tired) of (?:talking to )?(?:an?|the|this|these|your)? ?{_BOT}",
)
# And one of these, where nothing else is said.
_ALONE = (
    _TALK,
    rf"(?:(?:i|we) (?:(?:really|just) )*(?:want|need|demand|require|prefer)|i(?:'d| would) (?:like|prefer)) {_PERSON}"
    r"(?: to (?:talk|speak|chat)(?: to| with)?)?",
    r"(?:is )?(?:anyone|anybody|someone|somebody) (?:there|here|real|human)",
    rf"(?:have )?{_CALLED}|(?:call|ring|phone) (?:me|us)(?: back)?",
    rf"no (?:more )?{_BOT}",
    r"(?:(?:an?|the) )?(?:(?:real|live|actual) )*(?:human|human being|person|agent|operator|representative|advis[oe]r|"
    r"customer (?:service|support|care))",
    r"(?:live|human) (?:chat|support|help)",
)
_AROUND = (
    r"(?:hi|hello|hey|ok|okay|no|yes|please|pls|plz|sorry|just|then|but|and|now|right now|asap|immediately|instead|"
    r"at once|today|on the phone|straight away|thanks|thank you|rather|directly|again|urgently|about (?:this|it|that)|"
    rf"(?:and )?not (?:(?:to|with) )?(?:an? |the |this )?{_BOT}|(?:can|could|would|will) you|who can help(?: me)?)"
)
_MENTIONED = re.compile(rf"(?<!\S)(?:{'|'.join(_ANYWHERE)})(?!\S)")
_PLAIN = re.compile(rf"(?:{_AROUND} )*(?:{'|'.join((*_ANYWHERE, *_ALONE))})(?: {_AROUND})*")
# A condition or a doubt before it: the customer asks about talking to people.
_ABOUT = re.compile(r"(?<!\S)(?:if|when|whether|without|should|must|who|whom|before|after)(?!\S)")


def wish_for_person(message: str) -> Wish:
    """Return whether the customer wants a person rather than the bot."""
    words = normalised(message)
    if _PLAIN.fullmatch(words):
        return "plain"
    found = _MENTIONED.search(words)
    return "mentioned" if found and not _ABOUT.search(words[: found.start()]) else "none"
