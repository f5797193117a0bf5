"""The provider `openrouter`: makes clips by the video API of https://openrouter.ai/docs/api/api-reference/videos."""
