"""The provider `replicate`: runs predictions by the HTTP API of https://replicate.com/docs/reference/http."""
