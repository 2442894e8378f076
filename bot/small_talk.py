"""Small talk: messages that greet, thank or say goodbye and ask nothing; in English, and a word or two of others.

A message is small talk only as a whole: 'hello where is my parcel' is a question. One slip of the keyboard is let pass.
"""

import re
from functools import lru_cache
from typing import Literal, get_args

from symspellpy import SymSpell, Verbosity

from kb.text import normalised

Kind = Literal["greeting", "thanks", "goodbye", "robot", "apology", "laughter"]

_PHRASES: dict[Kind, str] = {
    "greeting": """hi|hello|hey|hiya|heya|hello hello|hi hello|hey hi|hi hi|hey hey|hallo|howdy|yo|greetings|
good morning|good afternoon|good evening|good day|morning|evening|afternoon|g'day|what's up|whats up|sup|wassup|
how are you|how are you doing|how are you today|how are you doing today|how's it going|hows it going|how is it going|
how do you do|nice to meet you|pleased to meet you|good to see you|hi how are you|hello how are you|hey how are you|
guten tag|guten morgen|guten abend|bonjour|bonsoir|salut|hola|buenos dias|buenas tardes|ciao|buongiorno""",
    "thanks": """thanks|thank you|thank u|thankyou|thx|thnx|tnx|ty|tysm|cheers|ta|thanks a lot|thank you very much|
thank you so much|thanks so much|thanks very much|thanks a million|thanks a bunch|many thanks|thanks again|
thank you again|thanks for your help|thank you for your help|thanks for the help|thank you for the help|
thanks for your time|thank you for your time|thanks for that|thanks for the info|thanks for the information|
thank you for the information|thanks for helping|thank you for helping|thanks that helped|thanks that helps|
thank you that helped|that helped|that was helpful|very helpful|that's helpful|that is very helpful|much appreciated|
i appreciate it|i appreciate your help|appreciate it|appreciated|thanks in advance|great thanks|ok thanks|okay thanks|
perfect thanks|perfect thank you|great thank you|ok thank you|okay thank you|lovely thanks|brilliant thanks|
awesome thanks|super thanks|cool thanks|got it thanks|alright thanks|no thanks|no thank you|that's all thanks|
that's all thank you|thats all thanks|danke|vielen dank|danke schön|merci|merci beaucoup|gracias|muchas gracias|
grazie""",
    "goodbye": """bye|bye bye|byebye|goodbye|good bye|good night|goodnight|see you|see ya|see you later|see you soon|
cya|farewell|take care|have a nice day|have a good day|have a great day|have a good one|have a nice evening|
have a good evening|have a good weekend|have a nice weekend|talk to you later|ttyl|catch you later|until next time|
that's all|thats all|that is all|that's it|that will be all|that'll be all|nothing else|all good|ok bye|okay bye|
thanks bye|thank you bye|thank you goodbye|thanks goodbye|tschüss|auf wiedersehen|au revoir|adios|arrivederci""",
    "robot": """are you a robot|are you a bot|are you a chatbot|are you a machine|are you a computer|are you an ai|
are you ai|are you human|are you a human|are you a human being|are you a person|are you a real person|are you real|
is this a bot|is this a robot|is this a chatbot|is this a real person|is this a human|is this ai|
am i talking to a bot|am i talking to a robot|am i talking to a human|am i talking to a person|
am i talking to a real person|am i talking to a machine|am i chatting with a bot|am i speaking to a robot|
am i speaking to a human|am i speaking to a real person|are you a real human|are you a bot or a human|
are you human or a bot|are you a robot or a human|are you a human or a robot|are you a human or a bot|
who are you|what are you""",
    "apology": """sorry|i'm sorry|im sorry|i am sorry|so sorry|sorry about that|my bad|my mistake|my apologies|
apologies|i apologise|i apologize|oops|whoops|oops sorry|sorry my mistake|sorry my bad|
sorry wrong chat|sorry wrong window""",
    "laughter": """haha|hahaha|ha ha|ha ha ha|hehe|hehehe|hihi|lol|lmao|rofl|lolol|xd|that's funny|thats funny|
you're funny|you are funny|good one|nice one|very funny""",
}
# Said to somebody or for emphasis; without them the rest is the same.
_ADDRESS = re.compile(
    r"\s(?:there|everyone|everybody|all|team|bot|guys|folks|mate|again|then|now|sir|madam|dear|buddy|friend|man|lovely)$"
)
_STRETCHED = re.compile(r"(\w)\1{2,}")
_LAUGH = re.compile(r"a?(?:ha){2,}h?|h?e?(?:he){2,}|(?:ha )+ha")
# A slip in a shorter text would make another word of it: thank, tank.
_SHORTEST_SLIP = 7
_LONGEST = 60
_CLAUSE = re.compile(r"[,.;:!?…]+|\s-\s")
# Emoticons and pictures; what has none of these letters is something to read, or nothing.
_SYMBOLS = re.compile(r"[:;=][-']?[)(dp](?!\w)|[^\w\s,.;:!?…'’-]", re.IGNORECASE)


def small_talk(message: str) -> Kind | None:
    """Return which small talk a message is, the last kind where it is several; None where it is anything else."""
    if len(message) > _LONGEST:
        return None
    whole = _kind(message)
    if whole is not None:
        return whole
    kinds = [_kind(clause) for clause in _CLAUSE.split(_SYMBOLS.sub(" ", message)) if normalised(clause)]
    return kinds[-1] if kinds and None not in kinds else None


def _kind(message: str) -> Kind | None:
    text = normalised(_SYMBOLS.sub(" ", message))
    if _LAUGH.fullmatch(text):
        return "laughter"
    calm = _STRETCHED.sub(r"\1", text)
    for form in (text, calm, _ADDRESS.sub("", text), _ADDRESS.sub("", calm)):
        if form in _kinds():
            return _kinds()[form]
    return _nearly(text)


def _nearly(text: str) -> Kind | None:
    """Return the kind of the phrase that differs by one slip of the keyboard."""
    if len(text) < _SHORTEST_SLIP:
        return None
    found = _slips().lookup(text, Verbosity.CLOSEST, max_edit_distance=1)
    return _kinds()[found[0].term] if found else None


@lru_cache(maxsize=1)
def _kinds() -> dict[str, Kind]:
    phrases = {kind: "".join(_PHRASES[kind].splitlines()).split("|") for kind in get_args(Kind)}
    return {normalised(phrase): kind for kind, each in phrases.items() for phrase in each}


@lru_cache(maxsize=1)
def _slips() -> SymSpell:
    slips = SymSpell(max_dictionary_edit_distance=1, prefix_length=7)
    for phrase in _kinds():
        if len(phrase) >= _SHORTEST_SLIP:
            slips.create_dictionary_entry(phrase, 1)
    return slips
