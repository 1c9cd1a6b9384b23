"""Language models behind an OpenAI-compatible server: requests, replies, and a model that writes through them."""
