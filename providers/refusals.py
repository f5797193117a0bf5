"""Reasons by which makers of clips refuse or fail, put into classes: by code words first, then by their wording.

Each maker has its own words. The wordings are those that makers of video models document or return.
"""

import re
from enum import StrEnum

from providers.port import Failure

MESSAGE_CHARACTERS = 500
END_CHARACTERS = 2000


class Reason(StrEnum):
    """The class of a failure. Failures of the first two are final: the same order would be refused again."""

    MODERATED = "MODERATED"
    INVALID_INPUT = "INVALID_INPUT"
    BUSY = "BUSY"
    UNKNOWN = "UNKNOWN"


# A fault of the machine may name anything: "CUDA out of memory in safety_checker", "CUDA error: invalid argument".
_MACHINE = re.compile(
    r"\bcuda\b|\bcudnn|\bnccl\b|out of memory|\boom\b|segmentation fault|no space left|\bkilled\b", re.IGNORECASE
)
# A fault of the model's program is worded like an invalid input: "tensors must be on the same device".
_PROGRAM = re.compile(
    r"traceback|\btensors?\b|\bdtype\b|\b(?:runtime|attribute|key|index|assertion|import|zero ?division) ?error\b",
    re.IGNORECASE,
)
_MODERATED = re.compile(
    r"""
    \bnsfw | \bflagged\b | (?<!case[-\s])\bsensitive | \bmoderat(?:ed|ion|or) | \bprofan | \bnudity
    | \bobscen | \bcelebrit
    # That a safety checker cannot be loaded is no refusal.
    | \bsafety\b(?!\s?check) | \b(?:fail(?:s|ed)?|pass|passed|by|triggers?|triggered)\s(?:\w+\s)?safety\s?check
    | \brisk\scontrol | \bdata\sinspection | \binfring | \bguard.?rails? | \bhate\sspeech | \bself.?harm
    | \b(?:unsafe|harmful|explicit|offensive|inappropriate|prohibited|disallowed|restricted|illegal|violent|sexual)
      \s(?:content|material|image|prompt|word|term|request|input|output)
    | \bcontent\s?(?:polic|filter|guideline|violation|restriction|warning)
    | \b(?:violat\w*|against|breach\w*|conflict\w*|comply|complies|compliance|allowed)\b.{0,60}
      \b(?:polic\w+|guideline\w*|terms|standards|principles|practices|rules\sof\suse)\b
    | \b(?:usage|community|acceptable\suse|use)\s(?:polic\w+|guideline\w*|standards)
    | \bresponsible\sai\b | \brai\b
    | \bcopyright | \btrademark | \bintellectual\sproperty | \bthird.party\s(?:content|similarity|rights)
    | \b(?:prompt|content|image|video|request|output|generation)s?\b.{0,30}\bfiltered\b
    | \bprompts?\b.{0,20}\brejected\b | \bcontent\schecker
    | \bfamous\s(?:person|people)
    | \b(?:likeness|public\sfigure|real\s(?:person|people|human)|recogni[sz]able\s(?:person|people|face))
    | \bblocked\b.{0,30}\b(?:prompt|content|reason|policy|filter)
    | \b(?:prompt|content|image|output)\b.{0,30}\bblocked\b
    | \bcould\snot\sgenerate\b.{0,30}\bbased\son\sthe\sprompt\b
    | \brephras\w+ | \bdifferent\sinputs?\b
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_INVALID = re.compile(
    r"""
    \bmust\s(?:not\s)?(?:be|have|contain|match|start|end|use|specify|provide|exceed)\b
    | \b(?:has|have)\sto\sbe\b | \binput\sshould\sbe\b
    | \b(?:invalid|unsupported|unrecogni[sz]ed|malformed|illegal|bad|wrong|missing|unexpected|unknown)\s
      (?:\w+\s){0,2}?(?:input|value|param\w*|argument|prompt|duration|aspect|resolution|ratio|size|format|type|field|
         option|request|seed|length|image|video|audio|url|model\sinput|enum|choice)s?\b
    | \b(?:input|value|param\w*|argument|prompt|duration|aspect.ratio|resolution|ratio|size|format|field|option|seed|
         image|video|audio)s?\b[^.]{0,40}\b(?:is|are|was|were)\s(?:\w+\s)?
      (?:invalid|required|unsupported|missing|empty|not\s(?:\w+\s)?(?:valid|supported|allowed|recogni[sz]ed|one\sof)|
         too\s(?:long|short|large|small|high|low|big))
    | \bvalidation\s(?:error|failed)|\bfailed\svalidation | \bfield\srequired
    | \b(?:exceed\w*|longer\sthan|more\sthan|over)\b.{0,30}\b(?:maximum|limit|allowed|characters|tokens|seconds)
    | \b(?:maximum|minimum|at\s(?:most|least))\b.{0,30}\b(?:characters?|tokens?|seconds?|pixels?|frames?|words?)\b
    | \bout\sof\srange | \bnot\sone\sof\b | \bexpected\sone\sof\b | \bshould\sbe\s(?:less|greater|one|at)\b
    | \bdoes\snot\ssupport\b | \bis\snot\ssupported\b | \bnot\sa\svalid\b
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_BUSY = re.compile(
    r"""
    \b(?:temporarily|currently)\s(?:unavailable|overloaded|at\scapacity) | \bunavailable\b | \boverload | \bhigh\sdemand
    | \btry\sagain\s(?:later|in|shortly|soon) | \bplease\sretry | \bretry\slater | \binterrupted\b | \brate.?limit
    | \btoo\smany\srequests | \bresource.?exhausted | \bqueue\sis\sfull | \btimed?.?out\b | \bcapacity\b
    | \bconnection\s(?:reset|refused|error|aborted|closed) | \binternal\s(?:server\s)?error | \bbad\sgateway
    | \bservice\serror
    """,
    re.IGNORECASE | re.VERBOSE,
)
_WORD_IN_CODE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|_")


def reason_of(text: str) -> Reason:
    """Return the class of a maker's message; names of codes in it, such as content_policy_violation, are read as words.

    A message that fits none is UNKNOWN.
    """
    words = _WORD_IN_CODE.sub(" ", _ends(text))
    if _MACHINE.search(words):
        return Reason.UNKNOWN
    if _MODERATED.search(words):
        return Reason.MODERATED
    if _INVALID.search(words) and not _PROGRAM.search(words):
        return Reason.INVALID_INPUT
    return Reason.BUSY if _BUSY.search(words) else Reason.UNKNOWN


def _ends(text: str) -> str:
    """Return the beginning and the end of a long message, such as that of a traceback: the reason is in one of them."""
    return text if len(text) <= 2 * END_CHARACTERS else f"{text[:END_CHARACTERS]} … {text[-END_CHARACTERS:]}"


def failure_for(reason: Reason, text: str, *, unknown: str) -> Failure:
    """Return the failure of an order that a maker refused or failed with this message.

    What is refused by its content or its input is not retryable. A fault of unknown reason, whose code is `unknown`, is
    retried once, since each attempt may have to be paid for.
    """
    message = " ".join(text.split())[:MESSAGE_CHARACTERS]
    match reason:
        case Reason.MODERATED:
            return Failure("MODERATED", f"The model refused the content: {message}", retryable=False)
        case Reason.INVALID_INPUT:
            return Failure("INVALID_INPUT", f"The model does not accept this input: {message}", retryable=False)
        case Reason.BUSY:
            return Failure("PROVIDER_UNAVAILABLE", f"The model is not available: {message}", retryable=True)
        case Reason.UNKNOWN:
            return Failure(unknown, f"The model failed: {message}", retryable=True, retries=1)
