"""What the bot says in its own words; every sentence can be set."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Messages:
    """Sentences around the answers; `{when}` and `{parts}` stand for what is filled in."""

    hand_over: str = (
        "I am passing this conversation on to a person, so that you won't have to explain it again. "
        "Please leave an e-mail address or a phone number, so that they can reach you."
    )
    passed_on: str = (
        "This conversation is with a person already. If you have not done so, please leave an e-mail address or a "
        "phone number, so that they can reach you."
    )
    closed: str = "Nobody is there just now; somebody will be there again {when}."
    offer: str = "If you would rather talk to a person, you can do that too."
    same_answer: str = "That is the answer that I gave before. If it does not help, a person can."
    see_above: str = (
        "The best answer that I have to this is the one just above. If it does not help, look at these, "
        "or talk to a person."
    )
    abstain_again: str = "I have no answer to this either. Would you put it in other words, or talk to a person?"
    abstain_often: str = "I am not getting any further here. A person can help you better than I can."
    unanswered: str = "I have no answer to this part: {parts}"
    left: str = "That is as much as I can take at once. Please ask this again: {parts}"
    greeting: str = "Hello! What would you like to know?"
    thanks: str = "You're welcome. Is there anything else you would like to know?"
    goodbye: str = "Goodbye, and all the best!"
    robot: str = (
        "I am a program: I find answers that people here have written. If you would rather talk to a person, say so."
    )
    apology: str = "No need to be sorry. What would you like to know?"
    laughter: str = "Good to see you in high spirits. What would you like to know?"
