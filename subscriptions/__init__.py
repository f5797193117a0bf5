"""The live view: Subscription and the hub that feeds it."""
