"""Topics that are not listened to: for an hour, with the reason, and never more than a few."""

from agent.link.muted_topics import MUTED_S, TOPICS_MAX, MutedTopics


def test_a_topic_is_muted_for_a_while_and_says_why() -> None:
    muted = MutedTopics()
    assert muted.reason("a/b", 0.0) == ""
    muted.mute("a/b", "too large", 10.0)
    assert muted.reason("a/b", 10.0 + MUTED_S - 1) == "too large"
    assert muted.reasons(11.0) == ["a/b is not listened to: too large"]
    assert muted.reason("a/b", 10.0 + MUTED_S) == ""
    assert muted.reasons(10.0 + MUTED_S) == []
    assert muted.reason("a/c", 11.0) == ""


def test_of_many_the_oldest_is_forgotten() -> None:
    muted = MutedTopics()
    for number in range(TOPICS_MAX + 1):
        muted.mute(f"t/{number}", "too large", float(number))
    assert len(muted.reasons(100.0)) == TOPICS_MAX
    assert not muted.reason("t/0", 100.0)
    muted.mute("t/1", "again", 100.0)
    assert len(muted.reasons(100.0)) == TOPICS_MAX
