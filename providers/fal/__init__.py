"""The provider `fal`: makes clips by the queue API of https://fal.ai/docs/documentation/model-apis/inference/queue."""
