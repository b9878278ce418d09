"""What must never leave the process, decided on the sensor for every kind of probe.

Four kinds of rule: by *name* (of a variable, field or key), by *value* (what looks like a card number, a key, an
address), by *type* and by *path*. A withheld value keeps its type, the class of its length and a hash under the
environment's key, so that two withheld values can still be told equal or different. Everything here fails closed:
what cannot be judged is withheld.
"""

from __future__ import annotations

import fnmatch
import hashlib
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple, TypeVar

from msgspec import UNSET

from sightline import wire
from sightline.errors import BudgetExceeded, ExpressionError
from sightline.expressions import Budget, Pattern

HASH_BYTES: Final = 16
MAX_SCANNED: Final = 4096
"""Characters of one text that are looked through; of a longer text no more than this ever leaves."""
LONGEST_SECRET: Final = 1024
"""How far behind its beginning a secret is known as one: so much is looked through beyond what leaves of a text."""
_MOST_REMEMBERED = 20_000
LONGEST_HARMLESS: Final = 200
"""Characters of a text whose verdict is remembered."""
Verdict = TypeVar("Verdict", str, wire.Value)

# ---------------------------------------------------------------- rules by name

STRONG_WORDS: Final = frozenset({
    "apikey", "apikeys", "credential", "credentials", "cvc", "cvc2", "cvv", "cvv2", "iban", "jwt", "otp",
    "passcode", "passphrase", "passwd", "password", "passwords", "passwort", "privatekey", "pwd", "secret",
    "secretkey", "secrets", "ssn", "totp",
})  # fmt: skip
"""Withheld wherever they stand in a name: ``password``, ``db_password_hash``, ``passwordRepeat``."""
NAMES: Final = frozenset({
    "2fa", "accesscode", "accesskey", "accesskeyid", "accesstoken", "accountkey", "accountnumber",
    "apisecret", "appkey", "applicationkey", "appsecret", "auth", "authcode", "authentication",
    "authheader", "authkey", "authorization", "authorizationcode", "authtoken", "backupcode", "bankaccount",
    "basicauth", "bearer", "bearertoken", "birthdate", "card", "cardholder", "cardnumber", "ccnumber",
    "clientkey", "clientsecret", "connectionstring", "connectsid", "consumerkey", "cookie", "cookies",
    "creditcard", "creditcardnumber", "csrf", "csrfmiddlewaretoken", "csrftoken", "databaseurl",
    "dateofbirth", "dbpass", "dburl", "debitcard", "driverlicense", "dsn", "encryptionkey", "gpgkey",
    "hmackey", "idtoken", "ipaddress", "jsessionid", "licensekey", "masterkey", "mfa", "mfacode",
    "nationalid", "oauth", "oauthtoken", "pan", "pass", "passport", "passportnumber", "phpsessid", "pin",
    "pincode", "privkey", "proxyauthorization", "psk", "recoverycode", "redisurl", "refreshtoken",
    "remoteaddr", "routingnumber", "salt", "securityanswer", "securitycode", "securityquestion",
    "serviceaccount", "sessid", "sessionid", "sessionkey", "setcookie", "sharedkey", "sid", "signingkey",
    "socialsecurity", "socialsecuritynumber", "sshkey", "sshprivatekey", "taxid", "tlskey", "token",
    "tokens", "twofactorcode", "userinfo", "userpass", "verificationcode", "xapikey", "xauthtoken", "xcsrftoken",
    "xforwardedfor", "xrealip", "xsrf", "xsrftoken",
})  # fmt: skip
"""Withheld as a whole name or as its last words: ``token``, ``access_token``, ``X-Auth-Token``; not ``token_count``."""
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")


def words_of(name: str) -> list[str]:
    """``X-AuthToken`` as ``["x", "auth", "token"]``."""
    return [word.lower() for word in _WORD.findall(name)]


class NameRules:
    """The built-in names, those a team adds, and those its operators have judged harmless."""

    def __init__(self, added: Iterable[str] = (), allowed: Iterable[str] = ()) -> None:
        plain = [name for name in added if "*" not in name]
        self.strong = STRONG_WORDS
        self.added = {"".join(words_of(name)) for name in plain}
        self.names = NAMES | self.added
        self.globs = [name.lower() for name in added if "*" in name]
        self.allowed = {"".join(words_of(name)) for name in allowed}

    def rule_for(self, name: str) -> str:
        """``name: password`` when values of this name are withheld, else an empty string."""
        words = words_of(name)
        whole = "".join(words)
        if whole in self.allowed:
            return self._added_rule(name, whole)
        for found in self._endings(words):
            if found in self.names or found in self.strong:
                return f"name: {found}"
        for found in self._runs(words):
            if found in self.strong:
                return f"name: {found}"
        return self._added_rule(name, whole)

    def _added_rule(self, name: str, whole: str) -> str:
        """What a team adds is withheld even where someone allowed the name: rules can only withhold more."""
        if whole in self.added:
            return f"name: {whole}"
        glob = next((glob for glob in self.globs if fnmatch.fnmatchcase(name.lower(), glob)), "")
        return f"name: {glob}" if glob else ""

    def _endings(self, words: list[str]) -> Iterator[str]:
        for start in range(len(words)):
            yield "".join(words[start:])

    def _runs(self, words: list[str]) -> Iterator[str]:
        """Single words and pairs of neighbours: ``api_key_id`` holds ``apikey``."""
        yield from words
        for first, second in itertools.pairwise(words):
            yield first + second


# ---------------------------------------------------------------- rules by value


class Finding(NamedTuple):
    """A stretch of a text that must not leave, and the rule that says so."""

    start: int
    end: int
    rule: str


class _Detector(NamedTuple):
    """What one kind of secret looks like, and a closer look that may clear a candidate."""

    rule: str
    looks_like: re.Pattern[str]
    confirms: Callable[[str], bool] | None = None


def luhn_holds(digits: str) -> bool:
    """The check digit of card numbers."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0


_CARD_PREFIX = re.compile(r"4|5[1-5]|2[2-7]|3[0-9]|6|50|5[6-9]")


def is_card_number(digits: str) -> bool:
    """13 to 19 digits with an issuer's prefix and a right check digit."""
    return 13 <= len(digits) <= 19 and _CARD_PREFIX.match(digits) is not None and luhn_holds(digits)


def _holds_card(candidate: str) -> bool:
    """Whether the groups of digits, or a run of neighbouring ones, make a card number."""
    groups = re.split(r"[ -]+", candidate)
    for first in range(len(groups)):
        digits = ""
        for group in groups[first:]:
            digits += group
            if is_card_number(digits):
                return True
    return False


def _is_iban(candidate: str) -> bool:
    compact = candidate.replace(" ", "")
    moved = compact[4:] + compact[:4]
    return 15 <= len(compact) <= 34 and int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


# Each begins where its own characters begin (a look-behind keeps it from starting in the middle of a run), so that
# no text is gone through twice.
_WITH_AT: Final = (
    _Detector("value: e-mail", re.compile(r"(?<![\w.+-])[\w.+-]+@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}")),
    _Detector("value: url with credentials", re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s/@]{1,512}@")),
)
_WITH_DIGITS: Final = (
    _Detector(
        "value: card number",
        re.compile(r"(?<!\d)(?<!\d\.)(?:\d[ -]?){12,30}\d(?!\d)", re.ASCII),
        _holds_card,
    ),
    _Detector(
        "value: iban",
        re.compile(
            r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])",
            re.ASCII,
        ),
        _is_iban,
    ),
    _Detector(
        "value: social security number",
        re.compile(r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])", re.ASCII),
    ),
)
_KEYS: Final = (
    _Detector("value: private key", re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----[\s\S]*")),
    _Detector("value: jwt", re.compile(r"(?<![\w-])eyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?")),
    _Detector(
        "value: api key",
        re.compile(
            r"(?<![A-Za-z0-9])(?:"
            r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}"  # AWS
            r"|AIza[\w-]{35}|ya29\.[\w-]{20,}"  # Google
            r"|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{22,}|glpat-[\w-]{20,}"  # GitHub, GitLab
            r"|xox[abeoprs]-[A-Za-z0-9-]{10,}"  # Slack
            r"|[srp]k_(?:live|test)_[0-9A-Za-z]{10,}|whsec_[0-9A-Za-z]{16,}"  # Stripe
            r"|sk-[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}|SK[0-9a-f]{32}"  # OpenAI and its like, SendGrid, Twilio
            r"|npm_[A-Za-z0-9]{36}|pypi-[\w-]{16,}|dop_v1_[0-9a-f]{64}|hvs\.[\w-]{20,}"  # registries, clouds, Vault
            r"|sl[sap]_[A-Za-z0-9]+_[\w-]{20,}"  # our own tokens
            r")"
        ),
    ),
    _Detector(
        "value: authorization header",
        re.compile(
            r"(?<!\w)(?i:bearer)\s{1,3}[\w.~+/=-]{12,}|(?<!\w)[Bb]asic\s{1,3}(?=[A-Za-z+/]*[0-9=])[A-Za-z0-9+/]{8,}={0,2}"
        ),
    ),
)
_NAME_BEFORE_VALUE = re.compile(
    r"""(?<![\w.-])([A-Za-z_][\w.-]{1,60})["']{0,2}\s{0,3}(?:=>|[=:])\s{0,3}["']{0,2}"""
)
_VALUE_AFTER_NAME = re.compile(r"""(?:(?i:bearer|basic|token)\s{1,3})?[^\s"'&;,<>(){}\[\]]+""")
"""``password=hunter2``, ``"token": "abc"``: a name and its value inside a text. Two patterns, because what follows
a name that is no secret's may hold further names."""
_MANY_DIGITS = re.compile(r"[0-9](?:[0-9 A-Z-]){9}")
_SIGNS_OF_KEYS: Final = (
    "eyJ", "-----B", "AKIA", "AKCA", "ASIA", "ASCA", "ABIA", "ABCA", "ACIA", "ACCA", "AIza", "ya29", "ghp_", "gho_",
    "ghu_", "ghs_", "ghr_", "github_pat", "glpat-", "xox", "k_live", "k_test", "whsec_", "sk-", "SG.", "SK", "npm_",
    "pypi-", "dop_v1", "hvs.", "sla_", "sls_", "slp_", "earer", "BEARER", "asic",
)  # fmt: skip
"""One of these stands in whatever `_KEY_BEGINNING` finds: to look for texts takes a twentieth of its time."""
_KEY_BEGINNING = re.compile(
    r"eyJ|-----B|A[KSBC][IC]A|AIza|ya29|gh[pousr]_|github_pat|glpat-|xox|k_live|k_test|whsec_|sk-|SG\.|SK[0-9a-f]{8}"
    r"|npm_|pypi-|dop_v1|hvs\.|sl[sap]_|[Bb]earer|BEARER|[Bb]asic"
)


def _detect(text: str, detectors: Iterable[_Detector]) -> Iterator[Finding]:
    for detector in detectors:
        for found in detector.looks_like.finditer(text):
            if detector.confirms is None or detector.confirms(found[0]):
                yield Finding(found.start(), found.end(), detector.rule)


def secrets_in(text: str) -> list[Finding]:
    """What looks like a secret by its own shape. Linear in the length of ``text``."""
    found: list[Finding] = []
    if "@" in text:
        found += _detect(text, _WITH_AT)
    if len(text) > 10 and _MANY_DIGITS.search(text) is not None:
        found += _detect(text, _WITH_DIGITS)
    if (
        len(text) > 13
        and any(map(text.__contains__, _SIGNS_OF_KEYS))
        and _KEY_BEGINNING.search(text) is not None
    ):
        found += _detect(text, _KEYS)
    return found


# ---------------------------------------------------------------- the redactor


class Explanation(NamedTuple):
    """One line of a dry run: what would become of the value at ``path``. ``rule`` is empty when it would leave as
    it is.
    """

    path: str
    type: str
    rule: str
    leaves: str


class Redactor:
    """All rules together. One per process; used on the sensor's thread only, so its memory of verdicts needs no
    lock.
    """

    def __init__(
        self,
        rules: wire.RedactionRules | None = None,
        hash_key: bytes = b"",
        allowed_names: Iterable[str] = (),
    ) -> None:
        rules = rules or wire.RedactionRules()
        self._names = NameRules(rules.names, allowed_names)
        self._values = [_ValueRule(text) for text in rules.values]
        self._types = tuple(rules.types)
        self._paths = tuple(rules.paths)
        self._key = hashlib.blake2b(hash_key or os.urandom(32)).digest()
        self.known_names: dict[str, str] = {}
        self.known_texts: dict[str, str] = {}
        """Verdicts so far, by name and by text: a writer looks here first, because a call costs more than the look."""
        self.harmless_texts: dict[str, wire.Value] = {}
        """Short ASCII texts in which nothing was found, as they leave: for looking up, not for changing."""
        self.harmless_names: dict[str, wire.Value] = {}
        """Those under which anything may leave, as far as names and texts tell."""
        self._type_verdicts: dict[str, str] = {}
        self.looks_at_types = bool(self._types)
        self.looks_at_paths = bool(self._paths)
        """Whether any rule is by type, or by path: else a writer need not ask, nor build paths, for nothing."""
        self.looks_at_values = bool(self._values)
        """Whether a team has patterns of its own: they are for whole texts, not only for what leaves of them."""

    # rules: each answers the rule that withholds, or an empty string

    def name_rule(self, name: str) -> str:
        """The rule for values called ``name``."""
        verdict = self.known_names.get(name)
        if verdict is None:
            verdict = _remember(self.known_names, name, self._names.rule_for(name[:MAX_SCANNED]))
        return verdict

    def type_rule(self, type_name: str) -> str:
        """The rule for values of this type."""
        if not self._types:
            return ""
        verdict = self._type_verdicts.get(type_name)
        if verdict is None:
            found = next((glob for glob in self._types if fnmatch.fnmatchcase(type_name, glob)), "")
            verdict = _remember(self._type_verdicts, type_name, found and f"type: {found}")
        return verdict

    def path_rule(self, path: str) -> str:
        """The rule for the value at ``path``, as ``order.customer.address``."""
        return next((f"path: {glob}" for glob in self._paths if fnmatch.fnmatchcase(path, glob)), "")

    def text_rule(self, text: str) -> str:
        """The rule that withholds this text for what stands in it."""
        verdict = self.known_texts.get(text)
        if verdict is None:
            findings = self.findings(text)
            verdict = findings[0].rule if findings else ""
            if len(text) <= LONGEST_HARMLESS:
                _remember(self.known_texts, text, verdict)
                if not verdict and text.isascii():
                    _remember(self.harmless_texts, text, wire.Value("str", text))
        return verdict

    def is_harmless(self, name: str) -> bool:
        """Whether this may leave as a text and whatever stands under it may too, as far as names tell."""
        if name in self.harmless_names:
            return True
        if self.name_rule(name) or self.text_rule(name):
            return False
        shown = self.harmless_texts.get(name)
        return shown is not None and _remember(self.harmless_names, name, shown) is shown

    def findings(self, text: str) -> list[Finding]:
        """Every stretch of the first `MAX_SCANNED` characters that must not leave, in order."""
        text = text[:MAX_SCANNED]
        found = secrets_in(text)
        if "=" in text or ":" in text:
            found += self._named_in(text)
        for rule in self._values:
            if rule.holds_for(text):
                found.append(Finding(0, len(text), rule.rule))
        return sorted(found)

    def _named_in(self, text: str) -> Iterator[Finding]:
        for name in _NAME_BEFORE_VALUE.finditer(text):
            rule = self.name_rule(name[1])
            value = _VALUE_AFTER_NAME.match(text, name.end()) if rule else None
            if value is not None:
                yield Finding(value.start(), value.end(), rule)

    # what leaves instead

    def mask(self, text: str) -> str:
        """``text`` for a message: each secret replaced by ``[withheld: rule]``."""
        parts, end = [], 0
        for finding in self.findings(text):
            if finding.end > end:
                parts += [text[end : max(finding.start, end)], f"[withheld: {finding.rule}]"]
                end = finding.end
        return "".join([*parts, text[end:MAX_SCANNED]])

    def mask_again(self, text: str) -> str:
        """The same for a short text of which there are few: what becomes of it is remembered."""
        return self.mask(text) if self.text_rule(text) else text

    def hash(self, data: bytes) -> bytes:
        """The keyed hash by which withheld values are told equal or different; 16 bytes."""
        return hashlib.blake2b(data, key=self._key, digest_size=HASH_BYTES).digest()

    def withheld(
        self, type_name: str, rule: str, length: int | None = None, content: bytes | None = None
    ) -> wire.Value:
        """What leaves in place of a value: type, length class and, if its ``content`` is known whole, the keyed
        hash.
        """
        return wire.Value(
            type=type_name,
            redacted=rule,
            note=None if length is None else length_class(length),
            hash=None if content is None else self.hash(content),
        )

    def explain(self, values: Mapping[str, wire.Value]) -> list[Explanation]:
        """A dry run: for values as `snapshots.write_value` made them, what would leave and what would not."""
        return [line for name, value in values.items() for line in _explain(name, value)]


def _remember(verdicts: dict[str, Verdict], subject: str, verdict: Verdict) -> Verdict:
    if len(verdicts) >= _MOST_REMEMBERED:
        verdicts.clear()
    verdicts[subject] = verdict
    return verdict


class _ValueRule:
    """A team's own pattern. One that cannot be read, or takes too long, withholds every text: it fails closed."""

    def __init__(self, text: str) -> None:
        self.rule = f"value: {text[:60]}"
        try:
            self.pattern: Pattern | None = Pattern(text)
        except ExpressionError as error:
            self.pattern = None
            self.rule = f"value: unreadable rule, so every text is withheld ({error.sentence})"

    def holds_for(self, text: str) -> bool:
        if self.pattern is None:
            return True
        try:
            return self.pattern.found_in(text, Budget(steps=200_000, seconds=0.05))
        except BudgetExceeded:
            return True


def length_class(length: int) -> str:
    """``9 to 16``: the power of two a length lies under, which tells less than the length."""
    if length == 0:
        return "length 0"
    top = 8
    while length > top:
        top *= 2
    return f"length {1 if top == 8 else top // 2 + 1} to {top}"


def _explain(path: str, value: wire.Value) -> Iterator[Explanation]:
    shown = "" if value.value in (UNSET, None) else str(value.value)[:80]
    yield Explanation(path, value.type, value.redacted or "", value.note or "" if value.redacted else shown)
    for position, item in enumerate(value.items or ()):
        yield from _explain(f"{path}[{position}]", item)
    for name, each in (value.fields or {}).items():
        yield from _explain(f"{path}.{name}", each)
    for key, each in value.entries or ():
        name = f"[withheld: {key.redacted}]" if key.redacted else f"[{key.value!r}]"
        yield from _explain(f"{path}{name}", each)
