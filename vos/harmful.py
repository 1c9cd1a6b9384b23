"""Which classes are harmful: named by a setting, or recognised by well-known words; never guessed from their order.

A classifier has C classes, and any of them may be harmful. Margins, sides and false-negative rates compare the harmful
classes with the others, so every object that has classes also has the indices of the harmful ones.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from vos.errors import ConfigError

NO_HARM = "none"
"""Value of `positive` for data without a harmful class."""

SHOWN = 20
"""Largest number of classes that a message lists."""

PLAIN_NAME = re.compile(r"[\w.-]+(?: [\w.-]+)*")
"""Class names that can be typed without quotes in a list on the command line."""

Positive = str | int | float | bool | Sequence[str | int | float | bool] | None
"""One class, a list of classes, "none", or None to decide by the class names."""


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text))


_HARM = _words(
    """
    abuse abused abusing abusive aggression aggressive antisemitic antisemitism attack bullying bully bullied
    cyberbullying danger dangerous dehumanising dehumanizing derogatory disrespectful discrimination discriminatory
    extremism extremist harass harassed harassing harassment harm harmful harming hate hated hateful hatespeech hating
    hatred homophobia homophobic hostile hostility inappropriate insult insulted insulting islamophobia islamophobic
    malicious misogynist misogynistic misogyny nsfw obscene obscenity offence offense offensive offending profane
    profanity racism racist sexism sexist slur suicidal suicide terrorism terrorist threat threatening toxic toxicity
    transphobia transphobic uncivil unsafe vicious violence violent vulgar xenophobia xenophobic
    """
)
_SAFE = _words(
    """
    acceptable allowed appropriate benign civil clean decent fine friendly harmless inoffensive innocent innocuous
    inoffensively kind legitimate neither none nonabuse nonhate nonharm nonoffense normal nothing ok okay
    peaceful polite regular respectful safe sfw unobjectionable unoffensive
    """
)
_NEGATIONS = frozenset(("no", "non", "not", "never", "without", "isnt", "free", "zero"))
_FILLERS = _words(
    """
    a an any behavior behaviour category class comment content contains expression identity implicit explicit hard is
    language label message mild mildly of or and other post rhetoric self severe sexual speech text the towards tweet
    utterance very
    """
)
_ANSWERS = (("0", "1"), ("false", "true"), ("no", "yes"), ("n", "y"), ("f", "t"))
"""Pairs of answers to the question whether a text is harmful. A name counts only if its partner is there too, and
numbers and letters only if they are the only classes."""


class Classes(NamedTuple):
    """The class names, and which of the classes are harmful.

    Attributes:
        names: names of the C classes, in index order.
        harmful: indices of the harmful classes, ascending; () if no class is harmful.

    Example:
        >>> classes = Classes(("neither", "hate", "offensive"), (1, 2))
        >>> classes.harmful_names, classes.other_names
        (('hate', 'offensive'), ('neither',))
    """

    names: tuple[str, ...]
    harmful: tuple[int, ...]

    @property
    def harmful_names(self) -> tuple[str, ...]:
        """Names of the harmful classes."""
        return tuple(self.names[c] for c in self.harmful)

    @property
    def other_names(self) -> tuple[str, ...]:
        """Names of the classes that are not harmful."""
        return tuple(name for c, name in enumerate(self.names) if c not in self.harmful)


def fold_name(name: object) -> str:
    """Normalise a class name for comparison: ignores case, spaces, punctuation, plurals and variants of a letter.

    Example:
        >>> fold_name("Hate-Speech"), fold_name("hate_speeches"), fold_name("harmless")
        ('hatespeech', 'hatespeech', 'harmless')
    """
    letters = _spaced(name).replace(" ", "")
    if letters.endswith("ies") and len(letters) > 4:
        return letters[:-3] + "y"
    if letters.endswith(("ches", "shes", "sses", "xes")):
        return letters[:-2]
    return letters[:-1] if letters.endswith("s") and not letters.endswith("ss") and len(letters) > 3 else letters


def _spaced(name: object) -> str:
    """The words of a name in lower case, separated by spaces."""
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFKC", str(name)))
    return " ".join(re.findall(r"[^\W_]+", re.sub(r"['\u2019]", "", text).casefold()))


def are_answers(names: Sequence[str]) -> bool:
    """Whether the classes are the two answers to a question that their names do not tell.

    Example:
        >>> are_answers(["No", "yes"]), are_answers(["0", "1"]), are_answers(["harmless", "harmful"])
        (True, True, False)
    """
    return tuple(sorted(fold_name(name) for name in names)) in _ANSWERS


def harmful_classes(names: Sequence[str], positive: Positive = None) -> tuple[int, ...]:
    """Return the indices of the harmful classes, ascending; () if no class is harmful.

    Args:
        names: names of the C classes, in index order.
        positive: the harmful class, or a list of them; "none": no class is harmful; None: well-known words in the
            names decide (`harm`, `toxic`, ..., their negations, and the answers 0 and 1, no and yes). If one of
            two classes is known to be harmless, the other is harmful.

    Raises:
        ConfigError: an unknown class, every class is harmful, or the names do not decide: none of them is known, or
            several are known to be harmful.

    Example:
        >>> harmful_classes(["Toxic", "non-toxic"]), harmful_classes(["neither", "rude", "vile"], ["rude", "vile"])
        ((0,), (1, 2))
    """
    if positive is None:
        return _recognised(names)
    if isinstance(positive, str) and positive.strip().casefold() == NO_HARM:
        return ()
    wanted = [positive] if isinstance(positive, str | int | float) else list(positive)
    found = sorted({_place(names, each) for each in wanted})
    if not found or len(found) == len(names):
        raise ConfigError(
            f"positive: expected some of the classes, not all, and at least one, found {wanted} of {_listed(names)}; "
            f"for data without harm: positive={NO_HARM}"
        )
    return tuple(found)


def harmful_in_words(classes: Classes) -> str:
    """Return one line for the start of a run: which classes count as harmful, and which do not.

    Example:
        >>> harmful_in_words(Classes(("hate", "neither"), (0,)))
        "harmful: 'hate'; not harmful: 'neither'"
    """
    if not classes.harmful:
        return (
            f"no class of {_listed(classes.names)} is harmful: margins are largest logit less second largest; "
            "false-negative rate, quotas by side, counterfactuals and the stop rule's target_fnr are off"
        )
    return f"harmful: {_listed(classes.harmful_names)[1:-1]}; not harmful: {_listed(classes.other_names)[1:-1]}"


def _place(names: Sequence[str], wanted: object) -> int:
    """Index of the class with this name; different spellings of a name match, see `fold_name`."""
    exact = [i for i, name in enumerate(names) if name == str(wanted)]
    if isinstance(wanted, float) and wanted.is_integer():
        exact = exact or [i for i, name in enumerate(names) if name == str(int(wanted))]
    folded = [i for i, name in enumerate(names) if fold_name(wanted) and fold_name(name) == fold_name(wanted)]
    # YAML reads yes and no as true and false.
    answer = {"True": "yes", "False": "no"}.get(str(wanted)) if isinstance(wanted, bool) else None
    spoken = [i for i, name in enumerate(names) if answer is not None and _spaced(name) == answer]
    for places in (exact, folded, spoken):
        if len(places) == 1:
            return places[0]
    raise ConfigError(
        f"positive: expected classes of {_listed(names)}, found {wanted!r}; for data without harm: positive={NO_HARM}"
    )


def _recognised(names: Sequence[str]) -> tuple[int, ...]:
    """The harmful class: recognised by its name, or as the other one of two classes if one is known to be harmless."""
    if len(names) < 2:
        return ()
    folded = [_spaced(name) for name in names]
    if pair := next((pair for pair in _ANSWERS if set(pair) == set(folded)), None):
        return (folded.index(pair[1]),)
    answers = {word: i == 1 for pair in _ANSWERS if set(pair) <= set(folded) for i, word in enumerate(pair)}
    meant = [answers.get(name, _meaning(name)) if len(name) > 1 else None for name in folded]
    harm, harmless = ([i for i, each in enumerate(meant) if each is value] for value in (True, False))
    if len(harm) == 1:
        return (harm[0],)
    if not harm and len(names) == 2 and len(harmless) == 1:
        return (1 - harmless[0],)
    several = f"several of them may be: {_listed([names[i] for i in harm])}" if harm else "their names do not tell"
    typed = harm and all(PLAIN_NAME.fullmatch(names[i]) for i in harm)  # quoting depends on the shell
    example = f"[{','.join(names[i] for i in harm)}]" if typed else "[CLASS,CLASS]" if harm else "CLASS"
    raise ConfigError(
        f"positive: expected to know which of the classes {_listed(names)} are harmful, and {several}; name one or a "
        f"list with data.positive, such as 'data.positive={example}', or say data.positive={NO_HARM} for data "
        "without harm"
    )


def _meaning(folded: str) -> bool | None:
    """Whether a folded name means harm (True), its absence (False), or something unknown (None)."""
    if folded == "not":
        return False
    words = [word for word in folded.split() if word not in _FILLERS]
    negated = False
    meant: set[bool] = set()
    for word in words:
        if word in _NEGATIONS:
            negated = not negated
            continue
        value = _word(word)
        if value is None:
            return None
        meant.add(value)
    if len(meant) != 1:
        return None
    return meant.pop() is not negated


def _word(word: str) -> bool | None:
    """Whether one word means harm; recognises plurals, and negations that are part of the word."""
    for form in (word, word.removesuffix("s"), word.removesuffix("ful"), word.removesuffix("ly")):
        if form in _HARM:
            return True
        if form in _SAFE:
            return False
    for prefix in ("non", "not", "no", "un", "is"):
        rest = word.removeprefix(prefix)
        if rest != word and len(rest) > 2 and (value := _word(rest)) is not None:
            return value if prefix == "is" else not value
    for suffix in ("free", "less", "speech", "language", "content", "comment"):
        rest = word.removesuffix(suffix)
        if rest != word and len(rest) > 2 and (value := _word(rest)) is not None:
            return not value if suffix in ("free", "less") else value
    return None


def _listed(names: Sequence[str]) -> str:
    rest = f", ... ({len(names)} classes)" if len(names) > SHOWN else ""
    return "[" + ", ".join(repr(name) for name in names[:SHOWN]) + rest + "]"
