"""Codes of the compiled message: slots that can't be filled safely where they stand."""

from __future__ import annotations

from newsletter.diagnostics.types import Code, Severity

COMPILED_CODES: dict[str, Code] = {
    code.code: code
    for code in (
        Code(
            "NL450",
            "slot in the scheme, host or path of an address",
            Severity.ERROR,
            "A reader's name, address or metadata may fill a piece of an address's query or fragment "
            "(`https://example.com/survey?who={{ subscriber.email }}`), where it is percent-encoded. As the whole "
            "address, or in its scheme, host or path, it would let a stranger's data decide where a link leads. "
            "`{{ unsubscribe_url }}` and `{{ preferences_url }}` are whole addresses: nothing may stand before "
            "or after them.",
        ),
        Code(
            "NL451",
            "slot where no text can stand",
            Severity.ERROR,
            "In a comment (Outlook's conditionals included), a `<style>`, a `<script>`, or the name of a tag or "
            "an attribute, a value can't be escaped so that it stays text. Move the slot into the text, a quoted "
            "attribute such as `title`, or the query of an address.",
        ),
        Code(
            "NL452",
            "slot in an attribute that is code",
            Severity.ERROR,
            "Event handlers, `style`, `srcset`, `srcdoc` and a `<meta http-equiv>` are read as code: a value in them could "
            "do more than be shown. Put the slot into the text or into a descriptive attribute.",
        ),
        Code(
            "NL453",
            "address in the subject",
            Severity.ERROR,
            "`{{ unsubscribe_url }}` and `{{ preferences_url }}` in a subject would show a personal link in every "
            "notification, forward and screenshot. Put them into the text.",
        ),
        Code(
            "NL454",
            "slot damaged on its way",
            Severity.ERROR,
            "The place of a slot was encoded, split or lost between the Markdown and the finished message, most often by "
            "a filter in a template of your own that escapes, truncates or changes case. Leave the text that holds "
            "the slot as it is: personal values are escaped when they are filled in.",
        ),
        Code(
            "NL455",
            "subject holds a character no header can carry",
            Severity.ERROR,
            "Control characters, line breaks and direction overrides in a subject can start another header or "
            "turn the text around; mail servers refuse or mangle them. Remove the character from the title.",
        ),
    )
}
