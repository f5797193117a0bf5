"""Failures of models are put into classes: what is refused for good is not bought again (provider `replicate`)."""

import pytest

from providers.hosted.failures import in_words
from providers.refusals import Reason, reason_of
from providers.replicate.codes import reason_in
from tests.support.plain_ids import plain_text

# As makers of video models word it, on Replicate and elsewhere.
MODERATED = [
    "The input or output was flagged as sensitive. Please try again with different inputs. (E005) (uIJ6l3ruRD)",
    "NSFW content detected. Try running it again, or try a different prompt.",
    "Your request violates our usage policies.",
    "This prompt may violate our Community Guidelines",
    "The generated video may contain copyrighted material.",
    "The prompt could not be submitted. This prompt contains sensitive words that violate Google's Responsible AI "
    "practices. Try rephrasing your prompt. Support codes: 58061214",
    "Veo could not generate 1 videos based on the prompt provided. You will not be charged for this request.",
    "content_policy_violation",
    "InputTextSensitiveContentDetected: the request failed because the input text may contain sensitive information",
    "Content flagged for: third-party content similarity",
    "Your prompt was blocked by the safety filter",
    "Input image contains a recognizable person",
    "AuditSubmitIllegal: illegal content",
    "We can't generate videos of public figures.",
    "Failed to generate: prohibited content (code 1301)",
    "moderation_blocked",
    "No video was generated. finishReason: IMAGE_SAFETY",
    "The model's guardrails did not let this pass",
    "Sorry, this does not comply with our content guidelines.",
    "Failure to pass the risk control system",
    "DataInspectionFailed",
    "The generated videos were filtered",
    "The prompt was rejected",
    "The image did not pass our safety check",
    "Blocked by safety checker",
    "Output rejected: it infringes the rights of others",
    "Image shows a famous person",
]
INVALID = [
    "(E006) prompt must be at most 2500 characters",
    "prompt must be at most 2500 characters",
    "Input validation error: aspect_ratio: '5:4' is not one of ['16:9', '9:16']",
    "Invalid value for duration: 7",
    "The parameter `resolution` specified in the request is not valid: 8k",
    "duration is not supported by this model",
    "Prompt is too long (3012 characters)",
    "seed: value is out of range",
    "Unsupported image format: TIFF",
    "Input prompt exceeds the maximum length of 1000 tokens",
    "field required: first_frame_image",
    "ValueError: num_frames should be one of 81, 121",
    "invalid_request_error",
    "prompt length must not exceed 2000 characters",
    "Input should be '480p' or '720p'",
    "height and width have to be divisible by 8",
]
BUSY = [
    "Service is temporarily unavailable. Please try again later. (E004) (1cah9wlWR9)",
    "The service is currently unavailable due to high demand. (E003)",
    "Prediction interrupted; please retry (code: PA)",
    "Director: unexpected error handling prediction (E9243)",
    "E6716: timeout starting prediction",
    "429 RESOURCE_EXHAUSTED",
    "The engine is currently overloaded, please try again later",
    "upstream connect error: connection reset",
    "Timed out waiting for the model",
]
UNKNOWN = [
    "",
    "Failed to load safety checker",
    "KeyError: 'Seed' (names are case-sensitive)",
    "CUDA out of memory",
    "CUDA error: invalid argument",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB in safety_checker",
    "RuntimeError: The size of tensor a (77) must match the size of tensor b (81)",
    "AssertionError: value must be positive",
    "list index out of range in step 3 (KeyError: 'latents')",
    "An error occurred. (E1000)",
    "OOM killed (E1001)",
    "Something went wrong (E042)",
    "the weather",
]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        *((error, Reason.MODERATED) for error in MODERATED),
        *((error, Reason.INVALID_INPUT) for error in INVALID),
        *((error, Reason.BUSY) for error in BUSY),
        *((error, Reason.UNKNOWN) for error in UNKNOWN),
    ],
    ids=plain_text,
)
def test_error_of_a_model_is_put_into_a_class(error: str, reason: Reason) -> None:
    """By its code, else by its words."""
    assert reason_in(error) is reason


def test_reason_is_found_at_the_end_of_a_long_error() -> None:
    """As that of a log; the search takes no longer for a longer one."""
    assert reason_of("step " * 1_000_000 + "flagged as sensitive") is Reason.MODERATED
    assert reason_of("flagged as sensitive" + " step" * 1_000_000) is Reason.MODERATED


def test_code_of_an_error_outweighs_its_words() -> None:
    """Models describe a refusal as they like."""
    assert reason_of("try again later") is Reason.BUSY
    assert reason_in("try again later (E005)") is Reason.MODERATED
    assert reason_in("sensitive (E004)") is Reason.BUSY


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"message": "Too long", "code": "invalid_prompt"}, "Too long (invalid_prompt)"),
        ({"error": {"message": "Too long", "code": 1401}}, "Too long (1401)"),
        ({"code": "content_policy_violation"}, "content_policy_violation"),
        ({"detail": [{"loc": ["prompt"], "msg": "field required"}]}, "field required"),
        ({"strange": 1}, '{"strange": 1}'),
        (["one", None, {"message": "two"}], "one; two"),
        (None, ""),
        (17, "17"),
    ],
    ids=plain_text,
)
def test_error_object_is_put_into_words(error: object, words: str) -> None:
    """The API documents a string, and models return what they like."""
    assert in_words(error) == words
