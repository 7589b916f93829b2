"""How final is a failure? Hard, soft or block, by the words of the receiving server and its status code.

Suppressing somebody who can be reached is worse than one more try. So words about the sender or the
content win over words about the mailbox, "for now" wins over both codes, and what nobody explains is soft:
it suppresses only when it comes again and again.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from newsletter.model.event import BounceClass
from newsletter.tracking.mailbox.reading import Verdict

LONGEST_DIAGNOSTIC: Final = 2_000

# An IPv4 address and a version number are longer.
_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d]|\.\d)")
_SMTP_CODE = re.compile(
    r"(?:(?<![\w.@/-])|(?<=smtp;))([45]\d\d)(?=[ \t:;,.-]|$)", re.IGNORECASE | re.MULTILINE
)


class _Words(NamedTuple):
    bounce_class: BounceClass
    name: str
    pattern: re.Pattern[str]
    source: str
    with_names: bool = False  # whether host names count: block lists are known by theirs


def _words(
    bounce_class: BounceClass, name: str, source: str, *phrases: str, with_names: bool = False
) -> _Words:
    return _Words(bounce_class, name, re.compile("|".join(phrases), re.IGNORECASE), source, with_names)


# In the order in which they are asked; the first that fits decides.
_BY_WORDS: Final = (
    _words(
        BounceClass.HARD,
        "recipient unknown at the edge",
        "Microsoft: directory-based edge blocking answers 550 5.4.1 to unknown recipients",
        r"5\.4\.1\b.{0,80}recipient address rejected: access denied",
    ),
    _words(
        BounceClass.HARD,
        "null MX",
        "RFC 7505 §4.2: the domain accepts no mail",
        r"null ?mx",
        r"domain (?:of recipient )?does not accept mail",
    ),
    _words(
        BounceClass.SOFT,
        "greylisted or slowed down",
        "RFC 6647; Gmail 4.2.1, 4.7.28; Yahoo TS01–TS03",
        r"gr[ea]y.?list",
        r"try (?:again|it) later|retry later|temporar(?:y|ily) (?:deferred|unavailable|rejected|suspended|failure)",
        r"\[ts0[1-4]\]",
        r"receiving mail (?:at a rate|too quickly)",
        r"too many (?:connections|concurrent|messages|recipients|errors)",
        r"rate.?limit|throttl",
    ),
    _words(
        BounceClass.SOFT,
        "mailbox full",
        "RFC 3463 §3.3 (X.2.2); Exchange 5.2.2; Gmail 5.2.2",
        r"(?:mail ?box|quota|inbox|mailfile|account|user|storage|recipient|disk|maildir)\b.{0,60}\b(?:is |are |was )?(?:full|exceed(?:s|ed|ing)?|over ?quota|too large)\b",
        r"over ?quota|over (?:the |its |his )?(?:disk |storage )?(?:quota|limit)|exceed\w* (?:\w+ ){0,4}(?:quota|storage)|out of (?:storage|disk) space|quota exceed",
        r"not enough (?:storage )?space|insufficient (?:disk|storage|system storage)|no space left",
        r"postfach (?:ist )?(?:voll|überfüllt)|speicherplatz|bo[iî]te.{0,30}pleine|casilla llena|buz[oó]n.{0,20}lleno|casella.{0,20}piena|caixa.{0,20}cheia|容量|邮箱已满",
    ),
    _words(
        BounceClass.BLOCK,
        "on a block list",
        "Spamhaus, SpamCop, Barracuda, Proofpoint and others are named in the answer",
        r"spamhaus|spamcop|barracudacentral|sorbs\.|uceprotect|proofpoint dynamic reputation|ipcheck\.proofpoint|cloudmark|senderscore|invaluement|mailspike",
        with_names=True,
    ),
    _words(
        BounceClass.BLOCK,
        "refused over the sender or its network",
        "RFC 3463 §3.8 (X.7.1); Microsoft S3140, S3150; Yahoo, Comcast and AT&T answers",
        r"\bdnsbls?\b|\brbls?\b|black ?list(?:ed)?|block ?list|blocklisted|deny ?list|\bblocked\b|is_blocked",
        r"reputation|poor sender|banned|\bs3(?:140|150)\b|\(s3\d{3}\)|your (?:ip|host|network|server|domain)\b.{0,60}(?:block|reject|refus|denied|listed)",
        r"(?:ip|client|sender|server)(?: address)?(?: \S{1,60})? (?:is )?(?:not allowed|rejected|denied|refused|listed)",
        r"sender (?:address )?(?:rejected|denied|blocked|refused|verify failed|verification)|bad (?:outbound )?sender|sender .{0,40}not (?:allowed|permitted|authorized)",
    ),
    _words(
        BounceClass.BLOCK,
        "refused over authentication",
        "RFC 7372 (X.7.20–X.7.26), RFC 7489; Gmail 5.7.26; Microsoft 5.7.509, 5.7.515",
        r"\bspf\b|\bdkim\b|\bdmarc\b|unauthenticated (?:mail|email|sender)|authentication (?:is )?required|not authenticated|reverse dns|\bptr\b|rdns|\bhelo\b",
        r"relay(?:ing)?(?: access)? (?:is )?(?:denied|not permitted|not allowed|prohibited)|unable to relay|not permitted to relay|we do not relay",
    ),
    _words(
        BounceClass.BLOCK,
        "refused as spam",
        "SparkPost classes 51, 52; Barracuda, Mimecast, Proofpoint, SpamAssassin answers",
        r"\bspam\b|spam(?:my|like| content| score| message| detected|assassin)|\bjunk\b|\buce\b|unsolicited|bulk mail|phish|virus|malware|infected|malicious",
        r"mailspike|message content|content (?:rejected|filter|blocked|restriction|denied)|prohibited (?:attachment|content)|barracuda.{0,40}(?:block|reject|reputation)|reject(?:ed|ion)? (?:due to |by |for |under )?(?:local |security |content |email |a )?polic",
        r"polic(?:y|ies) (?:reasons?|violation|restriction|rejection|reject)|(?:violat|against|because of|due to|prohibited by) .{0,40}polic|administrative(?:ly)? (?:prohibit|denied|block)|administrative prohibition|envelope blocked|mimecast.{0,60}(?:block|reject)",
        r"message (?:was )?(?:rejected|refused|blocked) (?:by|due to|for|because|as)",
    ),
    _words(
        BounceClass.BLOCK,
        "not allowed to write to this recipient",
        "Exchange 5.7.1, 5.7.124, 5.7.129–5.7.136: restricted recipients and groups",
        r"(?:not (?:allowed|authorized|permitted)|permission|rights?) to (?:send|post|submit|deliver)|only accepts? (?:messages|mail|email)|restricted (?:access|recipient|to)|moderat(?:ed|or)|members? of (?:the|this) (?:group|list)|authenticated senders",
    ),
    _words(
        BounceClass.BLOCK,
        "too large or not presentable",
        "RFC 3463 §3.3, §3.4, §3.7 (X.2.3, X.3.4, X.6)",
        r"message (?:size |is |was |body )*(?:too (?:big|large|long)|exceeds|larger)|size limit|maximum (?:message )?size|message.{0,20}size.{0,40}exceed|line too long|8-?bit.{0,30}not|conversion (?:required|failed)",
    ),
    _words(
        BounceClass.SOFT,
        "mail loop or too many hops",
        "RFC 3463 §3.5 (X.4.6); RFC 5321 §6.3",
        r"too many hops|hop count|mail loop|loops? back to (?:myself|me)|routing loop|loop detected|forwarding loop",
    ),
    _words(
        BounceClass.HARD,
        "domain unknown",
        "RFC 3463 §3.2 (X.1.2); Postfix and Exim when DNS says NXDOMAIN; Exchange Online 5.4.310",
        r"(?:host|domain)(?: or domain)?(?: name)? (?:not found|unknown|does ?n[o']t exist|invalid)|unknown (?:mail )?(?:host|domain)|no such (?:host|domain)|unrouteable (?:mail )?domain|nxdomain|domain .{0,60}(?:does not exist|doesn't exist|not exist)",
        r"couldn't find any host named|bad destination (?:host|system)|all relevant mx records point to non-existent hosts|illegal host/domain name",
    ),
    _words(
        BounceClass.HARD,
        "mailbox unknown",
        "RFC 3463 §3.2 (X.1.1); answers of Postfix, Exim, qmail, Sendmail, Exchange, Gmail, Yahoo, iCloud",
        r"(?:user|recipient|mailbox|address|account|alias|addressee|local part|member|e-?mail)s?(?: name| address| account)?(?: \S{1,90})? (?:is |was |are |has |could )?(?:been )?(?:not (?:be )?(?:found|known|exist(?:ing)?|recogni[sz]ed|listed|valid|registered|a valid|available here)|un ?known|does ?n[o']t exist|doesn.t (?:exist|have)|do not exist|no longer (?:exists|valid|active|available|in use)|invalid|undeliverable|non-?existent)",
        r"un ?known(?: or illegal)? (?:local )?(?:user|recipient|address|alias|account|mailbox|local.?part|addressee)|(?:no|invalid|bad|non-?existent|unrouteable|illegal) (?:such )?(?:user|recipient|mailbox|address|account|person|alias|local user|destination mailbox|addressee|email)|not our customer|no mailbox (?:here )?by that name|no such (?:recipient|user|mailbox|person|id|email)|not a (?:known|valid) (?:user|recipient|mailbox|address)|does not have an? .{0,40}account|isn't (?:in|found)|n't find (?:the )?(?:recipient|user|address)|couldn't be found|wasn't found|address you (?:entered|sent).{0,40}(?:couldn|not)|does ?n[o']t like recipient|user .{0,60}not (?:found|listed|exist)|5\.1\.1\b.{0,120}(?:address|recipient|user)",
        r"(?:account|mailbox|user|address)(?: \S{1,90})? (?:is |has been |was )?(?:closed|deleted|disabled|deactivated|terminated|discontinued|inactive)|(?:closed|disabled|deactivated|inactive|deleted) (?:account|mailbox|user)|no longer (?:works|employed|with)|has left the (?:company|organi[sz]ation)|recipient.{0,20}inactive",
        r"mailbox unavailable|recipient (?:address )?rejected: (?:user|undeliverable|unknown|invalid)|unable to validate recipient|recipient verification failed|verification failed for (?:the )?recipient|recipient not (?:ok|accepted)|user reject|this address no longer accepts mail",
        r"empf[äa]nger.{0,40}(?:unbekannt|nicht gefunden|existiert nicht)|unbekannter (?:empf|benutz)|konnte nicht gefunden werden|adresse.{0,40}(?:existiert nicht|ung[üu]ltig)|(?:utilisateur|adresse|destinataire|bo[iî]te).{0,40}(?:inconnue?|n.existe pas|introuvable)|usuario.{0,30}(?:desconocido|no existe)|(?:usu[aá]rio|endere[cç]o|destinat[aá]rio).{0,40}(?:n[aã]o (?:existe|encontrado)|desconhecido|inexistente)|(?:utente|indirizzo|destinatario).{0,40}(?:sconosciuto|non (?:esiste|trovato)|inesistente)|onbekende? (?:gebruiker|ontvanger)|no existe|用户不存在|收件人.{0,20}不存在|不存在|宛先.{0,40}(?:不明|見つかりません)|ユーザー?が(?:存在|見つかり)|получатель.{0,40}не (?:найден|существует)|пользовател[ья].{0,40}не (?:найден|существует)|nie istnieje|neexistuje|okänd",
    ),
    _words(
        BounceClass.SOFT,
        "unreachable for now, or given up",
        "RFC 3463 §3.5 (X.4.1–X.4.7)",
        r"connection (?:timed out|refused|reset|was dropped|lost)|timed? ?out|no (?:route|answer)|unreachable|expired|retry time(?:out)? (?:not reached|exceeded)|could not (?:connect|be contacted)|not responding|lost connection|(?:has been|was) (?:in|on) (?:the |our )?queue too long|delivery time",
    ),
)

# What stands in a host name, an address or a link says nothing: `spamfilter.example.com said: no such user`.
_HOST = re.compile(r"[^\w]*(?:[\w-]+\.)+[A-Za-z]{2,}[^\w]*(?:\[[^\]]*\][^\w]*)?").fullmatch

_ADDRESS = re.compile(r"[^\s:<>()]*@[^\s:<>()]*")

# Of the class 5; the third number says it more exactly than the second.
_BY_STATUS: Final[dict[str, tuple[BounceClass, str]]] = {
    "1.1": (BounceClass.HARD, "bad destination mailbox address, RFC 3463 §3.2"),
    "1.2": (BounceClass.HARD, "bad destination system address, RFC 3463 §3.2"),
    "1.3": (BounceClass.HARD, "bad destination mailbox address syntax, RFC 3463 §3.2"),
    "1.4": (BounceClass.SOFT, "destination mailbox address ambiguous, RFC 3463 §3.2"),
    "1.5": (BounceClass.NONE, "destination address valid, RFC 3463 §3.2"),
    "1.6": (BounceClass.HARD, "destination mailbox has moved, no forwarding address, RFC 3463 §3.2"),
    "1.7": (BounceClass.BLOCK, "bad sender's mailbox address syntax, RFC 3463 §3.2"),
    "1.8": (BounceClass.BLOCK, "bad sender's system address, RFC 3463 §3.2"),
    "1.10": (
        BounceClass.HARD,
        "recipient address has null MX, RFC 7505; recipient not found, Exchange Online",
    ),
    "1.20": (BounceClass.BLOCK, "several senders in From:, Exchange Online"),
    "1.90": (BounceClass.BLOCK, "the sender's daily limit, Exchange Online"),
    "2.1": (BounceClass.HARD, "mailbox disabled, not accepting messages, RFC 3463 §3.3"),
    "2.2": (BounceClass.SOFT, "mailbox full, RFC 3463 §3.3"),
    "2.3": (BounceClass.BLOCK, "message length exceeds administrative limit, RFC 3463 §3.3"),
    "2.4": (BounceClass.SOFT, "mailing list expansion problem, RFC 3463 §3.3"),
    "3.4": (BounceClass.BLOCK, "message too big for system, RFC 3463 §3.4"),
    "4.310": (BounceClass.HARD, "the DNS domain does not exist, Exchange Online"),
    "7.17": (BounceClass.HARD, "mailbox owner has changed, RFC 7293 §5.3"),
    "7.18": (BounceClass.HARD, "domain owner has changed, RFC 7293 §5.3"),
}
_BY_SUBJECT: Final[dict[str, tuple[BounceClass, str]]] = {
    "0": (BounceClass.SOFT, "other or undefined status, RFC 3463 §3.1"),
    "1": (BounceClass.SOFT, "about an address, without saying what, RFC 3463 §3.2"),
    "2": (BounceClass.SOFT, "about the mailbox, without saying what, RFC 3463 §3.3"),
    "3": (BounceClass.SOFT, "about the receiving system, RFC 3463 §3.4"),
    "4": (BounceClass.SOFT, "about the network or the route, RFC 3463 §3.5"),
    "5": (BounceClass.SOFT, "about the protocol, RFC 3463 §3.6"),
    "6": (BounceClass.BLOCK, "about the content, RFC 3463 §3.7"),
    "7": (BounceClass.BLOCK, "about security or policy, RFC 3463 §3.8"),
}
# These say that the mailbox is gone.
_MAILBOX: Final = ("1.1", "1.2", "1.3", "1.6", "1.10", "2.1")
# No word beside these makes anything else of them.
_CERTAIN: Final = ("1.7", "1.8", "7.17", "7.18", "1.90", "2.2")


def verdict_on(status: str, diagnostic: str) -> Verdict:
    """How final a failure is.

    Args:
        status: the enhanced status code of the report, or empty.
        diagnostic: the receiving server's words, or those of the mail.
    """
    said = " ".join(diagnostic[:LONGEST_DIAGNOSTIC].split())
    # The server's own code is more exact than the reporting one's: gateways write 5.0.0 and the rest inside.
    reported, inner = status, status_in(said)
    if inner and (not status or status.endswith(".0.0") or status[0] == inner[0]):
        status = inner if not inner.endswith(".0.0") or not status else status
    kind, _, code = status.partition(".")
    if kind == "5" and code in _CERTAIN:
        return _verdict(status, *_BY_STATUS[code])
    nameless = _without_names(said)
    words = next(
        (rule for rule in _BY_WORDS if rule.pattern.search(said if rule.with_names else nameless)), None
    )
    if kind == "4" or (not status and smtp_code_in(said).startswith("4")):
        # A report of a failure: the other side would have taken it later, we or the relay gave up.
        named = f"{status}: {words.name}" if words and status else (words.name if words else status or "4xx")
        block = words is not None and words.bounce_class is BounceClass.BLOCK
        return Verdict(
            BounceClass.BLOCK if block else BounceClass.SOFT,
            named,
            "RFC 3463 §2: class 4, persistent transient failure",
        )
    subject = code.partition(".")[0]
    if (
        words is not None
        and words.bounce_class is BounceClass.HARD
        and reported.partition(".")[2] in _MAILBOX
    ):
        return Verdict(words.bounce_class, words.name, words.source)  # two of three say it
    if words is not None and _fits(words, code, subject):
        return Verdict(words.bounce_class, words.name, words.source)
    if kind == "5" and code in _BY_STATUS:
        return _verdict(status, *_BY_STATUS[code])
    if kind == "5" and subject in _BY_SUBJECT:
        return _verdict(status, *_BY_SUBJECT[subject])
    if words is not None:
        return Verdict(words.bounce_class, words.name, words.source)
    return Verdict(BounceClass.SOFT, "unexplained", "nothing says that the mailbox is gone")


def _fits(words: _Words, code: str, subject: str) -> bool:
    """Whether the words explain the code. Words about the mailbox don't turn policy (X.7) or content (X.6) into it."""
    if words.bounce_class is BounceClass.HARD:
        return subject not in ("6", "7")
    if code in _MAILBOX:
        # A code that names the mailbox and words that name the sender: in doubt for the reader.
        return True
    return words.bounce_class is not BounceClass.SOFT or subject not in ("6", "7")


def _without_names(text: str) -> str:
    return " ".join(_nameless(word) for word in text.split(" "))


def _nameless(word: str) -> str:
    if "://" in word or len(word) > 400:
        return "@"
    if "@" in word:
        return _ADDRESS.sub("@", word)
    return "@" if _HOST(word) else word


def _verdict(status: str, bounce_class: BounceClass, meaning: str) -> Verdict:
    rule, _, source = meaning.rpartition(", ")
    return Verdict(bounce_class, f"{status}: {rule}", source)


def status_in(text: str) -> str:
    """The first enhanced status code of a failure in `text`, or empty."""
    for found in _ENHANCED.finditer(text[:LONGEST_DIAGNOSTIC]):
        if found[1][0] != "2":
            return found[1]
    return ""


def smtp_code_in(text: str) -> str:
    """The first SMTP reply code of a failure in `text`, or empty."""
    found = _SMTP_CODE.search(text[:LONGEST_DIAGNOSTIC])
    return found[1] if found else ""
