"""Personal data in transcripts: e-mail addresses, phone and other long numbers, names.

What belongs to the organisation stays: a help address or hotline is part of a good answer. It is told from a customer's
by its form (help@..., 0800 ...) or by agents giving it in several conversations.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from kb.importers.phrases import NO_NAMES

_EMAIL = r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}"
_IBAN = r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"
_PHONE = r"(?<![\w-])(?:\+|\(\+?)?\d[\d()./ \t-]{7,24}\d(?![\w-])"
# Order, ticket, claim and card numbers: five digits in a row, or a code of capitals with at least three digits.
_NUMBER = r"(?<![\w.,])#?(?:[A-Za-z]{1,4}[-_/]?)?\d{5,30}(?:[-_/]\w{1,20})?(?!\w)"
# A range of a measure, as 104-109 cm, is none.
_RANGE = r"\d{1,3}-\d{1,3}(?:\s?(?:mm|cm|k?m|k?g|m?l|lm|lumens?|litres?|[°%])|\s(?:days?|hours?|minutes?))(?!\w)"
_CODE = rf"(?<!\w)(?!{_RANGE})#?(?=[A-Z-]{{0,9}}\d)(?=(?:[A-Z-]{{0,9}}\d){{3}})[A-Z\d-]{{6,30}}(?!\w)"
_PERSONAL = re.compile(
    f"(?P<email>{_EMAIL})|(?P<iban>{_IBAN})|(?P<phone>{_PHONE})|(?P<number>{_NUMBER})|(?P<code>{_CODE})"
)
_LONG_NUMBER = re.compile(_NUMBER)
_DATE = re.compile(r"^\(?(\d{4}-\d{2}-\d{2}|\d{1,2}[./-]\d{1,2}[./-]\d{4})\b")
_PRICE = re.compile(r"(?<![.\d])\d{1,4}\.\d{2}(?![.\d])")
_PHONE_DIGITS = 9
_LINK = re.compile(r"(?:https?://|www\.)[^\s<>()]{1,2000}")

_SHARED_MAILBOX = re.compile(
    r"^(help|info|support|service|contact|kontakt|hello|hallo|sales|returns?|orders?|team|office|billing|care|customer|"
    r"kundenservice|privacy|press|trade|accounts|repairs?|rentals?|complaints?|feedback|phishing|fraud)[\w.+-]{0,20}@",
    re.IGNORECASE,
)
_FREE_PHONE = re.compile(r"^(44|0044|49|0049)?0?(800|808|300|345|845|870|180)|^1?(800|888|877|866)")
_ENOUGH_CONVERSATIONS = 3

PLACEHOLDER = re.compile(r"\[(email|phone|number|name)\]")
_WITH_NOUN = re.compile(
    r"\s{0,3}[(\[]?(?:\b(?:number|numbers|no|nr|num|nummer|id|ref|reference|code)\b[.:]?|#|:)?\s{0,3}(?:\bis\s{1,3})?"
    r"\[(?:email|phone|number|name)\][)\]]?",
    re.IGNORECASE,
)
_REACH_ME = re.compile(
    r"[,;]?\s?(?:\b(?:and|or|please|also|you can)\s){0,3}"
    r"(?:\b(?:e-?mail|mail|call|reach|contact|write|text|ring|phone)(?: (?:me|us|to))?"
    r"|\bmy (?:e-?mail|phone)(?: address| number)?)"
    r"(?:\s(?:at|on|to|under|is))?:?\s\[(?:email|phone)\]",
    re.IGNORECASE,
)
_BEFORE_MARK = re.compile(r"\(\s{0,3}\)|\s{1,3}(?=[,.?!;:])")

_CAPITALISED = r"[A-ZÀ-Þ][\w'’-]{1,30}"
_INTRODUCED = re.compile(
    r"(?i:\b(?:my name is|my name's|i am called|you(?: are|'re) (?:chatting|speaking|talking) (?:with|to)"
    r"|mein name ist|ich heiße|je m'appelle|me llamo))\s{1,3}([^\W\d_][\w'’-]{1,30}"
    rf"(?:\s{_CAPITALISED})?)"
)
_GREETED = re.compile(
    r"(?:^|[.!?\n]\s{0,3})(?i:hi|hello|hey|dear|hallo|liebe[rs]?|guten tag|bonjour|hola|thanks|thank you|danke|sure)"
    rf"(?i:\s(?:mr|mrs|ms|miss|dr|herr|frau)\.?)?\s({_CAPITALISED})(?=\s{{0,3}}(?:[,!.\n-]|$))"
)
_ADDRESSED = re.compile(
    r"(?i:sorry|hear that|welcome|problem|of course|sure|thanks|thank you|morning|afternoon|luck|day|pleasure|worries)"
    rf",\s?({_CAPITALISED})(?=\s?(?:[,.!\n-]|$))"
)
_THIS_IS = re.compile(
    rf"(?i:\b(?:this is|i'm|i am|hier ist|hier spricht))\s({_CAPITALISED})(?=\s?(?:[,.!\n]| from| of| vom?| here|$))"
)
_NAME_PATTERNS = (_INTRODUCED, _GREETED, _ADDRESSED, _THIS_IS)
_WORD = re.compile(r"[^\W\d_][\w'’-]{1,60}")


@dataclass(kw_only=True)
class KnownContacts:
    """Addresses and phone numbers that agents give, with the number of conversations each was given in."""

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, agent_texts: Iterable[str], customer_texts: Iterable[str]) -> None:
        """Count the contacts of one conversation that its customer did not bring in."""
        theirs = {contact for text in customer_texts for contact in _contacts(text)}
        self.counts.update({contact for text in agent_texts for contact in _contacts(text)} - theirs)

    def is_own(self, contact: str) -> bool:
        """Whether the e-mail address or phone number is the organisation's."""
        key = _key(contact)
        known_form = _SHARED_MAILBOX.match(key) or ("@" not in key and _FREE_PHONE.match(key))
        return bool(known_form) or self.counts[key] >= _ENOUGH_CONVERSATIONS


def names_in(texts: Iterable[str]) -> frozenset[str]:
    """Return the names by which people introduce themselves or are greeted, in lower case."""
    names = (name for text in texts for pattern in _NAME_PATTERNS for name in pattern.findall(text))
    words = {word for name in names for word in name.casefold().split()}
    return frozenset(word for word in words if len(word) > 2 and word not in NO_NAMES)


def masked(text: str, *, names: frozenset[str] = frozenset(), contacts: KnownContacts | None = None) -> str:
    """Return the text with personal data replaced by [email], [phone], [number] and [name].

    Links and the organisation's own contacts, where `contacts` tells them, are left as they are.
    """
    own = contacts or KnownContacts()
    parts, last = [], 0
    for link in _LINK.finditer(text):
        parts += [_without_personal(text[last : link.start()], names, own), link[0]]
        last = link.end()
    return "".join([*parts, _without_personal(text[last:], names, own)])


def without_placeholders(question: str) -> str:
    """Return a masked question without its placeholders: 'where is my order number [number]?' asks for any order."""
    text = _REACH_ME.sub("", " ".join(question.split()))
    text = _BEFORE_MARK.sub("", _WITH_NOUN.sub(" ", text))
    return " ".join(text.split()).strip(" ,;:-–")


def _without_personal(text: str, names: frozenset[str], own: KnownContacts) -> str:
    text = _PERSONAL.sub(lambda found: _mask(found, own), text)
    if not names:
        return text
    return _WORD.sub(lambda found: "[name]" if found[0].casefold() in names else found[0], text)


def _mask(found: re.Match[str], own: KnownContacts) -> str:
    kind, text = found.lastgroup, found[0]
    if kind == "phone" and (_digits(text) < _PHONE_DIGITS or _DATE.match(text) or _PRICE.search(text)):
        return _LONG_NUMBER.sub("[number]", text)
    if kind in ("email", "phone"):
        return text if own.is_own(text) else f"[{kind}]"
    return "[number]"


def _contacts(text: str) -> set[str]:
    return {_key(found[0]) for found in _PERSONAL.finditer(text) if found.lastgroup in ("email", "phone")}


def _digits(text: str) -> int:
    return sum(map(str.isdigit, text))


def _key(contact: str) -> str:
    return contact.casefold() if "@" in contact else "".join(filter(str.isdigit, contact))
