"""The word lists behind `chatter`: how people greet, thank, ask, need, wait and close, in four languages.

One alternative a line; `<name>` stands for another list. Every repetition is bounded, so that a long text costs linear
time.
"""

import re


def _alternatives(lines: str) -> str:
    """Return a group of the lines as alternatives, with the lists they name put in."""
    alternatives = "|".join(line.strip() for line in lines.strip().splitlines())
    return "(?:" + re.sub(r"<(\w+)>", lambda found: _LISTS[found[1]], alternatives) + ")"


def _anywhere(lines: str) -> re.Pattern[str]:
    return re.compile(rf"\b{_alternatives(lines)}(?!\w)", re.IGNORECASE)


def _whole(lines: str) -> re.Pattern[str]:
    return re.compile(rf"^\W{{0,20}}{_alternatives(lines)}\W{{0,20}}$", re.IGNORECASE)


_LISTS: dict[str, str] = {}
_LISTS["hello"] = _alternatives(r"""
    (?:hi+|hey+|hai|hello+|hallo|helo|hiya|greetings|dear)(?!\w)
    (?:good (?:morning|afternoon|evening|day)|guten (?:tag|morgen|abend)|moin|servus)(?!\w)
    (?:bonjour|salut|hola|buen[oa]s (?:días|dias|tardes|noches))(?!\w)
""")
_LISTS["whom"] = _alternatives(r"""
    (?:\W{1,3}(?:there|team|all|everyone|sir or madam|sir|madam|support|again)(?!\w)){1,3}
    \W{1,3}(?:(?:mr|mrs|ms|herr|frau)\.?\s)?\[name\]
    \W{1,3}zusammen(?!\w)
""")
_LISTS["thanks"] = _alternatives(r"""
    (?:many |kind )?thanks?(?: you)?(?: so much| very much| in advance| a lot)?
    thx|ty|cheers|danke(?: schön)?|vielen dank|merci|gracias
""")
_LISTS["agreed"] = _alternatives(r"""
    ok(?:ay)?|sure|great|perfect|fine|good|nice|right|alright|got it|i see|i understand|understood
    certainly|absolutely|of course|gladly|yes|no|yep|nope|gerne?
""")
_LISTS["detail"] = _alternatives(r"""
    name|number|e-?mail|address|phone|postcode|zip|account|date of birth|ssn|policy|claim|details|id
    bestellnummer|kundennummer|adresse
""")
_LISTS["done"] = _alternatives(r"""
    cancel|refund|process|sent|updat|chang|issu|book|block|creat|reset|add|remov|register|submit|forward|escalat|arrang
    appl|check|look|found|made|placed|put|reported|noted|credit|extended|reserved|replaced
""")
_LISTS["matter"] = _alternatives(r"""
    order|parcel|package|claim|refund|ticket|card|payment|policy|flight|booking|reservation|delivery|item
""")

_LISTS["errand"] = _alternatives(r"""
    book|check|change|cancel|update|transfer|send|sent|fix|fixing|reset|return|refund|track|order|replace|block|close|open
    pay|exchange|remove|delete|activate|find|get|buy|renew|extend|report|claim|stop|need|want|looking for
""")
_LISTS["ahead"] = _alternatives(r"""
    let me|allow me|i'll|i will|i shall|i(?: am|'m) going to|give me|please wait
""")

GREETING = re.compile(rf"^(?:{_LISTS['hello']}{_LISTS['whom']}?[\s,.!:;–-]{{0,10}}){{1,4}}", re.IGNORECASE)
THANKS_AT_END = re.compile(
    rf"[\s,.!–-]{{0,5}}\b(?:{_LISTS['thanks']}|(?:best|kind|warm) regards|mit freundlichen grüßen"
    r"|(?:can|could) (?:you|u) (?:please |kindly )?help(?: me)?(?: (?:on|with) (?:that|this|it))?(?: please)?)"
    r"[\s,.!]{0,5}(?:\[name\])?[\s.!]{0,5}$",
    re.IGNORECASE,
)
# 'Sure [name], ...' and '..., [name].': the name goes, the sentence stays.
VOCATIVE = re.compile(r"^\[name\][,!] |(?:, ?| )\[name\](?= ?[,.!?])")
# What stands before a question, set off by a mark.
LEAD_IN = re.compile(
    r"^"
    + _alternatives(r"""
        i (?:just )?have (?:a|one|another|two) (?:quick )?questions?
        (?:just )?(?:a|one) (?:quick )?question|quick question
        (?:can|could) you help me(?: please)?|i need (?:some |your )?help
        (?:ich )?habe? (?:mal )?eine frage
        ok(?:ay)?|yes(?: please)?|no|well|oh
    """)
    + r"\s?[,.:;!?–-][\s,.:;!?–-]{0,5}|^(?:and|but|so|then|also)[\s,]{1,3}",
    re.IGNORECASE,
)
# Turns that look like questions and ask nothing that an answer could be given to.
SMALL_TALK = _whole(r"""
    how are you(?: doing)?(?: today)?|wie geht(?:'s| es ihnen)
    are you (?:still )?there|(?:is )?any(?:one|body) (?:there|here)|sind sie (?:noch )?da
    are you an? (?:real |human |actual ){0,2}(?:person|human|robot|bot|agent)
    am i (?:talking|speaking|chatting) (?:to|with) an? (?:real |human |actual ){0,2}(?:person|human|robot|bot|agent)
    (?:can|could) you (?:please )?help(?: me)?(?: with (?:that|this|something))?(?: please)?
    what(?:'s| is) your name|who (?:is this|are you)
    what|why|really|huh|pardon|sorry|right|are you sure|anything else|and (?:then|now)|now what
    is that (?:all|it|ok|okay|right|correct)|what (?:was|is) that|what (?:do|does|did) (?:you|that|it) mean
    (?:like i said )?i (?:just )?need (?:a |some |your )?help(?: from you)?|i have a (?:question|problem)
    i was wondering if you (?:can|could) help(?: me)?(?: with (?:that|this))?|you need to hurry(?: up)?
    what (?:do|should) i do(?: now| next)?|what can i do(?: now)?|how long (?:will|does) (?:it|that|this) take
""")
# A message that begins with what is to be done.
ERRAND = re.compile(
    r"^(?:(?:to|i|need|want|ask|asking|just|also|then|now)\s){0,3}"
    rf"{_LISTS['errand']}\s(?!(?:no|number|num|id|is)\b)",
    re.IGNORECASE,
)
# Whoever says this asks for nothing more.
CLOSING = _anywhere(r"""
    that(?:'?s| is| will be|'ll be)? (?:all|it|everything)(?: (?:for now|for today|i need(?:ed)?))?
    no(?:thing)? (?:else|more)|(?:don't|do not|dont) need any(?:thing)?(?: else| more)?|das (?:ist|war) alles
""")
# Questions that only the conversation before them makes clear: 'can I track it?', 'what about boots?'.
DEPENDENT = re.compile(
    r"^(?:what|how) about\b|^und\b|^(?:and|or|but)\b|\b(?:it|them|those|these|this|that|one|ones)[\s?!.]{0,5}$"
    r"|^(?:\S{1,20}\s){0,3}(?:it|they|them|those)(?:\s\S{1,20})?[\s?!.]{0,5}$",
    re.IGNORECASE,
)
ASKS = _anywhere(r"""
    how|what|what'?s|when|where|where'?s|why|who|which|whose|(?:can|could) (?:i|you|we|u)
    do (?:i|you|u|we)|does|did you|(?:is|are) (?:there|it|my|you|your|the)|am i|(?:will|would) (?:i|you|it|my|the)
    may i|shall i|should i|has my|have you
    wie|was (?:ist|kostet|mache|muss|passiert)|wann|wo|warum|welche[rs]?|kann (?:ich|man)|können sie|könnt ihr
    gibt es|haben sie|habt ihr|muss ich|darf ich
    comment|quand|où|pourquoi|combien|est-ce|puis-je|quel(?:le)?s?
    cómo|cuándo|dónde|por qué|cuánto|puedo|puede|tienen
""")
NEEDS = _anywhere(r"""
    i(?: also)? (?:wants?|wanna|needs?)|i(?:['’]?d| would) like|i wish
    i(?:'m| am) (?:trying|looking)|want(?:ed)? to|need to|help me
    i (?:can't|cannot|cant|couldn't|could not|didn't|did not|never|lost|forgot|ordered)
    (?:please|pls|plz|kindly) (?:tell|help|explain|do|make|provide|<errand>)
    not (?:working|arrived|received|delivered|possible|able|there|loading)|never (?:arrived|came|received|got)
    (?:is|are|was|were|got|it's) (?:broken|missing|damaged|lost|stolen|wrong|late|delayed|defective|faulty|cracked)
    (?:is|are|was|were|got|it's) (?:leaking|torn|expired|blocked|locked|gone|too (?:small|big|large))
    does(?:n't|nt| not)|wo(?:n't|nt)|isn't|hasn't|haven't|ha(?:s|ve) not
    (?:just |been |full |i |already )(?:cracked|damaged|broken|stolen|lost|missed)
    (?:an?|some|extra) (?:error|problem|issue|charge|amount)
    wrong (?:item|size|colour|color|product|order|address|amount)
    ich (?:möchte|will|brauche|würde|habe kein)|nicht (?:angekommen|erhalten|möglich)|funktioniert nicht|kaputt|defekt
    je (?:voudrais|veux)|j'ai besoin|quiero|necesito
""")
# Sentences of agents that answer nothing; each matches as a whole.
FILLER = _whole(r"""
    (?:(?:just|please|<agreed>|<thanks>)\W{1,3}){0,4}(?:one|an?|1|two|2) (?:moment|minute|min|sec|second)s?(?: please)?
    .{0,40}\b<ahead>\b.{0,30}\b(?:check|look|see|find out|pull up|moment|minute|while|transfer|connect).{0,80}
    (?:please )?(?:hold on|bear with me|hang on|stay (?:on the line|with me)|wait (?:a|one|while|for me))\b.{0,80}
    .{0,30}\b<thanks> for .{0,120}|(?:<agreed>\W{1,3})?<thanks>\b.{0,25}
    (?:you(?:'re| are) )?(?:very |most )?welcome\b.{0,40}|welcome to\b.{0,80}
    (?:no|not a) (?:problem|worries)(?: at all)?|my pleasure|<agreed>(?:\W{1,3}\[name\])?
    (?:<agreed>\W{1,3}){0,3}(?:i(?:'d| would| can| will|'ll| am|'m)? )?(?:be )?(?:happy |glad )?(?:to )?help\b.{0,60}
    (?:<agreed>\W{1,3}){0,3}(?:i(?:'d| would| can| will|'ll| am|'m)? )?(?:be )?(?:happy |glad )?(?:to )?assist\b.{0,60}
    .{0,40}\b(?:sorry|apologi[sz]e|apologies)\b(?: (?:to hear|about|for|that you)\b.{0,80})?
    .{0,60}\b(?:have|enjoy) (?:an?|the rest of|your) .{0,30}\b(?:day|evening|weekend|night|morning|one)\b.{0,30}
    .{0,30}\b(?:my name is|you(?:'re| are) (?:chatting|speaking|talking) (?:with|to))\b.{0,80}
    (?:this is|i'm|i am) \[name\].{0,60}
    .{0,40}\b(?:take care|good ?bye|bye|see you|talk soon|happy to help|glad (?:i|we) could help)\b.{0,40}
    .{0,40}\b(?:glad to (?:help|hear)|hope (?:this|that|it) helps)\b.{0,40}
    (?:kind|best|warm|many) (?:regards|wishes)\b.{0,60}|regards\b.{0,40}
    (?:please )?(?:feel free|do(?:n't| not) hesitate)\b.{0,100}
    <hello><whom>?
    (?:einen |kleinen )?(?:moment|augenblick)(?: bitte)?|.{0,20}\bich (?:schaue|sehe nach|prüfe)\b.{0,60}
    gern geschehen|kein problem|.{0,40}\b(?:schönen tag|schönes wochenende|auf wiedersehen)\b.{0,40}
    .{0,40}\bfreundlichen? grüßen?\b.{0,40}|un (?:instant|momento?)\b.{0,40}
""")
# Questions of agents that invite the next question, and ask for no detail.
INVITES = _anywhere(r"""
    (?:anything|something|nothing) else|any(?:\sother)? questions?|what else
    (?:how|what) (?:can|may|could|do) (?:i|we) (?:do|help|assist)|(?:may|can) i help|help you (?:today|with)
    (?:sonst noch|noch etwas|weitere fragen|noch fragen)|(?:was|wie) kann ich
""")
REQUESTS_DETAILS = _anywhere(r"""
    (?:may|can|could|might) i (?:please |just )?(?:have|get|know|take|ask)
    (?:please|(?:could|can|would) you)\b.{0,25}\b(?:provide|share|confirm|give|tell|verify)\b.{0,40}\b<detail>
    (?:please|(?:could|can|would) you)\b.{0,25}\bsend (?:me|us)\b.{0,40}\b<detail>
    bitte\b.{0,25}\b(?:nennen|mitteilen|geben)\b.{0,40}\b<detail>
    i(?:'ll| will|'d| would)? (?:just )?(?:need|require|like)\b.{0,25}\byour\b.{0,40}\b<detail>
""")
# What was done or found for one customer.
ABOUT_ONE_CASE = re.compile(
    r"\b"
    + _alternatives(r"""
        (?:i|we)(?:'ve| have| had)(?: now| just| already| also)? <done>\w{0,12}
        (?:i|we) (?:can )?see (?:that|your|the|it|here|you)\b
        (?:according to|looking at) (?:my|our|your) (?:system|records|account|screen|order)
        your <matter>\b.{0,30}\b(?:has|have) (?:now |just |already )?been
        your <matter> (?:was|is (?:now |currently )?(?:being|on its|out for|scheduled|confirmed|approved|cancelled))
        ich habe .{0,40}(?:storniert|veranlasst|geschickt|erstattet|geändert|weitergeleitet)
        ihre? (?:bestellung|paket|sendung) wurde
    """),
    re.IGNORECASE,
)


def words(lines: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(lines.split())


CHATTER_WORDS = words("""
    ok okay okey k yes yeah yep yup no nope nah sure thanks thank thx ty you u very much so great good perfect fine cool
    nice alright right got it i see understood done bye goodbye byee hello hi hii hey hai please pls the that's thats
    all is for help helping your and have a day one moment wait just nothing else more awesome wonderful excellent super
    lovely brilliant cheers welcome will do that this sir madam ma'am again too bot agent dear everything
    danke ja nein gut alles klar prima merci oui non gracias sí si vale
""")
NO_NAMES = words("""
    agent all and any anyone assistant bot buddy customer dear everybody everyone folks for friend from guys her here
    how hello just maam madam mate morning not now okay our please ready right sir sorry support sure team thanks that
    the there this today very welcome what with yes you your zusammen
    monday tuesday wednesday thursday friday saturday sunday
""")
