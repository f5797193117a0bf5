"""The route that receives the bytes of uploads: one PUT, or the tus protocol."""
