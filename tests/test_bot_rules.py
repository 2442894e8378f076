from dataclasses import replace

import pytest
from conversation import shown
from fakes_bot import SHOP, bot_over
from fakes_kb import pair

from bot.build import rules_of
from bot.completion import Completer
from bot.config import Config
from bot.policy import PolicyConfig
from bot.rules import Always, Never, PassOn, Prefer, Rules, RuleSet, folded
from bot.rules_file import load_rules
from kb.errors import ConfigError

RECALL = Always(name="recall", contains=("gas leak", "Rückruf"), answer="refund")


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """Ask a bot with these rules one question."""

    def asked(question, **rules):
        return bot_over(tmp_path_factory.mktemp("bot"), rules=RuleSet(**rules)).answer(question)

    return asked


def written(folder, text):
    path = folder / "rules.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "question", ["There is a GAS LEAK!", "gas-leak at my stove, is it raining?", "Was ist mit dem ruckruf?"]
)
def test_words_of_a_rule_get_its_answer_whatever_matches(ask, question):
    reply = ask(question, always=(RECALL,))
    assert (reply.outcome, shown(reply)) == ("answered", ["refund"])
    assert reply.confidence == 1.0
    assert reply.explanation.rules == ("recall",)
    assert "'recall'" in reply.explanation.reason


@pytest.mark.parametrize("question", ["gas leakage in my stove", "las leak", "leak of gas", "Where is my order?"])
def test_words_are_whole_and_in_their_order(ask, question):
    reply = ask(question, always=(RECALL,))
    assert "refund" not in shown(reply)[:1]
    assert reply.explanation.rules == ()


def test_a_message_that_matches_a_pair_gets_the_answer_of_another(ask):
    rule = Always(name="strike", matches="time", answer="track")
    reply = ask("How long does delivery take?", always=(rule,))
    plain = ask("How long does delivery take?")
    assert (shown(reply), reply.explanation.rules) == (["track"], ("strike",))
    assert reply.confidence == plain.confidence
    assert shown(ask("How much is delivery?", always=(rule,))) == ["price"]


def test_what_matches_a_pair_too_little_is_not_answered_by_its_rule(ask):
    rule = Always(name="strike", matches="track", answer="time")
    assert ask("Is it raining in Lisbon tomorrow?", always=(rule,)).outcome == "abstained"


def test_what_is_never_shown_is_neither_answered_nor_offered_nor_named(tmp_path):
    bot = bot_over(tmp_path, rules=RuleSet(never=(Never(name="hidden", pairs=("track",), topics=("returns",)),)))
    hidden = {"track", "return", "refund"}
    for each in SHOP:
        reply = bot.answer(each.question)
        everything = [*reply.responses, *reply.follow_ups, *reply.explanation.runners_up]
        assert not hidden & {one.pair_id for one in everything}
        assert not hidden & {match.pair.pair_id for match in bot.rank(each.question)}
        assert reply.explanation.rules == (("hidden",) if each.pair_id in hidden else ())
    assert Completer(bot.pairs).complete("Where is my") == []


def test_a_preferred_pair_stands_for_the_other_where_both_are_about_as_relevant(tmp_path):
    twins = (*SHOP, pair("How do I return something to a shop?", "Bring it along.", pair_id="shop", topic="returns"))
    question = "How do I return something?"
    plain = bot_over(tmp_path / "plain", twins).answer(question)
    rule = Prefer(name="shops first", pair="shop", over="return", within=1.0)
    preferred = bot_over(tmp_path / "preferred", twins, rules=RuleSet(prefer=(rule,))).answer(question)
    narrow = bot_over(tmp_path / "narrow", twins, rules=RuleSet(prefer=(Prefer(pair="price", over="return"),)))
    assert shown(plain)[0] == "return"
    assert shown(preferred)[0] == "shop"
    assert "return" not in shown(preferred)
    assert preferred.explanation.rules == ("shops first",)
    assert replace(narrow.answer(question), snapshot=plain.snapshot) == plain


def test_words_of_a_hand_over_rule_pass_the_message_on_with_its_reason(ask):
    rule = PassOn(name="law", contains=("my lawyer", "complaint"), reason="legal")
    reply = ask("Where is my order? I will tell MY LAWYER", hand_over=(rule,))
    assert (reply.outcome, reply.responses) == ("handed_over", ())
    assert (reply.explanation.hand_over, reply.explanation.rules) == ("legal", ("law",))
    assert reply.message == PolicyConfig().messages.hand_over
    assert ask("Is there a lawyer?", hand_over=(rule,)).outcome != "handed_over"


def test_a_slip_in_a_word_of_a_rule_is_mended_where_the_knowledge_base_has_the_word(ask):
    rule = PassOn(name="refunds", contains=("refund",), reason="money")
    assert ask("I want my refumd", hand_over=(rule,)).outcome == "handed_over"


def test_handing_over_goes_before_answering_by_rule(ask):
    rules = {"always": (RECALL,), "hand_over": (PassOn(name="gas", contains=("gas",), reason="danger"),)}
    assert ask("gas leak", **rules).outcome == "handed_over"


def test_without_rules_every_reply_is_what_it_is_with_an_empty_file(tmp_path):
    path = written(tmp_path, "")
    plain, empty = bot_over(tmp_path / "a"), bot_over(tmp_path / "b", rules=load_rules(path))
    for each in SHOP:
        assert plain.answer(each.question) == empty.answer(each.question)


WHOLE = """
[[always]]
name = "recall"
contains = ["gas leak"]
answer = "refund"
[[never]]
topics = ["payment"]
[[prefer]]
pair = "price"
over = "time"
within = 0.1
[[hand_over]]
contains = ["legal"]
reason = "law"
[hours]
time_zone = "Europe/London"
monday = ["09:00-17:30"]
"""


def test_a_file_has_all_kinds_of_rules_and_names_those_without_a_name(tmp_path):
    rules = load_rules(written(tmp_path, WHOLE))
    assert rules.always == (Always(name="recall", contains=("gas leak",), answer="refund"),)
    assert rules.never == (Never(name="never 1", topics=("payment",)),)
    assert rules.prefer == (Prefer(name="prefer 1", pair="price", over="time", within=0.1),)
    assert rules.hand_over == (PassOn(name="hand_over 1", contains=("legal",), reason="law"),)
    assert rules.hours.monday == ("09:00-17:30",)
    Rules(rules, SHOP)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[always]\n", "line 1"),
        ("[[often]]\nname = 'x'", "expected tables always, .* got .*often; remove or rename"),
        ("always = 3", r"expected \[\[always\]\]; got .*always = 3"),
        ("[always]\nanswer = 'refund'", r"expected \[\[always\]\]"),
        ("[[always]]\nanswers = 'refund'", "expected keys name, contains, matches, answer; got .*always 1: answers"),
        ("[[always]]\nanswer = 'refund'", "got .*always 1: no contains; complete the rule"),
        ("[[always]]\ncontains = ['x']", "always 1: no answer"),
        ("[[always]]\ncontains = ['?!', '']\nanswer = 'refund'", "contains ''"),
        ("[[never]]\nname = 'x'", "never 1: no pairs"),
        ("[[prefer]]\npair = 'price'", "prefer 1: no over"),
        ("[[prefer]]\npair = 'price'\nover = 'time'\nwithin = -1", "expected a number .*within = -1"),
        ("[[hand_over]]\ncontains = ['x']", "hand_over 1: no reason"),
        ("[[hand_over]]\ncontains = 'x'\nreason = 'y'", "expected a list of strings"),
        ("hours = 'always'", "expected a table; got .*hours = 'always'"),
        ("[hours]\nmonday = '9-17'", "expected a list of strings"),
    ],
)
def test_a_broken_file_is_an_error_that_names_what_is_wrong(tmp_path, text, told):
    with pytest.raises(ConfigError, match=told):
        load_rules(written(tmp_path, text))


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({"always": (Always(name="a", contains=("x",), answer="gone"),)}, "a pair .*got 'gone' in the rule 'a'"),
        ({"always": (Always(name="a", matches="gone", answer="time"),)}, "'gone' in the rule 'a'"),
        ({"never": (Never(name="n", pairs=("gone",)),)}, "'gone' in the rule 'n'"),
        ({"never": (Never(name="n", topics=("gone",)),)}, "a topic .*'gone' in the rule 'n'"),
        ({"prefer": (Prefer(name="p", pair="time", over="gone"),)}, "'gone' in the rule 'p'"),
        (
            {
                "never": (Never(name="n", pairs=("time",)),),
                "always": (Always(name="a", contains=("x",), answer="time"),),
            },
            "a pair that may be shown; got 'time' in the rule 'a'",
        ),
    ],
)
def test_a_rule_about_what_the_knowledge_base_has_not_is_an_error(rules, told):
    with pytest.raises(ConfigError, match=told):
        Rules(RuleSet(**rules), SHOP)


def test_the_file_is_the_data_folders_or_the_one_configured(tmp_path):
    assert rules_of(tmp_path, Config()) == RuleSet()
    written(tmp_path, "[[never]]\npairs = ['track']")
    (tmp_path / "other.toml").write_text("[[never]]\npairs = ['time']")
    assert rules_of(tmp_path, Config()).never[0].pairs == ("track",)
    assert rules_of(tmp_path, Config(policy=PolicyConfig(rules="other.toml"))).never[0].pairs == ("time",)
    with pytest.raises(ConfigError, match=r"gone\.toml"):
        rules_of(tmp_path, Config(policy=PolicyConfig(rules="gone.toml")))


@pytest.mark.parametrize(("text", "plain"), [("Réclamation!", "reclamation"), ("STRASSE  straße", "strasse strasse")])
def test_case_accents_and_punctuation_make_no_difference(text, plain):
    assert folded(text) == plain
