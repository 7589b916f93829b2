"""Where does each code come from: which standard, whose page, or our own judgement? For `newsletter explain`."""

from __future__ import annotations

from collections.abc import Iterator

# What is no standard's matter is said to be ours: nobody has to look for an authority that isn't there.
_FILE = "our own file format, which has one way of saying each thing"
_GUIDE = "our own format of a guide: a page that is laid out in fixed parts"
_SLOTS = "our own slots, which can do nothing but fill in a value"
_PROMISE = "our own promise that each value stands where it was written, once"
_JUDGEMENT = "our judgement"
_SITE = "our own site: its addresses are frozen once they were mailed"
_NO_FILE = "no rule: the file isn't there, or can't be read"
_EMC = "Email Markup Consortium, accessibility report of 2025"
_CAN_I_EMAIL = "caniemail.com"
_MEASURE = "our own measure, on our templates in a browser"
_COMMON_MARK = "CommonMark 0.31.2"
_WCAG = "WCAG 2.2"
_CLIPS = "measured by many senders, published by nobody at Google; where we warn is our judgement"

_ORIGINS = (
    # The file and its front matter.
    ("RFC 3629 (UTF-8); that files are UTF-8 is our own format's", "NL100"),
    (_FILE, "NL101 NL102 NL103 NL110"),
    ("YAML 1.2.2, section 10.3, and our own schema: `newsletter schema` prints it", "NL104"),
    ("YAML 1.2.2, section 3.2.1.1", "NL105"),
    ("YAML 1.2.2", "NL106"),
    ("YAML 1.2.2, section 5.1; RFC 5322, section 4.1", "NL107"),
    ("The Unicode Standard 16, section 2.6", "NL108"),
    (f"{_JUDGEMENT}, from Gmail's limit of 102 KB for the HTML", "NL109"),
    # Structure.
    (_FILE, "NL201 NL202 NL203 NL204 NL205 NL206 NL207 NL208 NL209 NL210 NL211 NL212"),
    (f"{_EMC}: one main heading; which is the issue's title", "NL213"),
    (f"{_WCAG}, 1.3.1, technique G141", "NL214"),
    (f"{_COMMON_MARK}, section 4.5: such a block goes on to the end of the file", "NL215"),
    (_JUDGEMENT, "NL216"),
    ("POSIX.1-2017, section 3.206: a line ends with a line break", "NL217"),
    # Slots, links and pictures in the source.
    (_SLOTS, "NL301 NL302 NL517"),
    ("CWE-601 (open redirect), and our own slots", "NL303 NL450"),
    (f"{_JUDGEMENT}: an issue stays readable as a file, and safe as a page", "NL304"),
    (f"{_WCAG}, 1.1.1; {_EMC}", "NL305 NL709"),
    (_NO_FILE, "NL306 NL312 NL403"),
    (f"{_CAN_I_EMAIL}, features `image-svg`, `image-webp`, `image-avif`", "NL307"),
    ("RFC 3986, section 4.4: an empty reference means the page it stands on, and a mail is none", "NL308"),
    ("browsers, which call such a page not secure; that readers mind is our judgement", "NL309 NL731"),
    ("an editors' custom (TK: to come), and our judgement", "NL310"),
    (_MEASURE, "NL311 NL840 NL841"),
    (f"{_JUDGEMENT}: these are the schemes that every mail program follows", "NL313 NL410"),
    # What rendering finds.
    (_PROMISE, "NL401 NL402 NL454"),
    (f"{_JUDGEMENT}: one wrong path must not mail a private file", "NL404"),
    (
        f"{_CAN_I_EMAIL}, image formats; PNG (ISO/IEC 15948), JPEG (ITU-T T.81), GIF89a for damaged files",
        "NL405",
    ),
    (f"{_WCAG}, 1.4.3", "NL406 NL465"),
    ("RFC 3986, section 5.1: a relative address needs a page it stands on", "NL407 NL408"),
    (f"{_JUDGEMENT}: it lets another count your readers", "NL409"),
    ("what Python-Markdown can read", "NL411"),
    ("OWASP, Cross Site Scripting Prevention: contexts in which nothing can be escaped", "NL451 NL452"),
    (f"{_JUDGEMENT}: a subject is seen by others", "NL453"),
    ("RFC 5322, section 2.2; CVE-2021-42574 for overrides", "NL455"),
    ("mail programs run no JavaScript and show no SVG (caniemail.com, feature `image-svg`)", "NL460"),
    (f"{_WCAG}, 1.1.1", "NL461"),
    ("the grammar of Mermaid or Graphviz, as what draws it reads it", "NL462"),
    (f"{_JUDGEMENT}: a limit, so that nothing hangs", "NL463 NL466"),
    (f"{_MEASURE}; that 11 pixels can be read is our judgement", "NL464"),
    (f"{_JUDGEMENT}: a budget for a telephone's connection", "NL467 NL825"),
    (f"{_JUDGEMENT}: what readers shouldn't have to notice", "NL468"),
    ("no rule: it isn't published yet", "NL469 NL602"),
    ("the fonts of this machine", "NL470"),
    # Guides.
    (_GUIDE, "NL501 NL502 NL503 NL507 NL508 NL509 NL510 NL513 NL514 NL515 NL519"),
    (f"{_GUIDE}; {_WCAG}, techniques H51 and H63 for its headers", "NL504 NL505"),
    (f"{_JUDGEMENT}: a gap reads as a no", "NL506"),
    ("schema.org, FAQPage: a Question has an acceptedAnswer; its form is our own", "NL511 NL512"),
    ("RFC 3986, section 3", "NL516 NL820"),
    ("HTML Living Standard, scrolling to a fragment", "NL518"),
    # The site.
    (_SITE, "NL601 NL603 NL604"),
    # The finished mail.
    (f"{_WCAG}, 3.1.1; {_EMC}", "NL700 NL701"),
    (f"{_WCAG}, 2.4.2; {_EMC}", "NL702"),
    (f"{_WCAG}, 1.3.1; {_EMC}", "NL703 NL704"),
    (f"{_WCAG}, 1.3.1, technique G141", "NL705"),
    (f"{_WCAG}, 2.4.4; {_EMC}", "NL706 NL707"),
    (f"{_WCAG}, 1.4.1, technique G183; {_EMC}", "NL708"),
    (f"{_WCAG}, 1.4.3; {_EMC}", "NL710"),
    (f"{_WCAG}, 1.4.3, for the dark colours as well", "NL711"),
    (f"{_WCAG}, 1.4.3; how a client inverts is our model of it", "NL712"),
    (f"{_WCAG}, 1.4.8", "NL713"),
    (f"{_JUDGEMENT}: no standard names a size", "NL714"),
    (f"{_WCAG}, 1.3.1, technique H51", "NL715"),
    ("HTML Living Standard, section 3.2.6", "NL716"),
    (f"{_CAN_I_EMAIL}, the features that the explanation names", "NL720 NL721 NL723 NL724 NL725"),
    (
        f"{_CAN_I_EMAIL} lists no client that runs scripts; what filters make of them is our judgement",
        "NL722",
    ),
    (f"{_JUDGEMENT}: other programs' placeholders", "NL730"),
    ("RFC 2606; RFC 6761", "NL732 NL811"),
    ("The Unicode Standard 16, chapter 23; that C1 characters clip in Gmail was measured by others", "NL733"),
    (f"{_CAN_I_EMAIL}, feature `html-anchor-links`", "NL734 NL817"),
    (_CLIPS, "NL740 NL741"),
    ("CAN-SPAM, 15 U.S.C. § 7704(a)(3); Gmail's and Yahoo's guidelines for senders", "NL750"),
    ("CAN-SPAM, 15 U.S.C. § 7704(a)(5)(A)(iii)", "NL751"),
    (f"{_JUDGEMENT}: a way out for whoever sees it broken", "NL752"),
    ("RFC 8058, section 3.1; Gmail's and Yahoo's guidelines for senders", "NL753"),
    ("RFC 5322, section 3.6", "NL754"),
    ("RFC 9989 (DMARC), identifier alignment", "NL755"),
    ("RFC 2046, section 5.1.4; what filters make of it is our judgement", "NL756"),
    ("Jinja, or the standard of the header that can't be written", "NL760"),
    # The line in the inbox.
    (
        "emailtooltester.com and lettercounter.org, who measured where inboxes cut; that 60 is enough is our judgement",
        "NL801",
    ),
    ("Unicode CLDR, whose short names screen readers say; the number is our judgement", "NL802"),
    ("CAN-SPAM, 15 U.S.C. § 7704(a)(2); Gmail's guidelines for senders", "NL803"),
    ("SpamAssassin, rule `SUBJ_ALL_CAPS`", "NL804"),
    ("SpamAssassin, rule `PLING_QUERY`, for the marks in a row; otherwise our judgement", "NL805"),
    (f"{_JUDGEMENT}: half of a short line is too much to lose", "NL806"),
    # Links.
    ("Spamhaus, Domain Block List: redirectors that are abused are listed", "NL812"),
    (
        "the owners' own names of these fields: Google's `gclid`, Meta's `fbclid`, Mailchimp's `mc_eid`",
        "NL813",
    ),
    ("Google Analytics, campaign parameters; whose they are is our judgement", "NL814"),
    (f"{_COMMON_MARK}, section 6.5", "NL815"),
    (f"{_WCAG}, 2.4.9", "NL816"),
    ("RFC 6068; RFC 5321, section 4.1.2; the slips of known domains are our own list", "NL818"),
    (f"{_WCAG}, 2.4.4; the words are our own list", "NL819"),
    (f"{_COMMON_MARK}, section 6.3", "NL821"),
    # Pictures.
    (f"{_WCAG}, 1.1.1, failure F30", "NL823"),
    (f"{_JUDGEMENT}: no standard names a length", "NL824"),
    ("Gmail's limit of 25 MB for a message, of which base64 leaves three quarters", "NL826"),
    ("PNG (ISO/IEC 15948), JPEG (ITU-T T.81), GIF89a: what such a file begins with", "NL827"),
    # Words.
    (f"{_JUDGEMENT}: a short list of our own, as no filter publishes why it scored a phrase", "NL831"),
    (
        "Linux kernel coding style, section 4; Inclusive Naming Initiative; which terms is our judgement",
        "NL832",
    ),
    (_JUDGEMENT, "NL833 NL836"),
    ("The Unicode Standard 16, chapter 23; CVE-2021-42574", "NL834"),
    ("what compilers and shells make of U+00A0", "NL835"),
    ("Senter and Smith, AMRL-TR-66-220, 1967; that 18 is too much is our judgement", "NL837"),
    ("Brysbaert, How many words do we read per minute?, 2019; that 4,000 is long is our judgement", "NL838"),
    # What the web says.
    ("RFC 9110, sections 15.5.5 and 15.5.11", "NL851"),
    ("RFC 9110, section 15.6; ten seconds are our judgement", "NL852"),
    ("RFC 9110, sections 15.4.2 and 15.4.9", "NL853"),
    ("RFC 6890 and IANA's registries of special-purpose addresses", "NL854"),
    ("RFC 9110, sections 15.5.2 and 15.5.4; RFC 6585, section 4", "NL855"),
    ("no rule: there is no network", "NL856"),
    # Between files.
    (_FILE, "NL901 NL902 NL903"),
)


def _by_code() -> Iterator[tuple[str, str]]:
    for origin, codes in _ORIGINS:
        for code in codes.split():
            yield code, origin


# By code: a standard with its section, a page, or in so many words our judgement.
ORIGINS: dict[str, str] = dict(_by_code())
